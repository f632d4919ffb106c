-- What happened to messages (queues/history.py), and those that are kept after their end (queues/kept.py). Only queues that ask for
-- it by their settings run the hot ones. Lists are JSON arrays, as in queries.sql.

-- add_events (queue, message, at, event, attempt, actor, holder, error, detail, forget): these have happened, in their order
INSERT INTO brokerweb_queues_messageevent (queue_id, message_id, at, event, attempt, actor, holder, error, detail, forget_at)
VALUES (:queue, :message, :at, :event, :attempt, :actor, :holder, :error, :detail, :forget);

-- add_alike@sqlite (ids, queue, at, event, attempt, actor, holder, detail, forget): the same has happened to all of these
INSERT INTO brokerweb_queues_messageevent (queue_id, message_id, at, event, attempt, actor, holder, detail, forget_at)
SELECT :queue, j.value, :at, :event, :attempt, :actor, :holder, :detail, :forget FROM json_each(:ids) j;

-- add_alike@postgres (ids, queue, at, event, attempt, actor, holder, detail, forget): the same, of an array
INSERT INTO brokerweb_queues_messageevent (queue_id, message_id, at, event, attempt, actor, holder, detail, forget_at)
SELECT CAST(:queue AS integer), j.value, CAST(:at AS bigint), CAST(:event AS text), CAST(:attempt AS integer), CAST(:actor AS text),
  CAST(:holder AS text), CAST(:detail AS text), CAST(:forget AS bigint)
FROM unnest(translate(:ids, '[]', '{}')::bigint[]) WITH ORDINALITY AS j(value, place) ORDER BY j.place;

-- redact_events (message): error texts are gone from what happened
UPDATE brokerweb_queues_messageevent SET error = NULL WHERE message_id = :message AND error IS NOT NULL;

-- known (message, queue): whether something is remembered of a message in that queue
SELECT 1 FROM brokerweb_queues_messageevent WHERE message_id = :message AND queue_id = :queue LIMIT 1;

-- forget_history@sqlite (now, limit, most): drop what happened to messages that have gone long enough ago, some of them a turn
-- A message's last event is dropped last: it says when.
DELETE FROM brokerweb_queues_messageevent WHERE id IN (SELECT e.id FROM
  (SELECT message_id FROM brokerweb_queues_messageevent WHERE forget_at IS NOT NULL AND forget_at <= :now ORDER BY forget_at LIMIT :limit) d
  CROSS JOIN brokerweb_queues_messageevent e ON e.message_id = d.message_id LIMIT :most);

-- forget_history@postgres (now, limit, most): the same
-- Its planner keeps no order of joins; what an unfinished turn leaves behind, the walk marks anew.
DELETE FROM brokerweb_queues_messageevent WHERE id IN (SELECT e.id FROM brokerweb_queues_messageevent e WHERE e.message_id IN
  (SELECT message_id FROM brokerweb_queues_messageevent WHERE forget_at IS NOT NULL AND forget_at <= :now ORDER BY forget_at LIMIT :limit)
  ORDER BY e.message_id, e.id LIMIT :most);

-- forget_events@sqlite (ids): nothing is remembered of these messages
DELETE FROM brokerweb_queues_messageevent WHERE message_id IN (SELECT value FROM json_each(:ids));

-- forget_events@postgres (ids): the same, of an array
DELETE FROM brokerweb_queues_messageevent WHERE message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- walk (after, limit): messages of which something is remembered, by id: their last event, how many, whether that says when they go,
-- and whether they are alive or kept
SELECT w.message_id, w.last, w.n, w.marked,
  EXISTS (SELECT 1 FROM brokerweb_queues_message m WHERE m.id = w.message_id)
    OR EXISTS (SELECT 1 FROM brokerweb_queues_settledmessage s WHERE s.id = w.message_id)
    OR EXISTS (SELECT 1 FROM brokerweb_queues_settledmessage s WHERE s.message_id = w.message_id AND s.outcome = 'moved') AS held
FROM (SELECT message_id, max(id) AS last, count(*) AS n, max(forget_at) AS marked FROM brokerweb_queues_messageevent
  WHERE message_id > :after GROUP BY message_id ORDER BY message_id LIMIT :limit) AS w ORDER BY w.message_id;

-- gone (last): of a message's last event: its queue, and whether the message is alive
SELECT e.queue_id, EXISTS (SELECT 1 FROM brokerweb_queues_message m WHERE m.id = e.message_id)
FROM brokerweb_queues_messageevent e WHERE e.id = :last;

-- mark (last, forget): this was the last of a message that has gone
UPDATE brokerweb_queues_messageevent SET forget_at = :forget WHERE id = :last AND forget_at IS NULL;

-- trim_events (message, kept, most): keep so many of the newest events of a message, of older ones drop some
DELETE FROM brokerweb_queues_messageevent WHERE id IN (SELECT id FROM brokerweb_queues_messageevent WHERE message_id = :message AND id <=
  (SELECT id FROM brokerweb_queues_messageevent WHERE message_id = :message ORDER BY id DESC LIMIT 1 OFFSET :kept) ORDER BY id LIMIT :most);

