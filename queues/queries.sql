-- The statements of the queue verbs. Every one names its queue, by which PostgreSQL's keys begin, but for looks of duties at all
-- queues, which lock nothing. A state that is tested beside an id
-- is "state + 0": PostgreSQL's planner would find the row by the partial index of that state, among all that are in it. Lists
-- of ids are JSON arrays; PostgreSQL's texts make arrays of its own of them, which find rows one by one under any statistics.

-- find_queue (name): a queue's settings by name
SELECT id, name, lease, max_failures, backoff_initial, backoff_factor, backoff_max, backoff_jitter, keyed, ttl, on_expire,
  max_length, overflow, dedup_window, max_body_bytes, paused_at, stream, history, keep_settled, keep_history, search
FROM brokerweb_queues_queue WHERE name = :name AND deleted_at IS NULL;

-- find_queue_by_id (id): the same by id, for receipts and duties
SELECT id, name, lease, max_failures, backoff_initial, backoff_factor, backoff_max, backoff_jitter, keyed, ttl, on_expire,
  max_length, overflow, dedup_window, max_body_bytes, paused_at, stream, history, keep_settled, keep_history, search
FROM brokerweb_queues_queue WHERE id = :id AND deleted_at IS NULL;

-- id_of_queue (name): a queue's id, to lock it by
SELECT id FROM brokerweb_queues_queue WHERE name = :name AND deleted_at IS NULL;

-- last_id@sqlite (): the highest message id ever given
-- PostgreSQL does not count on from it, and has no text for the next two: its ids come from the column's own sequence, which other transactions take from, too.
-- Numbers in a row, counted on in memory, are for a single writer, for whom sequence.take asks.
SELECT seq FROM sqlite_sequence WHERE name = 'brokerweb_queues_message';

-- last_id@postgres (): the same, for who asks what has been given; others may give more meanwhile
SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('brokerweb_queues_message', 'id')::regclass), 0);

-- burn_ids@sqlite (seq): ids and positions up to here are used, though no row with them was inserted
-- PostgreSQL: none, as for last_id.
UPDATE sqlite_sequence SET seq = max(seq, :seq) WHERE name = 'brokerweb_queues_message';

-- begin_ids@sqlite (): the first row of the table's sequence
-- PostgreSQL: none, as for last_id.
INSERT INTO sqlite_sequence (name, seq) SELECT 'brokerweb_queues_message', 0
WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'brokerweb_queues_message');

-- insert (id, queue, state, priority, attempts, holds_key, due, expires, ttl, key, holder, route, deliver_at, leased_at): store how a message stands; its position is its id
INSERT INTO brokerweb_queues_message (id, queue_id, state, priority, position, returned, attempts, failures, holds_key, alone, due_at, expires_at,
  ttl, "key", holder, route, deliver_at, leased_at, extended, redrives)
VALUES (:id, :queue, :state, :priority, :id, false, :attempts, 0, :holds_key, false, :due, :expires,
  :ttl, :key, :holder, :route, :deliver_at, :leased_at, 0, 0);

-- insert_content (message, queue, published, headers, content_type, binary, body, reply_to, correlation_id, publisher, checksum, redacted, dedup_id, family, streams): store what it carries
INSERT INTO brokerweb_queues_content (message_id, queue_id, published_at, headers, content_type, "binary", body, reply_to, correlation_id, publisher,
  checksum, redacted, dedup_id, family, streams)
VALUES (:message, :queue, :published, :headers, :content_type, :binary, :body, :reply_to, :correlation_id, :publisher, :checksum, :redacted, :dedup_id,
  :family, :streams);

-- any_ready (queue): is anything of the queue ready?
SELECT 1 FROM brokerweb_queues_message WHERE queue_id = :queue AND state = 1 LIMIT 1;

