-- Statements of the operators' verbs (queues/control.py) and of browsing (queues/browse.py). Parameters named after a
-- state are 1 to include it. Every arm names its state as a literal and repeats its index's predicate: SQLite takes a
-- partial index only for a predicate it finds in the statement. For SQLite some name their index: with statistics its planner
-- walks a whole table by rowid for "ORDER BY id LIMIT", past all that is in other states or queues.

-- matching (queue, after, until, n, key, scheduled, ready, blocked, leased, dead): a queue's next messages by id, and whether each has the key
-- Leased messages are few, and found through message_leased without reading rows: "+id" keeps the planner from walking
-- the whole table in id order for them.
SELECT p.id, p.state, CASE WHEN CAST(:key AS text) IS NULL THEN true ELSE (SELECT m."key" = :key FROM brokerweb_queues_message m WHERE m.id = p.id AND m.queue_id = :queue) END
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
SELECT p.id, p.state, CASE WHEN CAST(:key AS text) IS NULL THEN true ELSE (SELECT m."key" = :key FROM brokerweb_queues_message m WHERE m.id = p.id AND m.queue_id = :queue) END
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

-- in_flight (queue, after, n, holder): a queue's leased messages by id; with a holder, those of whom it is the beginning
SELECT id FROM brokerweb_queues_message INDEXED BY message_leased
WHERE queue_id = :queue AND state = 3 AND +id > :after
  AND (CAST(:holder AS text) IS NULL OR substr(holder, 1, length(CAST(:holder AS text))) = :holder)
ORDER BY +id LIMIT :n;

-- held_since (queue, n): who holds a queue's leased messages, and since when each is held, the longest first
SELECT holder, leased_at FROM brokerweb_queues_message INDEXED BY message_leased
WHERE queue_id = :queue AND state = 3 ORDER BY leased_at LIMIT :n;

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

-- with_key (queue, after, until, n, key): messages with a key in a queue by id, whatever their states
SELECT id, state, true FROM brokerweb_queues_message INDEXED BY message_key
WHERE queue_id = :queue AND queue_id > 0 AND "key" = :key AND id > :after AND id <= :until ORDER BY id LIMIT :n;

-- with_key_desc (queue, after, until, n, key): the same from the newest down; after is the upper end
SELECT id, state, true FROM brokerweb_queues_message INDEXED BY message_key
WHERE queue_id = :queue AND queue_id > 0 AND "key" = :key AND id < :after AND id >= :until ORDER BY id DESC LIMIT :n;

-- key_summary (queue, key): how many messages with a key there are, and the first and the last of them
SELECT count(*), min(id), max(id) FROM brokerweb_queues_message INDEXED BY message_key
WHERE queue_id = :queue AND queue_id > 0 AND "key" = :key;

-- of_cause (queue, fingerprint, after, until, n, key): dead messages of one cause by id, their state, and whether each has the key
SELECT id, 4, CASE WHEN CAST(:key AS text) IS NULL THEN true ELSE coalesce("key" = :key, false) END FROM brokerweb_queues_message INDEXED BY message_cause
WHERE queue_id = :queue AND state = 4 AND fingerprint = :fingerprint AND id > :after AND id <= :until ORDER BY id LIMIT :n;

-- of_cause_desc (queue, fingerprint, after, until, n, key): the same from the newest down; after is the upper end
SELECT id, 4, CASE WHEN CAST(:key AS text) IS NULL THEN true ELSE coalesce("key" = :key, false) END FROM brokerweb_queues_message INDEXED BY message_cause
WHERE queue_id = :queue AND state = 4 AND fingerprint = :fingerprint AND id < :after AND id >= :until ORDER BY id DESC LIMIT :n;

-- dead_before@sqlite (queues, reason, beyond, limit): the dead letters of these queues with the highest ids below one, and what lists sort them by
-- A recursion in order: of every queue one waits, and the first of those is taken, and the next of its queue waits. PostgreSQL knows none.
WITH RECURSIVE d(queue, id) AS (
  SELECT j.value, (SELECT m.id FROM brokerweb_queues_message m INDEXED BY message_browse WHERE m.queue_id = j.value AND m.state = 4
    AND NOT (m.state = 3) AND m.id < :beyond AND (CAST(:reason AS text) IS NULL OR m.reason = :reason) ORDER BY m.id DESC LIMIT 1)
  FROM json_each(:queues) j
  UNION ALL SELECT d.queue, (SELECT m.id FROM brokerweb_queues_message m INDEXED BY message_browse WHERE m.queue_id = d.queue AND m.state = 4
    AND NOT (m.state = 3) AND m.id < d.id AND (CAST(:reason AS text) IS NULL OR m.reason = :reason) ORDER BY m.id DESC LIMIT 1)
  FROM d WHERE d.id IS NOT NULL ORDER BY 2 DESC LIMIT :limit)
