-- Statements of the operators' verbs (queues/control.py) and of browsing (queues/browse.py). Parameters named after a
-- state are 1 to include it. Every arm names its state as a literal and repeats its index's predicate: SQLite takes a
-- partial index only for a predicate it finds in the statement. For SQLite some name their index: with statistics its planner
-- walks a whole table by rowid for "ORDER BY id LIMIT", past all that is in other states or queues.

-- matching (queue, after, until, n, key, scheduled, ready, blocked, leased, dead): a queue's next messages by id, and whether each has the key
-- Leased messages are few, and found through message_leased without reading rows: "+id" keeps the planner from walking
-- the whole table in id order for them.
SELECT p.id, p.state, CASE WHEN CAST(:key AS text) IS NULL THEN true ELSE (SELECT m."key" = :key FROM brokerweb_queues_message m WHERE m.id = p.id) END
FROM (
  SELECT * FROM (SELECT id, 0 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :scheduled = 1 AND queue_id = :queue AND state = 0 AND NOT (state = 3) AND id > :after AND id <= :until ORDER BY id LIMIT :n) AS a
  UNION ALL SELECT * FROM (SELECT id, 1 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :ready = 1 AND queue_id = :queue AND state = 1 AND NOT (state = 3) AND id > :after AND id <= :until ORDER BY id LIMIT :n) AS b
  UNION ALL SELECT * FROM (SELECT id, 2 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :blocked = 1 AND queue_id = :queue AND state = 2 AND NOT (state = 3) AND id > :after AND id <= :until ORDER BY id LIMIT :n) AS c
  UNION ALL SELECT * FROM (SELECT id, 3 AS state FROM brokerweb_queues_message INDEXED BY message_leased
    WHERE :leased = 1 AND queue_id = :queue AND state = 3 AND +id > :after AND +id <= :until ORDER BY +id LIMIT :n) AS d
  UNION ALL SELECT * FROM (SELECT id, 4 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :dead = 1 AND queue_id = :queue AND state = 4 AND NOT (state = 3) AND id > :after AND id <= :until ORDER BY id LIMIT :n) AS e
) AS p ORDER BY p.id LIMIT :n;

-- matching_desc (queue, after, until, n, key, scheduled, ready, blocked, leased, dead): the same from the newest down; after is the upper end
SELECT p.id, p.state, CASE WHEN CAST(:key AS text) IS NULL THEN true ELSE (SELECT m."key" = :key FROM brokerweb_queues_message m WHERE m.id = p.id) END
FROM (
  SELECT * FROM (SELECT id, 0 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :scheduled = 1 AND queue_id = :queue AND state = 0 AND NOT (state = 3) AND id < :after AND id >= :until ORDER BY id DESC LIMIT :n) AS a
  UNION ALL SELECT * FROM (SELECT id, 1 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :ready = 1 AND queue_id = :queue AND state = 1 AND NOT (state = 3) AND id < :after AND id >= :until ORDER BY id DESC LIMIT :n) AS b
  UNION ALL SELECT * FROM (SELECT id, 2 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :blocked = 1 AND queue_id = :queue AND state = 2 AND NOT (state = 3) AND id < :after AND id >= :until ORDER BY id DESC LIMIT :n) AS c
  UNION ALL SELECT * FROM (SELECT id, 3 AS state FROM brokerweb_queues_message INDEXED BY message_leased
    WHERE :leased = 1 AND queue_id = :queue AND state = 3 AND +id < :after AND +id >= :until ORDER BY +id DESC LIMIT :n) AS d
  UNION ALL SELECT * FROM (SELECT id, 4 AS state FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :dead = 1 AND queue_id = :queue AND state = 4 AND NOT (state = 3) AND id < :after AND id >= :until ORDER BY id DESC LIMIT :n) AS e
) AS p ORDER BY p.id DESC LIMIT :n;