-- any_ready_above@postgres (queue, lows): the same, where nothing that is ready for the first time is below these positions, by priority from the highest
-- SQLite: none, as for bounds.
SELECT 1 FROM unnest(translate(:lows, '[]', '{}')::bigint[]) WITH ORDINALITY AS b (low, n) CROSS JOIN LATERAL (SELECT 1
    FROM brokerweb_queues_message WHERE queue_id = :queue AND state = 1 AND priority = CAST(10 - b.n AS smallint)
      AND position >= least(b.low, (SELECT r.position FROM brokerweb_queues_message r WHERE r.queue_id = :queue AND r.state = 1
        AND r.priority = CAST(10 - b.n AS smallint) AND r.returned ORDER BY r.position LIMIT 1))
    ORDER BY position LIMIT 1) AS m
LIMIT 1;

-- bounds@postgres (queue, lows): the first of each priority, from the highest, that is ready for the first time, no lower than these; with the oldest transaction that runs, and this one
-- SQLite needs none: what a reader keeps stands in the log, and in nobody's way.
SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint), CAST(CAST(pg_current_xact_id() AS text) AS bigint),
  (SELECT position FROM brokerweb_queues_message WHERE queue_id = :queue AND state = 1 AND priority = CAST(10 - b.n AS smallint)
    AND position >= b.low AND NOT returned ORDER BY position LIMIT 1)
FROM unnest(translate(:lows, '[]', '{}')::bigint[]) WITH ORDINALITY AS b (low, n) ORDER BY b.n;

-- dead_rows@postgres (): how many rows of messages are dead and still there, as the server counts
-- SQLite: none, as for bounds.
SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'brokerweb_queues_message'::regclass;

-- ready_among@sqlite (queues): those of these queues in which something is ready, and those that are gone
SELECT j.value AS id, q.id IS NULL AS gone
FROM json_each(:queues) j LEFT JOIN brokerweb_queues_queue q ON q.id = j.value AND q.deleted_at IS NULL
WHERE q.id IS NULL
  OR (q.paused_at IS NULL AND EXISTS (SELECT 1 FROM brokerweb_queues_message m WHERE m.queue_id = q.id AND m.state = 1));

-- ready_among@postgres (queues): the same, of an array
SELECT j.id, q.id IS NULL AS gone
FROM unnest(translate(:queues, '[]', '{}')::bigint[]) AS j (id)
LEFT JOIN brokerweb_queues_queue q ON q.id = j.id AND q.deleted_at IS NULL
WHERE q.id IS NULL
  OR (q.paused_at IS NULL AND EXISTS (SELECT 1 FROM brokerweb_queues_message m WHERE m.queue_id = q.id AND m.state = 1));

-- next_ready@sqlite (queue): the next messages in order, with all that is delivered; the reader stops where it has enough
-- A message whose content damage has taken is among them, as one that no checksum fits. PostgreSQL: claim, since its rows are
-- sent as far as they are asked for, and others may be about to lease the same.
SELECT id, m.queue_id, attempts, failures, priority, "key", headers, content_type, "binary", body, published_at, expires_at,
  reply_to, correlation_id, position, alone, route, checksum, redacted, redrives
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id
WHERE m.queue_id = :queue AND state = 1 ORDER BY priority DESC, position;

-- claim@postgres (queue, alone, wanted, after, most_bytes): the same, those of them that nobody else is about to lease, which are kept from others
-- Without alone those that must go alone are passed over. Of what is wanted rows go on as far as the bodies before the last but
-- one have most_bytes: who takes what fits sees whether there is more. SQLite: next_ready. Content is found row by row (OFFSET 0):
-- planned while the tables were empty, a join walks all content of the queue for each message.
SELECT id, queue_id, attempts, failures, priority, "key", headers, content_type, "binary", body, published_at, expires_at,
  reply_to, correlation_id, position, alone, route, checksum, redacted, redrives