SELECT m.id, m.queue_id, m.reason, m.last_error, m.failures, m.due_at, m.route
FROM d CROSS JOIN brokerweb_queues_message m ON m.id = d.id ORDER BY m.id DESC;

-- dead_before@postgres (queues, reason, beyond, limit): the same, of an array: of the queues whose first come first, and of each as many
WITH d AS (SELECT queue, first FROM (
    SELECT q.queue, (SELECT m.id FROM brokerweb_queues_message m WHERE m.queue_id = q.queue AND m.state = 4
      AND m.id < :beyond AND (CAST(:reason AS text) IS NULL OR m.reason = :reason) ORDER BY m.id DESC LIMIT 1) AS first
    FROM unnest(translate(:queues, '[]', '{}')::bigint[]) AS q(queue)) AS f WHERE first IS NOT NULL ORDER BY first DESC LIMIT :limit)
SELECT m.* FROM d CROSS JOIN LATERAL (
  SELECT m.id, m.queue_id, m.reason, m.last_error, m.failures, m.due_at, m.route FROM brokerweb_queues_message m
  WHERE m.queue_id = d.queue AND m.state = 4 AND m.id <= d.first AND (CAST(:reason AS text) IS NULL OR m.reason = :reason)
  ORDER BY m.id DESC LIMIT :limit) AS m ORDER BY m.id DESC LIMIT :limit;

-- dead_after@sqlite (queues, reason, beyond, limit): those with the lowest ids above one
-- As dead_before; a queue that has no more waits behind all others.
WITH RECURSIVE d(queue, id) AS (
  SELECT j.value, coalesce((SELECT m.id FROM brokerweb_queues_message m INDEXED BY message_browse WHERE m.queue_id = j.value AND m.state = 4
    AND NOT (m.state = 3) AND m.id > :beyond AND (CAST(:reason AS text) IS NULL OR m.reason = :reason) ORDER BY m.id LIMIT 1), 9223372036854775807)
  FROM json_each(:queues) j
  UNION ALL SELECT d.queue, coalesce((SELECT m.id FROM brokerweb_queues_message m INDEXED BY message_browse WHERE m.queue_id = d.queue AND m.state = 4
    AND NOT (m.state = 3) AND m.id > d.id AND (CAST(:reason AS text) IS NULL OR m.reason = :reason) ORDER BY m.id LIMIT 1), 9223372036854775807)
  FROM d WHERE d.id < 9223372036854775807 ORDER BY 2 LIMIT :limit)
SELECT m.id, m.queue_id, m.reason, m.last_error, m.failures, m.due_at, m.route
FROM d CROSS JOIN brokerweb_queues_message m ON m.id = d.id ORDER BY m.id;

-- dead_after@postgres (queues, reason, beyond, limit): the same, of an array
WITH d AS (SELECT queue, first FROM (
    SELECT q.queue, (SELECT m.id FROM brokerweb_queues_message m WHERE m.queue_id = q.queue AND m.state = 4
      AND m.id > :beyond AND (CAST(:reason AS text) IS NULL OR m.reason = :reason) ORDER BY m.id LIMIT 1) AS first
    FROM unnest(translate(:queues, '[]', '{}')::bigint[]) AS q(queue)) AS f WHERE first IS NOT NULL ORDER BY first LIMIT :limit)
SELECT m.* FROM d CROSS JOIN LATERAL (
  SELECT m.id, m.queue_id, m.reason, m.last_error, m.failures, m.due_at, m.route FROM brokerweb_queues_message m
  WHERE m.queue_id = d.queue AND m.state = 4 AND m.id >= d.first AND (CAST(:reason AS text) IS NULL OR m.reason = :reason)
  ORDER BY m.id LIMIT :limit) AS m ORDER BY m.id LIMIT :limit;

-- cause_summary (queue, fingerprint, key): how many dead messages of a cause there are, and the first and the last of them
SELECT count(*), min(id), max(id) FROM brokerweb_queues_message INDEXED BY message_cause
WHERE queue_id = :queue AND state = 4 AND fingerprint = :fingerprint AND (CAST(:key AS text) IS NULL OR "key" = :key);

