-- introduce (holder, client, name, owner, connection, address, now): who that holder is, from now on
INSERT INTO brokerweb_identity_client (holder, client, name, owner, connection, address, first_seen_at, last_seen_at)
VALUES (:holder, :client, :name, :owner, :connection, :address, :now, :now)
ON CONFLICT (holder) DO UPDATE SET client = excluded.client, name = excluded.name, owner = excluded.owner,
  address = excluded.address, last_seen_at = excluded.last_seen_at;

-- see_client (holder, now): it is still there
UPDATE brokerweb_identity_client SET last_seen_at = :now WHERE holder = :holder;

-- forget_clients (before, limit): those not seen since then, the longest first
DELETE FROM brokerweb_identity_client WHERE holder IN
  (SELECT holder FROM brokerweb_identity_client WHERE last_seen_at <= :before ORDER BY last_seen_at LIMIT :limit);

-- nth_client (kept): since when as many have been seen
SELECT last_seen_at FROM brokerweb_identity_client ORDER BY last_seen_at DESC LIMIT 1 OFFSET :kept;