FROM (SELECT m.*, c.headers, c.content_type, c."binary", c.body, c.published_at, c.reply_to, c.correlation_id, c.checksum, c.redacted,
    sum(coalesce(octet_length(c.body), 0)) OVER (ORDER BY m.priority DESC, m.position ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS before
  FROM (SELECT id, queue_id, attempts, failures, priority, "key", expires_at, position, alone, route, redrives FROM brokerweb_queues_message
    WHERE queue_id = :queue AND state = 1 AND (CAST(:alone AS boolean) OR NOT alone)
    ORDER BY priority DESC, position LIMIT :wanted OFFSET :after FOR UPDATE SKIP LOCKED) AS m
  LEFT JOIN LATERAL (SELECT * FROM brokerweb_queues_content WHERE queue_id = :queue AND message_id = m.id OFFSET 0) AS c ON true) AS claimed
WHERE coalesce(before, 0) <= CAST(:most_bytes AS bigint) ORDER BY priority DESC, position;

-- claim_above@postgres (queue, alone, wanted, after, most_bytes, lows): the same, where nothing that is ready for the first time is below these positions
-- By priority from the highest, each from there on, or from the first that came back to its place, below it. SQLite: next_ready.
SELECT id, queue_id, attempts, failures, priority, "key", headers, content_type, "binary", body, published_at, expires_at,
  reply_to, correlation_id, position, alone, route, checksum, redacted, redrives
FROM (SELECT m.*, c.headers, c.content_type, c."binary", c.body, c.published_at, c.reply_to, c.correlation_id, c.checksum, c.redacted,
    sum(coalesce(octet_length(c.body), 0)) OVER (ORDER BY m.priority DESC, m.position ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS before
  FROM (SELECT o.* FROM unnest(translate(:lows, '[]', '{}')::bigint[]) WITH ORDINALITY AS b (low, n) CROSS JOIN LATERAL (
      SELECT id, queue_id, attempts, failures, priority, "key", expires_at, position, alone, route, redrives FROM brokerweb_queues_message
      WHERE queue_id = :queue AND state = 1 AND priority = CAST(10 - b.n AS smallint) AND (CAST(:alone AS boolean) OR NOT alone)
        AND position >= least(b.low, (SELECT r.position FROM brokerweb_queues_message r WHERE r.queue_id = :queue AND r.state = 1
          AND r.priority = CAST(10 - b.n AS smallint) AND r.returned ORDER BY r.position LIMIT 1))
      ORDER BY position LIMIT CAST(:wanted AS bigint) + CAST(:after AS bigint) FOR UPDATE SKIP LOCKED) AS o
    LIMIT :wanted OFFSET :after) AS m
  LEFT JOIN LATERAL (SELECT * FROM brokerweb_queues_content WHERE queue_id = :queue AND message_id = m.id OFFSET 0) AS c ON true) AS claimed
WHERE coalesce(before, 0) <= CAST(:most_bytes AS bigint) ORDER BY priority DESC, position;

-- first_alone (queue, now): where the first message that must go alone stands
SELECT priority, position FROM brokerweb_queues_message
WHERE queue_id = :queue AND state = 1 AND alone AND (expires_at IS NULL OR expires_at > :now) ORDER BY priority DESC, position LIMIT 1;

-- next_alone (queue, now): the next message that must go alone, however many others are ready before it
SELECT id, m.queue_id, attempts, failures, priority, "key", headers, content_type, "binary", body, published_at, expires_at,
  reply_to, correlation_id, position, alone, route, checksum, redacted, redrives
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id AND c.queue_id = m.queue_id
WHERE m.queue_id = :queue AND state = 1 AND alone AND (expires_at IS NULL OR expires_at > :now)
ORDER BY priority DESC, position LIMIT 1 FOR UPDATE OF m SKIP LOCKED;

-- lease@sqlite (queue, ids, until, holder, now): lease ready messages
UPDATE brokerweb_queues_message SET state = 3, attempts = attempts + 1, due_at = :until, holder = :holder, leased_at = :now, extended = 0
WHERE id IN (SELECT value FROM json_each(:ids)) AND queue_id = :queue AND state + 0 = 1;

-- lease@postgres (queue, ids, until, holder, now): the same, of an array
UPDATE brokerweb_queues_message SET state = 3, attempts = attempts + 1, due_at = :until, holder = :holder, leased_at = :now, extended = 0
WHERE queue_id = :queue AND id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND state + 0 = 1;

-- remove (id, queue, state): delete a message that is still in the state it was read in
DELETE FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue AND state + 0 = :state;

-- take@sqlite (queue, ids): delete ready messages, which are taken for good
DELETE FROM brokerweb_queues_message WHERE id IN (SELECT value FROM json_each(:ids)) AND queue_id = :queue AND state + 0 = 1;

-- take@postgres (queue, ids): the same, of an array
DELETE FROM brokerweb_queues_message WHERE queue_id = :queue AND id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND state + 0 = 1;

-- ack (id, queue, attempts, now): remove a leased message, if the lease is still this one
DELETE FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue AND state + 0 = 3 AND attempts = :attempts AND due_at > :now;

-- ack_all@sqlite (ids, n, queue, attempts, now): remove ``n`` leased messages if all their leases are still these, or none
DELETE FROM brokerweb_queues_message WHERE id IN (SELECT value FROM json_each(:ids)) AND
  (SELECT count(*) FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = j.value
   WHERE m.queue_id = :queue AND m.state + 0 = 3 AND m.attempts = :attempts AND m.due_at > :now) = :n;

-- ack_all@postgres (ids, n, queue, attempts, now): the same
-- Counted under locks: whoever settles one of them meanwhile has done so before, and it is not counted, or waits.
DELETE FROM brokerweb_queues_message WHERE queue_id = :queue AND id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND
  (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message m WHERE m.id = ANY (translate(:ids, '[]', '{}')::bigint[])
     AND m.queue_id = :queue AND m.state + 0 = 3 AND m.attempts = :attempts AND m.due_at > :now ORDER BY m.id FOR UPDATE) AS held) = :n;

-- ack_keyed (id, queue, attempts, now): the same on a keyed queue, where the next of the key must follow
DELETE FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue AND state + 0 = 3 AND attempts = :attempts AND due_at > :now RETURNING "key";

-- held (id, queue, attempts, now): a leased message, if the lease is still this one
SELECT id, queue_id, attempts, failures, "key", expires_at, holder
FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue AND state + 0 = 3 AND attempts = :attempts AND due_at > :now FOR UPDATE;

-- held_among@sqlite (ids, queue, now): those of these messages that are leased, by which attempt, and until when
SELECT id, attempts, due_at FROM brokerweb_queues_message
WHERE id IN (SELECT value FROM json_each(:ids)) AND queue_id = :queue AND state + 0 = 3 AND due_at > :now;

-- held_among@postgres (ids, queue, now): the same, of an array
SELECT id, attempts, due_at FROM brokerweb_queues_message
WHERE id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND queue_id = :queue AND state + 0 = 3 AND due_at > :now;

-- extend (id, queue, attempts, now, until): a new deadline, if the lease is still this one
UPDATE brokerweb_queues_message SET due_at = :until, extended = extended + 1
WHERE id = :id AND queue_id = :queue AND state + 0 = 3 AND attempts = :attempts AND due_at > :now;

-- postpone (id, queue, attempts, until): the deadline of a lease that was just extended, which is kept from others, once more
UPDATE brokerweb_queues_message SET due_at = :until WHERE id = :id AND queue_id = :queue AND state + 0 = 3 AND attempts = :attempts;

-- lock@postgres (queue, ids): how messages stand that are about to be changed, which nobody else can change until that is done
-- SQLite has one writer, and what it has read stays so.
SELECT id, state, attempts, due_at, deliver_at, expires_at FROM brokerweb_queues_message
WHERE queue_id = :queue AND id = ANY (translate(:ids, '[]', '{}')::bigint[]) ORDER BY id FOR UPDATE;

-- lock_free@postgres (queue, ids): the same, but for those that somebody else is about to change
-- SQLite: none, as for lock.
SELECT id, state, attempts, due_at, deliver_at, expires_at FROM brokerweb_queues_message
WHERE queue_id = :queue AND id = ANY (translate(:ids, '[]', '{}')::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED;

-- overdue (now, limit): leases past their deadline, oldest first, and what their bodies weigh
SELECT id, queue_id, attempts, failures, "key", expires_at, holder,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id AND c.queue_id = m.queue_id), 0) AS weight
FROM brokerweb_queues_message m WHERE state = 3 AND due_at <= :now ORDER BY due_at LIMIT :limit;