-- causes@sqlite (queues, since): what died in queues since then, by fingerprint: how many, redriven before, the first, the last, the highest id, in which queues, and how many in each
-- First by queue, in the order of the index and from it alone, so that nothing grows with the messages; a row for each would be thousands.
SELECT fingerprint, CAST(sum(n) AS bigint), CAST(sum(again) AS bigint), min(first), max(last), max(newest), json_group_array(queue_id), json_group_array(n) FROM (
  SELECT queue_id, fingerprint, count(*) AS n, sum(CASE WHEN redrives > 0 THEN 1 ELSE 0 END) AS again, min(due_at) AS first, max(due_at) AS last,
    max(id) AS newest
  FROM brokerweb_queues_message INDEXED BY message_cause WHERE queue_id IN (SELECT value FROM json_each(:queues)) AND state = 4 AND due_at >= :since
  GROUP BY queue_id, fingerprint) AS q
GROUP BY fingerprint;

-- causes@postgres (queues, since): the same, of an array
SELECT fingerprint, CAST(sum(n) AS bigint), CAST(sum(again) AS bigint), min(first), max(last), max(newest),
  '[' || string_agg(CAST(queue_id AS text), ',' ORDER BY queue_id) || ']', '[' || string_agg(CAST(n AS text), ',' ORDER BY queue_id) || ']' FROM (
  SELECT queue_id, fingerprint, count(*) AS n, sum(CASE WHEN redrives > 0 THEN 1 ELSE 0 END) AS again, min(due_at) AS first, max(due_at) AS last,
    max(id) AS newest
  FROM brokerweb_queues_message WHERE queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND state = 4 AND due_at >= :since
  GROUP BY queue_id, fingerprint) AS q
GROUP BY fingerprint;

-- cause_hours@sqlite (queues, since, now): what died in queues since then, by fingerprint and by how many hours ago
SELECT m.fingerprint, (:now - m.due_at) / 3600000000 AS ago, count(*)
FROM json_each(:queues) j CROSS JOIN brokerweb_queues_message m INDEXED BY message_cause ON m.queue_id = j.value
WHERE m.state = 4 AND m.due_at >= :since GROUP BY m.fingerprint, ago;

-- cause_hours@postgres (queues, since, now): the same, of an array
SELECT fingerprint, (:now - due_at) / 3600000000 AS ago, count(*) FROM brokerweb_queues_message
WHERE queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND state = 4 AND due_at >= :since GROUP BY fingerprint, ago;

-- facts@sqlite (queue, ids): what warnings look at of messages: their state, whether they have a key, how often redriven, cause, weight
SELECT m.id, m.state, m."key" IS NOT NULL, m.redrives, m.fingerprint,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id), 0)
FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = j.value WHERE m.queue_id = :queue;

-- facts@postgres (queue, ids): the same, of an array
SELECT m.id, m.state, m."key" IS NOT NULL, m.redrives, m.fingerprint,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id AND c.queue_id = m.queue_id), 0)
FROM brokerweb_queues_message m WHERE m.id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND m.queue_id = :queue;

-- nameless (limit): dead messages of before there were fingerprints
-- Queue by queue, by the index of causes: one of their own would be written for by every message, and serve once.
SELECT m.id, m.queue_id, m.reason, m.last_error FROM brokerweb_queues_queue q CROSS JOIN brokerweb_queues_message m INDEXED BY message_cause
WHERE m.queue_id = q.id AND m.state = 4 AND m.fingerprint IS NULL LIMIT :limit;

-- name_cause (id, queue, fingerprint): what it died of has a fingerprint
UPDATE brokerweb_queues_message SET fingerprint = :fingerprint WHERE id = :id AND queue_id = :queue AND state + 0 = 4 AND fingerprint IS NULL;

-- oldest_ready (queue): since when the first message of each priority is ready; the least of these
SELECT min((SELECT due_at FROM brokerweb_queues_message WHERE queue_id = :queue AND state = 1 AND priority = p.column1 ORDER BY position LIMIT 1))
FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS p;

-- counts_of_all (): the messages of every queue that are ready, scheduled, blocked, leased and dead
SELECT queue_id, CAST(sum(ready) AS bigint), CAST(sum(scheduled) AS bigint), CAST(sum(blocked) AS bigint), CAST(sum(leased) AS bigint),
  CAST(sum(dead) AS bigint) FROM brokerweb_queues_queuecount GROUP BY queue_id;

-- newest_id (): the highest id of any message, so that a long action ends at what existed when it began
SELECT coalesce(max(id), 0) FROM brokerweb_queues_message;

