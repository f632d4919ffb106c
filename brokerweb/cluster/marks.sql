-- What charts mark.

-- mark (wall, text, kind, target, actor): something happened
INSERT INTO brokerweb_cluster_mark (at, text, kind, target, actor) VALUES (:wall, :text, :kind, :target, :actor);

-- unmark (before, limit): marks of before then go, the oldest first
DELETE FROM brokerweb_cluster_mark WHERE id IN (SELECT id FROM brokerweb_cluster_mark WHERE at < :before ORDER BY at, id LIMIT :limit);

-- crowd (kept): the instant of the newest mark that is one too many
SELECT at FROM brokerweb_cluster_mark ORDER BY at DESC LIMIT 1 OFFSET :kept;