-- put_back (id, queue, attempts, state, due, failures, alone, last_error): a leased message returns, keeping its place and its key
UPDATE brokerweb_queues_message SET state = :state, returned = true, due_at = :due, failures = :failures, alone = coalesce(:alone, alone),
  last_error = coalesce(:last_error, last_error), leased_at = NULL, extended = 0 WHERE id = :id AND queue_id = :queue AND state + 0 = 3 AND attempts = :attempts;

-- last_error (id, queue): why a message failed last, since a redrive
SELECT last_error FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue;

-- bury (id, queue, state, now, failures, reason, last_error, fingerprint): a message of that state becomes dead
-- It expires no more, and must not lie in the index in which the duty looks for those that do.
UPDATE brokerweb_queues_message SET state = 4, due_at = :now, deliver_at = NULL, failures = :failures, reason = :reason, holds_key = false,
  alone = false, expires_at = NULL, last_error = coalesce(:last_error, last_error), fingerprint = :fingerprint, leased_at = NULL, extended = 0
WHERE id = :id AND queue_id = :queue AND state + 0 = :state;

-- add_failure (queue, message, attempt, kind, consumer, error, wall): remember how a lease failed
INSERT INTO brokerweb_queues_failure (queue_id, message_id, attempt, kind, consumer, error, failed_at)
VALUES (:queue, :message, :attempt, :kind, :consumer, :error, :wall);

