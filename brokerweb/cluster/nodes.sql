-- see (name, now): the node is alive
UPDATE brokerweb_cluster_node SET seen_at = :now WHERE name = :name;

-- begin (name, now): the node starts
INSERT INTO brokerweb_cluster_node (name, started_at, seen_at) VALUES (:name, :now, :now)
ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, seen_at = excluded.seen_at;

-- last_seen (): when any node was last alive
SELECT max(seen_at) FROM brokerweb_cluster_node;
