-- see (name, presence, now): the node is alive, and still the one that began last
UPDATE brokerweb_cluster_node SET seen_at = :now WHERE name = :name AND presence = :presence;

-- begin (name, presence, now): the node starts
INSERT INTO brokerweb_cluster_node (name, presence, started_at, seen_at) VALUES (:name, :presence, :now, :now)
ON CONFLICT (name) DO UPDATE SET presence = excluded.presence, started_at = excluded.started_at, seen_at = excluded.seen_at;

-- end (name, presence, now): the node has ended of its own will
UPDATE brokerweb_cluster_node SET presence = '', seen_at = :now WHERE name = :name AND presence = :presence;

-- nodes (): who has served, and when they were last alive
SELECT presence, seen_at FROM brokerweb_cluster_node;

-- last_seen (): when any node was last alive
SELECT max(seen_at) FROM brokerweb_cluster_node;