-- trim_failures (queue, message, kept): keep so many of the newest failures of a message
DELETE FROM brokerweb_queues_failure WHERE message_id = :message AND queue_id = :queue AND attempt <=
  (SELECT attempt FROM brokerweb_queues_failure WHERE message_id = :message AND queue_id = :queue ORDER BY attempt DESC LIMIT 1 OFFSET :kept);

-- forget_failures (queue, message): the message is gone
DELETE FROM brokerweb_queues_failure WHERE message_id = :message AND queue_id = :queue;

-- forget_failures_of_all@sqlite (queue, ids): the messages are gone
DELETE FROM brokerweb_queues_failure WHERE message_id IN (SELECT value FROM json_each(:ids)) AND queue_id = :queue;

-- forget_failures_of_all@postgres (queue, ids): the same, of an array
DELETE FROM brokerweb_queues_failure WHERE queue_id = :queue AND message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- move_failures (queue, message, target): the message is another queue's now
UPDATE brokerweb_queues_failure SET queue_id = :target WHERE message_id = :message AND queue_id = :queue;

-- move_content (queue, message, target): the same of what it carries
UPDATE brokerweb_queues_content SET queue_id = :target WHERE message_id = :message AND queue_id = :queue;

-- forget_contents_between (queue, first, last): the messages with these ids and all between are gone
DELETE FROM brokerweb_queues_content WHERE message_id BETWEEN :first AND :last AND queue_id = :queue;

-- forget_contents_of_any@sqlite (ids): the same of any queues
-- PostgreSQL: none, queue by queue.
DELETE FROM brokerweb_queues_content WHERE message_id IN (SELECT value FROM json_each(:ids));

-- forget_contents@sqlite (queue, ids): the messages are gone
DELETE FROM brokerweb_queues_content WHERE message_id IN (SELECT value FROM json_each(:ids)) AND queue_id = :queue;