-- matching_summary (queue, key, scheduled, ready, blocked, leased, dead): how many match, and the first and the last of them
-- Without a key the indexes answer alone: the row is read only where the key is compared.
SELECT CAST(sum(n) AS bigint), min(first), max(last) FROM (
  SELECT count(*) AS n, min(id) AS first, max(id) AS last FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :scheduled = 1 AND queue_id = :queue AND state = 0 AND NOT (state = 3) AND (CAST(:key AS text) IS NULL OR "key" = :key)
  UNION ALL SELECT count(*), min(id), max(id) FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :ready = 1 AND queue_id = :queue AND state = 1 AND NOT (state = 3) AND (CAST(:key AS text) IS NULL OR "key" = :key)
  UNION ALL SELECT count(*), min(id), max(id) FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :blocked = 1 AND queue_id = :queue AND state = 2 AND NOT (state = 3) AND (CAST(:key AS text) IS NULL OR "key" = :key)
  UNION ALL SELECT count(*), min(+id), max(+id) FROM brokerweb_queues_message INDEXED BY message_leased
    WHERE :leased = 1 AND queue_id = :queue AND state = 3 AND (CAST(:key AS text) IS NULL OR "key" = :key)
  UNION ALL SELECT count(*), min(id), max(id) FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE :dead = 1 AND queue_id = :queue AND state = 4 AND NOT (state = 3) AND (CAST(:key AS text) IS NULL OR "key" = :key)
) AS s;

-- oldest_ready (queue): since when the first message of each priority is ready; the least of these
SELECT min((SELECT due_at FROM brokerweb_queues_message WHERE queue_id = :queue AND state = 1 AND priority = p.column1 ORDER BY position LIMIT 1))
FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS p;

-- newest_id (): the highest id of any message, so that a long action ends at what existed when it began
SELECT coalesce(max(id), 0) FROM brokerweb_queues_message;

-- find_message (id, queue): what a verb must know of one message before it acts
SELECT state, "key", holds_key FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue;

-- weights@sqlite (ids): what the bodies of messages weigh; the ids are a JSON array
SELECT c.message_id, length(c.body) FROM json_each(:ids) j CROSS JOIN brokerweb_queues_content c ON c.message_id = j.value;

-- weights@postgres (ids): the same; ids in an array of PostgreSQL's own find their rows one by one, under any statistics
SELECT message_id, length(body) FROM brokerweb_queues_content WHERE message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- remove (id, queue, state, ready_until): delete a message that is still in the state it was found in
-- A ready one only if it was ready at ready_until: of a key whose head was just purged the next became ready after that.
DELETE FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue AND state + 0 = :state AND (state + 0 <> 1 OR due_at <= :ready_until)
RETURNING "key", holds_key, attempts;

-- revive (id, queue, state, target, revived, position, now, ttl): a message joins the end of a queue as if it had never failed
-- Attempts go on counting, or an old receipt would fit again. A message whose time had run out gets its time again.
UPDATE brokerweb_queues_message SET queue_id = :target, state = :revived, position = :position, failures = 0, holds_key = false, alone = false,
  due_at = :now, deliver_at = NULL, holder = NULL, reason = NULL, last_error = NULL,
  expires_at = :now + CAST(round(coalesce(ttl, CAST(:ttl AS double precision)) * 1000000) AS bigint)
WHERE id = :id AND queue_id = :queue AND state + 0 = :state;

-- as_it_is (id, queue): what revive changes of a message, and what tells whether somebody acted on it since
SELECT "key", attempts, state, position, failures, holds_key, alone, due_at, deliver_at, expires_at, holder, reason, last_error
FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue;

-- as_it_was (id, queue, state, restored, position, failures, holds_key, alone, due_at, deliver_at, expires_at, holder, reason, last_error): a revive is taken back
UPDATE brokerweb_queues_message SET state = :restored, position = :position, failures = :failures, holds_key = :holds_key, alone = :alone,
  due_at = :due_at, deliver_at = :deliver_at, expires_at = :expires_at, holder = :holder, reason = :reason, last_error = :last_error
WHERE id = :id AND queue_id = :queue AND state + 0 = :state;

-- retime (id, queue, state, retimed, due_at, deliver_at, ttl): a message that waits for a time, or for its turn, gets another time
-- Ttl counts from when a message is first due, which is not known where that is an instant of the wall; once leased, its
-- end stays what it was.
UPDATE brokerweb_queues_message SET state = :retimed, due_at = :due_at, deliver_at = :deliver_at,
  ttl = CASE WHEN CAST(:deliver_at AS bigint) IS NULL THEN ttl ELSE coalesce(ttl, CAST(:ttl AS double precision)) END,
  expires_at = CASE WHEN attempts > 0 THEN expires_at WHEN CAST(:deliver_at AS bigint) IS NOT NULL THEN NULL
    ELSE :due_at + CAST(round(coalesce(ttl, CAST(:ttl AS double precision)) * 1000000) AS bigint) END
WHERE id = :id AND queue_id = :queue AND state + 0 = :state;

