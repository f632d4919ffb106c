-- see (name, presence, now, up, told): the node is alive, and still the one that began last
UPDATE brokerweb_cluster_node SET seen_at = :now, up = :up, told = :told WHERE name = :name AND presence = :presence;

-- begin (name, presence, now, wall, boot, up): the node starts
INSERT INTO brokerweb_cluster_node (name, presence, started_at, seen_at, boot, up, told)
VALUES (:name, :presence, :wall, :now, :boot, :up, '')
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

-- running (): the nodes that have not ended, by name
SELECT name, presence, started_at, seen_at, told FROM brokerweb_cluster_node WHERE presence <> '' ORDER BY name;

-- bury (name, presence, at): that node has been silent since, and is not there any more
UPDATE brokerweb_cluster_node SET presence = '' WHERE name = :name AND presence = :presence AND seen_at = :at;

-- gone_nodes (before): those not seen since then
SELECT name FROM brokerweb_cluster_node WHERE seen_at <= :before;

-- forget_node (name, before): one of them
DELETE FROM brokerweb_cluster_node WHERE name = :name AND seen_at <= :before;

-- lease (duty): who has it, and until when
SELECT node, until_at FROM brokerweb_cluster_dutylease WHERE name = :duty;

-- take (duty, node, now, until): who has the lease keeps it; one that has ended, or lasts for longer than any is given, is anybody's
INSERT INTO brokerweb_cluster_dutylease (name, node, since_at, until_at) VALUES (:duty, :node, :now, :until)
ON CONFLICT (name) DO UPDATE SET node = excluded.node, until_at = excluded.until_at, since_at =
  CASE WHEN brokerweb_cluster_dutylease.node = excluded.node THEN brokerweb_cluster_dutylease.since_at ELSE excluded.since_at END
WHERE brokerweb_cluster_dutylease.node = excluded.node OR brokerweb_cluster_dutylease.until_at <= excluded.since_at
  OR brokerweb_cluster_dutylease.until_at > 2 * excluded.until_at - excluded.since_at;

-- give_up (duty, node): who has it wants it no more
DELETE FROM brokerweb_cluster_dutylease WHERE name = :duty AND node = :node;

-- report (node, now, told): what goes on at that node
INSERT INTO brokerweb_cluster_report (node, at, told) VALUES (:node, :now, :told)
ON CONFLICT (node) DO UPDATE SET at = excluded.at, told = excluded.told;

-- reported (node, alive): the other nodes that are alive, and when each last reported
SELECT r.node, r.at FROM brokerweb_cluster_report r JOIN brokerweb_cluster_node n ON n.name = r.node
WHERE r.node <> :node AND n.presence <> '' AND n.seen_at > :alive;

-- report_of (node): what it told last, and when
SELECT at, told FROM brokerweb_cluster_report WHERE node = :node;

-- forget_report (node): it has gone
DELETE FROM brokerweb_cluster_report WHERE node = :node;

-- connect (connection, node, unsettled, told): a connection is there, or has changed
INSERT INTO brokerweb_cluster_connected (id, node, held, told, closing) VALUES (:connection, :node, :unsettled, :told, false)
ON CONFLICT (id) DO UPDATE SET held = excluded.held, told = excluded.told;

-- disconnect (connection): it is over
DELETE FROM brokerweb_cluster_connected WHERE id = :connection;

-- forget_connected (node): all of a node that has gone
DELETE FROM brokerweb_cluster_connected WHERE node = :node;

-- connected (node, alive, past, limit): connections of other nodes that are alive, by id
SELECT c.id, c.told FROM brokerweb_cluster_connected c JOIN brokerweb_cluster_node n ON n.name = c.node
WHERE c.node <> :node AND n.presence <> '' AND n.seen_at > :alive AND c.id > :past ORDER BY c.id LIMIT :limit;

-- busiest (node, alive, limit): the same, those that hold most first
SELECT c.id, c.told FROM brokerweb_cluster_connected c JOIN brokerweb_cluster_node n ON n.name = c.node
WHERE c.node <> :node AND n.presence <> '' AND n.seen_at > :alive ORDER BY c.held DESC, c.id LIMIT :limit;

-- connection (connection, alive): one of a node that is alive
SELECT c.node, c.told FROM brokerweb_cluster_connected c JOIN brokerweb_cluster_node n ON n.name = c.node
WHERE c.id = :connection AND n.presence <> '' AND n.seen_at > :alive;

-- close (connection): its node is to close it
UPDATE brokerweb_cluster_connected SET closing = true WHERE id = :connection;

-- closing (node): what that node is to close
SELECT id FROM brokerweb_cluster_connected WHERE node = :node AND closing;