-- forget_contents@postgres (queue, ids): the same, of an array
DELETE FROM brokerweb_queues_content WHERE queue_id = :queue AND message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- key_taken (queue, key): does a message hold the key?
SELECT 1 FROM brokerweb_queues_message WHERE queue_id = :queue AND "key" = :key AND holds_key LIMIT 1;

-- next_of_key (queue, key): the first of those who wait behind the head of a key
SELECT id FROM brokerweb_queues_message WHERE queue_id = :queue AND "key" = :key AND state = 2 ORDER BY position LIMIT 1;

-- keys_taken@postgres (queue, keys): which of these keys somebody holds or waits for; a JSON array
-- SQLite, to which each is a function call, asks for them one by one: key_taken and next_of_key.
SELECT k.value FROM jsonb_array_elements_text(CAST(:keys AS jsonb)) AS k(value) WHERE
  EXISTS (SELECT 1 FROM brokerweb_queues_message WHERE queue_id = :queue AND "key" = k.value AND holds_key)
  OR EXISTS (SELECT 1 FROM brokerweb_queues_message WHERE queue_id = :queue AND "key" = k.value AND state = 2);

-- unblock (queue, key, now): the first blocked message of a key becomes its head, unless there is one
UPDATE brokerweb_queues_message SET state = 1, returned = true, holds_key = true, due_at = :now
WHERE id = (SELECT id FROM brokerweb_queues_message WHERE queue_id = :queue AND "key" = :key AND state = 2 ORDER BY position LIMIT 1)
  AND queue_id = :queue AND NOT EXISTS (SELECT 1 FROM brokerweb_queues_message WHERE queue_id = :queue AND "key" = :key AND holds_key);

-- orphaned_keys (limit): keys with blocked messages that nobody holds, which no verb should leave behind
-- It goes over every blocked message there is: not within a commit. A queue that is being removed is left alone.
SELECT b.queue_id, b."key" FROM (SELECT DISTINCT m.queue_id, m."key" FROM brokerweb_queues_queue q JOIN brokerweb_queues_message m ON m.queue_id = q.id
  WHERE q.keyed AND q.deleted_at IS NULL AND m.state = 2) AS b WHERE NOT EXISTS
  (SELECT 1 FROM brokerweb_queues_message h WHERE h.queue_id = b.queue_id AND h."key" = b."key" AND h.holds_key) LIMIT :limit;

-- due_stated (wall, limit): what waits for an instant of the wall that has come, oldest first
SELECT id, queue_id, deliver_at FROM brokerweb_queues_message
WHERE state = 0 AND deliver_at IS NOT NULL AND deliver_at <= :wall ORDER BY deliver_at LIMIT :limit;

-- fall_due (id, queue, stated, due): it is due since that instant of the broker's clock, and as any other
-- Ttl counts from when a message is first due.
UPDATE brokerweb_queues_message SET due_at = :due, deliver_at = NULL,
  expires_at = CASE WHEN attempts > 0 THEN expires_at ELSE :due + CAST(round(ttl * 1000000) AS bigint) END
WHERE id = :id AND queue_id = :queue AND state + 0 = 0 AND deliver_at = :stated;

-- due_scheduled (now, limit): what is due, oldest first, and what it weighs
SELECT id, queue_id, "key", holds_key,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id AND c.queue_id = m.queue_id), 0) AS weight
FROM brokerweb_queues_message m
WHERE state = 0 AND deliver_at IS NULL AND due_at <= :now ORDER BY due_at, id LIMIT :limit;

-- due_first@postgres (queue, now, wall, limit): those of the first that are due, of all queues, that are in this one
-- SQLite promotes a turn of all queues there, since nobody waits for it.
SELECT id, "key", holds_key, deliver_at, due_at FROM (
  (SELECT id, queue_id, "key", holds_key, deliver_at, due_at FROM brokerweb_queues_message
    WHERE state = 0 AND deliver_at IS NULL AND due_at <= :now ORDER BY due_at LIMIT :limit)
  UNION ALL (SELECT id, queue_id, "key", holds_key, deliver_at, due_at FROM brokerweb_queues_message
    WHERE state = 0 AND deliver_at IS NOT NULL AND deliver_at <= :wall ORDER BY deliver_at LIMIT :limit)) AS due