-- find_message (id, queue): what a verb must know of one message before it acts
SELECT state, "key", holds_key, attempts, fingerprint FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue;

-- hold_message (id, queue): the same, and nobody else changes it until the transaction ends
SELECT state, "key", holds_key, attempts, fingerprint FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue FOR UPDATE;

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
  due_at = :now, deliver_at = NULL, holder = NULL, reason = NULL, last_error = NULL, fingerprint = NULL, redrives = redrives + 1,
  expires_at = :now + CAST(round(coalesce(ttl, CAST(:ttl AS double precision)) * 1000000) AS bigint)
WHERE id = :id AND queue_id = :queue AND state + 0 = :state RETURNING attempts;

-- transfer (id, queue, state, target, moved, position, due_at, ttl): a message that is not dead joins the end of another queue as it stands
UPDATE brokerweb_queues_message SET queue_id = :target, state = :moved, position = :position, holds_key = false, due_at = :due_at, holder = NULL, leased_at = NULL, extended = 0,
  expires_at = coalesce(expires_at,
    CASE WHEN deliver_at IS NULL THEN :due_at + CAST(round(coalesce(ttl, CAST(:ttl AS double precision)) * 1000000) AS bigint) END)
WHERE id = :id AND queue_id = :queue AND state + 0 = :state;

-- forget_place (id, queue): a copy of a record has left its group's queue: its route was its place in the stream
UPDATE brokerweb_queues_message SET route = NULL WHERE id = :id AND queue_id = :queue;

-- note_transfer (job, message, queue, target, place, stood, last_error): how a message stood before a job put it elsewhere
INSERT INTO brokerweb_queues_transfer (job, message_id, queue_id, target_id, place, before, last_error)
VALUES (:job, :message, :queue, :target, :place, :stood, :last_error);

-- transfers (job, after, limit): what a job has put elsewhere
SELECT id, message_id, queue_id, target_id, place, before, last_error FROM brokerweb_queues_transfer
WHERE job = :job AND id > :after ORDER BY id LIMIT :limit;

-- transfers_of (job): how many messages a job has put elsewhere
SELECT count(*) FROM brokerweb_queues_transfer WHERE job = :job;

-- forget_transfers (job, limit): some of what a job has put elsewhere cannot be taken back any more
DELETE FROM brokerweb_queues_transfer WHERE id IN (SELECT id FROM brokerweb_queues_transfer WHERE job = :job ORDER BY id LIMIT :limit);

-- redact_transfers (message): the error that it had died of is gone
UPDATE brokerweb_queues_transfer SET last_error = NULL WHERE message_id = :message AND last_error IS NOT NULL;

-- as_it_is (id, queue): what revive and transfer change of a message, and what tells whether somebody acted on it since
SELECT "key", attempts, state, position, failures, holds_key, alone, due_at, deliver_at, expires_at, holder, reason, last_error,
  fingerprint, redrives, route
FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue FOR UPDATE;

-- as_it_was (id, queue, state, origin, restored, position, failures, holds_key, alone, due_at, deliver_at, expires_at, holder, reason, last_error, fingerprint, redrives, route): a revive or a transfer is taken back
UPDATE brokerweb_queues_message SET queue_id = :origin, state = :restored, position = :position, returned = returned OR CAST(:restored AS smallint) = 1, failures = :failures, holds_key = :holds_key, alone = :alone,
  due_at = :due_at, deliver_at = :deliver_at, expires_at = :expires_at, holder = :holder, reason = :reason, last_error = :last_error,
  fingerprint = :fingerprint, redrives = :redrives, route = :route
WHERE id = :id AND queue_id = :queue AND state + 0 = :state;

-- retime (id, queue, state, retimed, due_at, deliver_at, ttl): a message that waits for a time, or for its turn, gets another time
-- Ttl counts from when a message is first due, which is not known where that is an instant of the wall; once leased, its
-- end stays what it was.
UPDATE brokerweb_queues_message SET state = :retimed, returned = true, due_at = :due_at, deliver_at = :deliver_at,
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
SELECT id, m.queue_id, state, failures, attempts, holds_key, checksum, "key", headers, content_type, "binary", reply_to, correlation_id, body
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id WHERE id > :after ORDER BY id LIMIT :limit;

-- sweep_one (id, queue): one of them, which nobody else changes until the transaction ends
SELECT id, m.queue_id, state, failures, attempts, holds_key, checksum, "key", headers, content_type, "binary", reply_to, correlation_id, body
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id AND c.queue_id = m.queue_id
WHERE id = :id AND m.queue_id = :queue FOR UPDATE OF m;