-- line_up (id, queue, position): a blocked message waits at the end of its key
UPDATE brokerweb_queues_message SET position = :position WHERE id = :id AND queue_id = :queue AND state + 0 = 2;

-- name_parent (id, queue, parent): a message is an edited copy of another
UPDATE brokerweb_queues_message SET parent = :parent WHERE id = :id AND queue_id = :queue;

-- mark_deleted (queue, name, wall): nobody finds the queue by its name any more
UPDATE brokerweb_queues_queue SET name = :name, deleted_at = :wall WHERE id = :queue AND deleted_at IS NULL;

-- pause (queue, wall, by, reason): lease nothing; who was first stays named
UPDATE brokerweb_queues_queue SET paused_at = :wall, paused_by = :by, pause_reason = :reason WHERE id = :queue AND paused_at IS NULL;

-- pause_of (queue): since when, by whom and why a queue is paused
SELECT paused_at, paused_by, pause_reason FROM brokerweb_queues_queue WHERE id = :queue AND paused_at IS NOT NULL;

-- resume (queue): lease again
UPDATE brokerweb_queues_queue SET paused_at = NULL, paused_by = '', pause_reason = '' WHERE id = :queue AND paused_at IS NOT NULL;

-- expiring (): queues that go when they are idle, and how many messages they have
SELECT id, expires, idle_since_at,
  (SELECT CAST(sum(scheduled + ready + blocked + leased + dead) AS bigint) FROM brokerweb_queues_queuecount c WHERE c.queue_id = q.id)
FROM brokerweb_queues_queue q WHERE expires IS NOT NULL AND deleted_at IS NULL AND stream IS NULL;

-- expiring_queue (queue): one of them
SELECT name, expires, idle_since_at FROM brokerweb_queues_queue WHERE id = :queue AND expires IS NOT NULL AND deleted_at IS NULL AND stream IS NULL;

-- note_idle (queue, since): since when a queue has had neither consumer nor message
UPDATE brokerweb_queues_queue SET idle_since_at = :since WHERE id = :queue;

-- wait_anew (now): queues that were idle are so since now
UPDATE brokerweb_queues_queue SET idle_since_at = :now WHERE idle_since_at IS NOT NULL;

-- deleted_queue (): a deleted queue that still has rows
SELECT id FROM brokerweb_queues_queue WHERE deleted_at IS NOT NULL ORDER BY deleted_at, id LIMIT 1;

-- forget_dedup (queue, n): some of what a deleted queue remembers of dedup ids
DELETE FROM brokerweb_queues_dedup WHERE queue_id = :queue AND dedup_id IN (SELECT dedup_id FROM brokerweb_queues_dedup WHERE queue_id = :queue LIMIT :n);

-- remove_counts (queue): the counters of a queue that is no more
DELETE FROM brokerweb_queues_queuecount WHERE queue_id = :queue;

-- remove_queue (queue): the row of a queue that has nothing left
DELETE FROM brokerweb_queues_queue WHERE id = :queue AND deleted_at IS NOT NULL;

-- sweep (after, limit): messages by id, with all that their checksums cover
SELECT id, queue_id, state, failures, attempts, holds_key, checksum, "key", headers, content_type, "binary", reply_to, correlation_id, body
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id WHERE id > :after ORDER BY id LIMIT :limit;

-- contents (id, queue): what stays of a message that is redacted
SELECT "key", reply_to, correlation_id FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id
WHERE id = :id AND queue_id = :queue FOR UPDATE OF m;

-- redact (message, published, body, reply_to, correlation_id, checksum, redacted): what a message held is gone
-- One whose content damage has taken has one again.
INSERT INTO brokerweb_queues_content (message_id, published_at, "binary", body, reply_to, correlation_id, checksum, redacted)
VALUES (:message, :published, false, :body, :reply_to, :correlation_id, :checksum, :redacted)
ON CONFLICT (message_id) DO UPDATE SET body = excluded.body, "binary" = false, content_type = NULL, headers = NULL,
  checksum = excluded.checksum, redacted = excluded.redacted;

-- forget_error (id, queue): its last error is gone, too
UPDATE brokerweb_queues_message SET last_error = NULL WHERE id = :id AND queue_id = :queue AND last_error IS NOT NULL;

-- redact_failures (message): the errors of its failures are gone
UPDATE brokerweb_queues_failure SET error = NULL WHERE message_id = :message AND error IS NOT NULL;