WHERE queue_id = :queue;

-- promote (id, queue): a scheduled message is due; it is ready since then
UPDATE brokerweb_queues_message SET state = 1, returned = true WHERE id = :id AND queue_id = :queue AND state + 0 = 0;

-- join_key (id, queue, state, holds_key, position): a delayed message of a keyed queue takes its place at the end of its key
UPDATE brokerweb_queues_message SET state = :state, holds_key = :holds_key, position = :position WHERE id = :id AND queue_id = :queue AND state + 0 = 0;

-- next_due (difference): when the next scheduled message is due, that waits for the broker's clock, and that waits for the wall
SELECT (SELECT min(due_at) FROM brokerweb_queues_message WHERE state = 0 AND deliver_at IS NULL),
  (SELECT min(deliver_at) - :difference FROM brokerweb_queues_message WHERE state = 0 AND deliver_at IS NOT NULL);

-- next_overdue (): when the next lease ends
SELECT min(due_at) FROM brokerweb_queues_message WHERE state = 3;

-- next_expiry (): when the next message expires
SELECT min(expires_at) FROM brokerweb_queues_message WHERE expires_at IS NOT NULL AND state <> 3 AND state <> 4;

-- expired (now, limit): waiting messages past their ttl, and what they weigh
SELECT id, queue_id, state, failures, attempts, "key", holds_key,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id AND c.queue_id = m.queue_id), 0) AS weight
FROM brokerweb_queues_message m
WHERE expires_at IS NOT NULL AND expires_at <= :now AND state <> 3 AND state <> 4 ORDER BY expires_at LIMIT :limit;

-- dead_retained (): queues whose dead letters end, and after how many seconds
SELECT id, dead_retention FROM brokerweb_queues_queue WHERE dead_retention IS NOT NULL AND deleted_at IS NULL ORDER BY id;

-- outlived (queue, before, limit): messages that are dead since then or longer, the longest first, and what they weigh
SELECT id, queue_id, state, failures, attempts, "key", holds_key,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id AND c.queue_id = m.queue_id), 0) AS weight
FROM brokerweb_queues_message m INDEXED BY message_dead
WHERE queue_id = :queue AND state = 4 AND due_at <= :before ORDER BY due_at LIMIT :limit;

-- oldest_in_state (queue, state, limit): the oldest waiting messages of a queue, and what they weigh
-- The index is named: with statistics SQLite's planner walks the whole table by rowid instead, past every other queue.
SELECT id, queue_id, state, failures, attempts, "key", holds_key,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id AND c.queue_id = m.queue_id), 0) AS weight
FROM brokerweb_queues_message m INDEXED BY message_browse
WHERE queue_id = :queue AND state = :state AND NOT (state = 3) ORDER BY id LIMIT :limit FOR UPDATE;

-- remembered (queue, dedup_id, now): the message a dedup_id names
SELECT message_id FROM brokerweb_queues_dedup WHERE queue_id = :queue AND dedup_id = :dedup_id AND expires_at > :now;

-- remembered_of@postgres (queue, dedup_ids, now): the messages that several name; a JSON array
-- SQLite asks for them one by one: remembered.
SELECT dedup_id, message_id FROM brokerweb_queues_dedup WHERE queue_id = :queue AND expires_at > :now
  AND dedup_id = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(:dedup_ids AS jsonb))));

-- remember (queue, dedup_id, message, expires, now): a dedup_id names this message from now on, if it names none
INSERT INTO brokerweb_queues_dedup (queue_id, dedup_id, message_id, expires_at) VALUES (:queue, :dedup_id, :message, :expires)
ON CONFLICT (queue_id, dedup_id) DO UPDATE SET message_id = excluded.message_id, expires_at = excluded.expires_at
WHERE brokerweb_queues_dedup.expires_at <= :now;

