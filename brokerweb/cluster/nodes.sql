-- see (name, presence, now, up): the node is alive, and still the one that began last
UPDATE brokerweb_cluster_node SET seen_at = :now, up = :up WHERE name = :name AND presence = :presence;

-- begin (name, presence, now, wall, boot, up): the node starts
INSERT INTO brokerweb_cluster_node (name, presence, started_at, seen_at, boot, up) VALUES (:name, :presence, :wall, :now, :boot, :up)
ON CONFLICT (name) DO UPDATE SET presence = excluded.presence, started_at = excluded.started_at, seen_at = excluded.seen_at,
  boot = excluded.boot, up = excluded.up;

-- end (name, presence, now, up): the node has ended of its own will
UPDATE brokerweb_cluster_node SET presence = '', seen_at = :now, up = :up WHERE name = :name AND presence = :presence;

-- nodes (): who has served, and when they were last alive
SELECT presence, seen_at, boot, up FROM brokerweb_cluster_node;

-- last_seen (): when any node was last alive
SELECT seen_at AS at, boot, up FROM brokerweb_cluster_node ORDER BY seen_at DESC LIMIT 1;

-- steps (): every time the wall was set, the oldest first
SELECT since_at AS since, difference, slept FROM brokerweb_cluster_wallstep ORDER BY id;

-- last_step (): the last of them
SELECT difference FROM brokerweb_cluster_wallstep ORDER BY id DESC LIMIT 1;

-- add_step (since, difference, slept): the wall was set
INSERT INTO brokerweb_cluster_wallstep (since_at, difference, slept) VALUES (:since, :difference, :slept);

-- trim_steps (kept): so many of the last are enough
DELETE FROM brokerweb_cluster_wallstep WHERE id <= (SELECT id FROM brokerweb_cluster_wallstep ORDER BY id DESC LIMIT 1 OFFSET :kept);
