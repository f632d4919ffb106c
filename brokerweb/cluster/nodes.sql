-- see (name, now, up): the node is alive
UPDATE brokerweb_cluster_node SET seen_at = :now, up = :up WHERE name = :name;

-- begin (name, now, wall, boot, up): the node starts
INSERT INTO brokerweb_cluster_node (name, started_at, seen_at, boot, up) VALUES (:name, :wall, :now, :boot, :up)
ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, seen_at = excluded.seen_at, boot = excluded.boot, up = excluded.up;

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