-- forget@sqlite (now, limit): drop dedup_ids past their window
-- PostgreSQL: past_memories and forget_one, in the order in which they are remembered.
DELETE FROM brokerweb_queues_dedup WHERE (queue_id, dedup_id) IN
  (SELECT queue_id, dedup_id FROM brokerweb_queues_dedup WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit);

-- past_memories (now, limit): dedup_ids past their window
SELECT queue_id, dedup_id FROM brokerweb_queues_dedup WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit;

-- forget_one (queue, dedup_id, now): drop one of them, unless it was remembered anew
DELETE FROM brokerweb_queues_dedup WHERE queue_id = :queue AND dedup_id = :dedup_id AND expires_at <= :now;

-- held_by_sockets (shared, limit): leases of subscriptions, which end with the process that served them; where there may be others
-- those alone whose node has ended
SELECT id, queue_id, attempts, failures, "key", expires_at, holder,
  coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = m.id AND c.queue_id = m.queue_id), 0) AS weight
FROM brokerweb_queues_message m
WHERE state = 3 AND holder LIKE 'ws:%' AND (:shared = 0 OR NOT EXISTS
  (SELECT 1 FROM brokerweb_cluster_node n WHERE n.presence <> '' AND m.holder LIKE 'ws:' || n.name || '/%'))
LIMIT :limit;

-- shift_leases (by, since): leases that ran at ``since`` end later, by the time the broker was not there
UPDATE brokerweb_queues_message SET due_at = due_at + :by WHERE state = 3 AND due_at > :since;

-- note_activity (id, consumed_at, client, settled_at): when a queue was last consumed, and by whom, and when anything of it was last settled
-- as far as no other node knows of a later time
UPDATE brokerweb_queues_queue SET
  last_consumer = CASE WHEN last_consumer_at > :consumed_at THEN last_consumer ELSE coalesce(:client, last_consumer) END,
  last_consumer_at = CASE WHEN last_consumer_at > :consumed_at THEN last_consumer_at ELSE coalesce(:consumed_at, last_consumer_at) END,
  last_settled_at = CASE WHEN last_settled_at > :settled_at THEN last_settled_at ELSE coalesce(:settled_at, last_settled_at) END
WHERE id = :id;

-- attend (id, at, client): somebody consumes it in a process without a broker
UPDATE brokerweb_queues_queue SET last_consumer = :client, last_consumer_at = :at, attended_at = :at WHERE id = :id;

-- activity (): what is known of them, of the queues of which anything is
SELECT id, last_consumer_at, last_consumer, attended_at, last_settled_at FROM brokerweb_queues_queue
WHERE last_consumer_at IS NOT NULL OR last_settled_at IS NOT NULL;

-- activity_since (since): of those that were used since then
SELECT id, last_consumer_at, last_consumer, attended_at, last_settled_at FROM brokerweb_queues_queue
WHERE last_consumer_at > :since OR last_settled_at > :since;

-- newest_instant (): the newest instant that was written as the present
SELECT max(at) FROM (
  SELECT coalesce(max(created_at), 0) AS at FROM brokerweb_queues_queue
  UNION ALL SELECT coalesce((SELECT published_at FROM brokerweb_queues_content ORDER BY message_id DESC LIMIT 1), 0)
  UNION ALL SELECT coalesce((SELECT failed_at FROM brokerweb_queues_failure ORDER BY id DESC LIMIT 1), 0)
  UNION ALL SELECT coalesce((SELECT at FROM brokerweb_queues_messageevent ORDER BY id DESC LIMIT 1), 0)
  UNION ALL SELECT coalesce((SELECT settled_at FROM brokerweb_queues_settledmessage ORDER BY id DESC LIMIT 1), 0)) AS instants;