-- keep (id, queue, message, outcome, actor, holder, wall, until, state, priority, attempts, failures, key, route, parent, reason, last_error, detail): a message is kept
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
VALUES (:id, :queue, :message, :outcome, :actor, :holder, :wall, :until, :state, :priority, :attempts, :failures, :key, :route, :parent,
  :reason, :last_error, :detail, 0, NULL);

-- keep_all@sqlite (ids, n, queue, attempts, now, wall, until): ``n`` leased messages are kept as acknowledged if all their leases are still these, or none
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
SELECT m.id, m.queue_id, m.id, 'acked', NULL, m.holder, :wall, :until, m.state, m.priority, m.attempts,
  m.failures, m."key", m.route, m.parent, m.reason, m.last_error, NULL, m.redrives, m.fingerprint
FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = j.value WHERE
  (SELECT count(*) FROM json_each(:ids) i CROSS JOIN brokerweb_queues_message h ON h.id = i.value
   WHERE h.queue_id = :queue AND h.state + 0 = 3 AND h.attempts = :attempts AND h.due_at > :now) = :n;

-- keep_all@postgres (ids, n, queue, attempts, now, wall, until): the same
-- Counted under locks, as in ack_all, which follows in the same transaction.
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
SELECT m.id, m.queue_id, m.id, 'acked', NULL, m.holder, CAST(:wall AS bigint), CAST(:until AS bigint), m.state, m.priority, m.attempts,
  m.failures, m."key", m.route, m.parent, m.reason, m.last_error, NULL, m.redrives, m.fingerprint
FROM brokerweb_queues_message m WHERE m.queue_id = :queue AND m.id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND
  (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message h WHERE h.id = ANY (translate(:ids, '[]', '{}')::bigint[])
     AND h.queue_id = :queue AND h.state + 0 = 3 AND h.attempts = :attempts AND h.due_at > :now ORDER BY h.id FOR UPDATE) AS held) = :n;

-- keep_held@sqlite (held, queue, now, wall, until): those of these that are leased by these attempts are kept as acknowledged; [[id, attempts], …]
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
SELECT m.id, m.queue_id, m.id, 'acked', NULL, m.holder, :wall, :until, m.state, m.priority, m.attempts,
  m.failures, m."key", m.route, m.parent, m.reason, m.last_error, NULL, m.redrives, m.fingerprint
FROM json_each(:held) j CROSS JOIN brokerweb_queues_message m ON m.id = json_extract(j.value, '$[0]')
WHERE m.queue_id = :queue AND m.state + 0 = 3 AND m.attempts = json_extract(j.value, '$[1]') AND m.due_at > :now;

-- keep_held@postgres (held, queue, now, wall, until): the same
-- Under locks, so that the acks that follow in the same transaction find them as they were.
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
SELECT m.id, m.queue_id, m.id, 'acked', NULL, m.holder, CAST(:wall AS bigint), CAST(:until AS bigint), m.state, m.priority, m.attempts,
  m.failures, m."key", m.route, m.parent, m.reason, m.last_error, NULL, m.redrives, m.fingerprint
FROM jsonb_array_elements(CAST(:held AS jsonb)) AS j(value) JOIN brokerweb_queues_message m ON m.id = (j.value ->> 0)::bigint
WHERE m.queue_id = :queue AND m.state + 0 = 3 AND m.attempts = (j.value ->> 1)::integer AND m.due_at > :now ORDER BY m.id FOR UPDATE OF m;

-- keep_ended@sqlite (ids, queue, state, ready_until, outcome, actor, detail, wall, until): those of these that are in that state are kept
-- A ready one only if it was ready at ready_until, as where they are removed.
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
SELECT m.id, m.queue_id, m.id, :outcome, :actor, m.holder, :wall, :until, m.state, m.priority, m.attempts,
  m.failures, m."key", m.route, m.parent, m.reason, m.last_error, :detail, m.redrives, m.fingerprint
FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = j.value
WHERE m.queue_id = :queue AND m.state + 0 = :state AND (m.state + 0 <> 1 OR m.due_at <= :ready_until);

-- keep_ended@postgres (ids, queue, state, ready_until, outcome, actor, detail, wall, until): the same, of an array
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
SELECT m.id, m.queue_id, m.id, CAST(:outcome AS text), CAST(:actor AS text), m.holder, CAST(:wall AS bigint), CAST(:until AS bigint),
  m.state, m.priority, m.attempts, m.failures, m."key", m.route, m.parent, m.reason, m.last_error, CAST(:detail AS text), m.redrives, m.fingerprint
FROM brokerweb_queues_message m WHERE m.id = ANY (translate(:ids, '[]', '{}')::bigint[])
  AND m.queue_id = :queue AND m.state + 0 = :state AND (m.state + 0 <> 1 OR m.due_at <= :ready_until) ORDER BY m.id FOR UPDATE;

