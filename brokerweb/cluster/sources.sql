-- Who published where, for the map.

-- note_publisher (kind, number, name, wall): somebody has published there
INSERT INTO brokerweb_cluster_publisher (kind, number, name, seen_at) VALUES (:kind, :number, :name, :wall)
ON CONFLICT (kind, number, name) DO UPDATE SET seen_at = excluded.seen_at
WHERE brokerweb_cluster_publisher.seen_at < excluded.seen_at;

-- publishers (since, limit): those since an instant, the latest first
SELECT kind, number, name, seen_at FROM brokerweb_cluster_publisher WHERE seen_at >= :since ORDER BY seen_at DESC, kind, number, name LIMIT :limit;

-- publishers_of (kind, number, since, limit): the same of one queue, stream or topic
SELECT kind, number, name, seen_at FROM brokerweb_cluster_publisher
WHERE kind = :kind AND number = :number AND seen_at >= :since ORDER BY seen_at DESC, name LIMIT :limit;

-- forget_publishers (before, limit): those who have not published since then
DELETE FROM brokerweb_cluster_publisher WHERE (kind, number, name) IN
  (SELECT kind, number, name FROM brokerweb_cluster_publisher WHERE seen_at < :before ORDER BY seen_at, kind, number, name LIMIT :limit);

-- crowd_of_publishers (kept): the instant of the latest that is one too many
SELECT seen_at FROM brokerweb_cluster_publisher ORDER BY seen_at DESC LIMIT 1 OFFSET :kept;
