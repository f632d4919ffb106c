-- Samples, fresh and by the hour.

-- note (bucket, tick, packed): what a bucket has of a tick
INSERT INTO brokerweb_cluster_freshsamples (bucket, tick, packed) VALUES (:bucket, :tick, :packed)
ON CONFLICT (bucket, tick) DO UPDATE SET packed = excluded.packed;

-- fresh (bucket, first, last): what it has of these ticks
SELECT tick, packed FROM brokerweb_cluster_freshsamples WHERE bucket = :bucket AND tick BETWEEN :first AND :last ORDER BY tick;

-- fresh_of@sqlite (buckets, ticks): the same of several, of some ticks; two JSON arrays
SELECT bucket, tick, packed FROM brokerweb_cluster_freshsamples
WHERE bucket IN (SELECT value FROM json_each(:buckets)) AND tick IN (SELECT value FROM json_each(:ticks)) ORDER BY bucket, tick;

-- fresh_of@postgres (buckets, ticks): the same, of arrays
SELECT bucket, tick, packed FROM brokerweb_cluster_freshsamples
WHERE bucket = ANY (translate(:buckets, '[]', '{}')::bigint[]) AND tick = ANY (translate(:ticks, '[]', '{}')::bigint[])
ORDER BY bucket, tick;

-- buckets (): which buckets have fresh samples, and since which tick
SELECT bucket, min(tick) FROM brokerweb_cluster_freshsamples GROUP BY bucket ORDER BY bucket;

-- forget_fresh (bucket, last): those of a bucket up to a tick
DELETE FROM brokerweb_cluster_freshsamples WHERE bucket = :bucket AND tick <= :last;

-- hours (series, first, last): the hours of a series
SELECT hour, packed FROM brokerweb_cluster_hourofsamples WHERE series = :series AND hour BETWEEN :first AND :last ORDER BY hour;

-- hours_of@sqlite (several, first, last): the hours of several series; a JSON array
SELECT series, hour, packed FROM brokerweb_cluster_hourofsamples
WHERE series IN (SELECT value FROM json_each(:several)) AND hour BETWEEN :first AND :last ORDER BY series, hour;

-- hours_of@postgres (several, first, last): the same, of an array
SELECT series, hour, packed FROM brokerweb_cluster_hourofsamples
WHERE series = ANY (translate(:several, '[]', '{}')::bigint[]) AND hour BETWEEN :first AND :last ORDER BY series, hour;

-- most_of@sqlite (several, first, last): the most that each had in its hours; a JSON array
SELECT series, hour, depth, dead FROM brokerweb_cluster_hourofsamples
WHERE series IN (SELECT value FROM json_each(:several)) AND hour BETWEEN :first AND :last ORDER BY series, hour;

-- most_of@postgres (several, first, last): the same, of an array
SELECT series, hour, depth, dead FROM brokerweb_cluster_hourofsamples
WHERE series = ANY (translate(:several, '[]', '{}')::bigint[]) AND hour BETWEEN :first AND :last ORDER BY series, hour;

-- keep_hour (series, hour, depth, dead, packed): what a series has of an hour
INSERT INTO brokerweb_cluster_hourofsamples (series, hour, depth, dead, packed) VALUES (:series, :hour, :depth, :dead, :packed)
ON CONFLICT (series, hour) DO UPDATE SET depth = excluded.depth, dead = excluded.dead, packed = excluded.packed;

-- forget_hours (last, limit): the oldest hours, up to one
DELETE FROM brokerweb_cluster_hourofsamples WHERE (series, hour) IN
  (SELECT series, hour FROM brokerweb_cluster_hourofsamples WHERE hour <= :last ORDER BY hour, series LIMIT :limit);