-- take_leased@sqlite (queue, ids): remove messages that were leased a moment ago, in the same transaction, and are taken for good
DELETE FROM brokerweb_queues_message WHERE id IN (SELECT value FROM json_each(:ids)) AND queue_id = :queue AND state + 0 = 3;

-- take_leased@postgres (queue, ids): the same, of an array
DELETE FROM brokerweb_queues_message WHERE queue_id = :queue AND id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND state + 0 = 3;

-- say_kept (queue, message, detail): what there is to say of how a kept message ended
UPDATE brokerweb_queues_settledmessage SET detail = :detail WHERE queue_id = :queue AND message_id = :message;

-- keep_moved (copy, message, queue, state, actor, detail, wall, until): a message that moves to another queue is kept in this one
INSERT INTO brokerweb_queues_settledmessage (id, queue_id, message_id, outcome, actor, holder, settled_at, expires_at, state, priority, attempts,
  failures, "key", route, parent, reason, last_error, detail, redrives, fingerprint)
SELECT CAST(:copy AS bigint), m.queue_id, m.id, 'moved', CAST(:actor AS text), m.holder, CAST(:wall AS bigint), CAST(:until AS bigint),
  m.state, m.priority, m.attempts, m.failures, m."key", m.route, m.parent, m.reason, m.last_error, CAST(:detail AS text), m.redrives, m.fingerprint
FROM brokerweb_queues_message m WHERE m.id = :message AND m.queue_id = :queue AND m.state + 0 = :state;

-- copy_content (copy, queue, message): what a message carries, once more
INSERT INTO brokerweb_queues_content (message_id, queue_id, published_at, publisher, headers, content_type, "binary", reply_to, correlation_id, redacted,
  dedup_id, family, streams, checksum, body)
SELECT CAST(:copy AS bigint), queue_id, published_at, publisher, headers, content_type, "binary", reply_to, correlation_id, redacted,
  dedup_id, family, streams, checksum, body FROM brokerweb_queues_content WHERE message_id = :message AND queue_id = :queue;

-- unkeep (queue, message): the message is in the queue again, and nothing says any more that it has ended there
DELETE FROM brokerweb_queues_settledmessage WHERE queue_id = :queue AND message_id = :message RETURNING id;

-- outdated (now, limit): kept messages whose time is over, and what they weigh
SELECT s.id, s.queue_id, s.message_id, coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = s.id AND c.queue_id = s.queue_id), 0) AS weight
FROM brokerweb_queues_settledmessage s WHERE s.expires_at <= :now ORDER BY s.expires_at LIMIT :limit;

-- kept_of (queue, limit): some that a deleted queue has kept
SELECT s.id, s.queue_id, s.message_id, coalesce((SELECT length(c.body) FROM brokerweb_queues_content c WHERE c.message_id = s.id AND c.queue_id = s.queue_id), 0) AS weight
FROM brokerweb_queues_settledmessage s WHERE s.queue_id = :queue ORDER BY s.message_id LIMIT :limit;

-- drop_kept@sqlite (queue, ids): they are kept no longer
DELETE FROM brokerweb_queues_settledmessage WHERE id IN (SELECT value FROM json_each(:ids)) AND +queue_id = :queue;

-- drop_kept@postgres (queue, ids): the same, of an array
DELETE FROM brokerweb_queues_settledmessage WHERE queue_id = :queue AND id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- kept_contents (queue, message): what stays of a kept message that is redacted, and the number of its content
SELECT s.id, s."key", c.reply_to, c.correlation_id FROM brokerweb_queues_settledmessage s
LEFT JOIN brokerweb_queues_content c ON c.message_id = s.id AND c.queue_id = s.queue_id
WHERE s.queue_id = :queue AND s.message_id = :message FOR UPDATE OF s;

-- kept_copies (message): the same of where it was before it moved
SELECT s.id, s.queue_id, s."key", c.reply_to, c.correlation_id FROM brokerweb_queues_settledmessage s LEFT JOIN brokerweb_queues_content c ON c.message_id = s.id
WHERE s.message_id = :message AND s.outcome = 'moved' ORDER BY s.id FOR UPDATE OF s;

-- forget_kept_error (id, queue): a kept message's last error is gone
UPDATE brokerweb_queues_settledmessage SET last_error = NULL WHERE id = :id AND queue_id = :queue AND last_error IS NOT NULL;

-- relatives (family, limit): the copies in queues that one publish to a topic made of a message, alive or kept, by id
SELECT message_id FROM brokerweb_queues_content WHERE family = :family AND family IS NOT NULL ORDER BY message_id LIMIT :limit;

-- sweep_kept (after, limit): kept messages by the number of their content, with all that their checksums cover
SELECT s.id, s.message_id, c.checksum, s."key", c.headers, c.content_type, c."binary", c.reply_to, c.correlation_id, c.body
FROM brokerweb_queues_settledmessage s LEFT JOIN brokerweb_queues_content c ON c.message_id = s.id WHERE s.id > :after ORDER BY s.id LIMIT :limit;