-- contents (id, queue): what stays of a message that is redacted
SELECT "key", reply_to, correlation_id, attempts FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id AND c.queue_id = m.queue_id
WHERE id = :id AND m.queue_id = :queue FOR UPDATE OF m;

-- redact@sqlite (message, queue, published, body, reply_to, correlation_id, checksum, redacted): what a message held is gone
-- One whose content damage has taken has one again.
INSERT INTO brokerweb_queues_content (message_id, queue_id, published_at, "binary", body, reply_to, correlation_id, checksum, redacted)
VALUES (:message, :queue, :published, false, :body, :reply_to, :correlation_id, :checksum, :redacted)
ON CONFLICT (message_id) DO UPDATE SET body = excluded.body, "binary" = false, content_type = NULL, headers = NULL,
  checksum = excluded.checksum, redacted = excluded.redacted;

-- redact@postgres (message, queue, published, body, reply_to, correlation_id, checksum, redacted): the same, where the key begins with the queue
INSERT INTO brokerweb_queues_content (message_id, queue_id, published_at, "binary", body, reply_to, correlation_id, checksum, redacted)
VALUES (:message, :queue, :published, false, :body, :reply_to, :correlation_id, :checksum, :redacted)
ON CONFLICT (queue_id, message_id) DO UPDATE SET body = excluded.body, "binary" = false, content_type = NULL, headers = NULL,
  checksum = excluded.checksum, redacted = excluded.redacted;

-- forget_error (id, queue): its last error is gone, too
UPDATE brokerweb_queues_message SET last_error = NULL WHERE id = :id AND queue_id = :queue AND last_error IS NOT NULL;

-- redact_failures (message): the errors of its failures are gone
UPDATE brokerweb_queues_failure SET error = NULL WHERE message_id = :message AND error IS NOT NULL;

-- published_among@sqlite (queue, state, froms): from each of these ids on a queue's first message in a state, and when it was published
SELECT x.value, c.message_id, c.published_at FROM json_each(:froms) x JOIN brokerweb_queues_content c ON c.message_id =
  (SELECT id FROM brokerweb_queues_message INDEXED BY message_browse
   WHERE queue_id = :queue AND state = :state AND NOT (state = 3) AND id >= x.value ORDER BY id LIMIT 1);

-- published_among@postgres (queue, state, froms): the same, of an array
SELECT x.first, m.id, c.published_at FROM unnest(translate(:froms, '[]', '{}')::bigint[]) AS x(first) CROSS JOIN LATERAL
  (SELECT id FROM brokerweb_queues_message WHERE queue_id = :queue AND state = :state AND NOT (state = 3) AND id >= x.first ORDER BY id LIMIT 1) m
JOIN brokerweb_queues_content c ON c.queue_id = :queue AND c.message_id = m.id;

-- last_in_state (queue, state): the newest of a queue's messages in a state
SELECT id FROM brokerweb_queues_message INDEXED BY message_browse
WHERE queue_id = :queue AND state = :state AND NOT (state = 3) ORDER BY id DESC LIMIT 1;

-- counted_among@sqlite (queue, state, froms, beyonds, n): from each of these ids up to one beyond how many there are, at most n, and the nth
SELECT x.key,
  (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message INDEXED BY message_browse
   WHERE queue_id = :queue AND state = :state AND NOT (state = 3) AND id >= x.value AND id < json_extract(:beyonds, '$[' || x.key || ']') LIMIT :n)),
  (SELECT id FROM brokerweb_queues_message INDEXED BY message_browse
   WHERE queue_id = :queue AND state = :state AND NOT (state = 3) AND id >= x.value AND id < json_extract(:beyonds, '$[' || x.key || ']')
   ORDER BY id LIMIT 1 OFFSET CAST(:n AS bigint) - 1)
FROM json_each(:froms) x;

-- counted_among@postgres (queue, state, froms, beyonds, n): the same, of arrays
SELECT x.n - 1,
  (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message
   WHERE queue_id = :queue AND state = :state AND NOT (state = 3) AND id >= x.first AND id < x.beyond LIMIT :n) AS a),
  (SELECT id FROM brokerweb_queues_message
   WHERE queue_id = :queue AND state = :state AND NOT (state = 3) AND id >= x.first AND id < x.beyond ORDER BY id LIMIT 1 OFFSET CAST(:n AS bigint) - 1)
FROM unnest(translate(:froms, '[]', '{}')::bigint[], translate(:beyonds, '[]', '{}')::bigint[]) WITH ORDINALITY AS x(first, beyond, n);
