-- The statements of search. Those named after a way through the messages look at a range of ids in one step, and answer how many
-- rows are in it, and the ids of those that may match, with commas between. They leave out what certainly does not match, by
-- texts that a body must have (LIKE takes great and small letters for the same); what is left is compared exactly. A JSON body
-- may write any letter as \u00XX, which no usual encoder does: such bodies are not left out, and neither are binary ones, in
-- which SQLite's LIKE ends at a NUL. PostgreSQL's texts look through bodies as text in which all but ASCII is escaped.

-- queues (): every queue that was declared, and how many messages of each state it holds
SELECT q.id, q.name, CAST(coalesce(sum(c.scheduled), 0) AS bigint), CAST(coalesce(sum(c.ready), 0) AS bigint),
  CAST(coalesce(sum(c.blocked), 0) AS bigint), CAST(coalesce(sum(c.leased), 0) AS bigint), CAST(coalesce(sum(c.dead), 0) AS bigint)
FROM brokerweb_queues_queue q LEFT JOIN brokerweb_queues_queuecount c ON c.queue_id = q.id
WHERE q.deleted_at IS NULL AND q.stream IS NULL GROUP BY q.id, q.name;

-- partitions (): every partition of the streams there are, and how many records it holds
SELECT p.id, s.id, s.name, p.number, p.low_offset, p.next_offset, p.records
FROM brokerweb_streams_stream s JOIN brokerweb_streams_partition p ON p.stream_id = s.id WHERE s.deleted_at IS NULL ORDER BY p.id;

-- held (): how many messages there are, of whatever queue
SELECT CAST(coalesce(sum(scheduled + ready + blocked + leased + dead), 0) AS bigint) FROM brokerweb_queues_queuecount;

-- newest_below (beyond): the highest id of a message below another
SELECT max(id) FROM brokerweb_queues_message WHERE id < :beyond;

-- newest_record_below (first, beyond): the highest id of a record in a range
SELECT max(id) FROM brokerweb_streams_record WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40;

-- walk@sqlite (first, beyond, queues, key, error): all messages of a range, for queues that hold many of them; without what they carry
SELECT count(*), group_concat(m.id) FILTER (WHERE (:key IS NULL OR m."key" = :key) AND (:error IS NULL OR m.last_error LIKE :error))
FROM brokerweb_queues_message m WHERE m.id >= :first AND m.id < :beyond AND m.queue_id IN (SELECT value FROM json_each(:queues));

-- walk@postgres (first, beyond, queues, key, error): the same; SQLite's LIKE is ILIKE here
SELECT count(*), string_agg(CAST(m.id AS text), ',' ORDER BY m.id) FILTER (WHERE (CAST(:key AS text) IS NULL OR m."key" = :key) AND (CAST(:error AS text) IS NULL OR m.last_error ILIKE :error))
FROM brokerweb_queues_message m WHERE m.id >= :first AND m.id < :beyond AND m.queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]);

-- walk_contents@sqlite (first, beyond, queues, key, error, since, until, headers, body): the same with what they carry
SELECT count(*), group_concat(m.id) FILTER (WHERE (:key IS NULL OR m."key" = :key) AND (:error IS NULL OR m.last_error LIKE :error)
    AND (:since IS NULL OR coalesce(c.published_at, 0) >= :since) AND (:until IS NULL OR coalesce(c.published_at, 0) <= :until)
    AND (:headers IS NULL OR c.headers LIKE :headers)
    AND (:body IS NULL OR c.body LIKE :body OR m.last_error LIKE :body OR c."binary"
      OR (instr(c.body, X'5C753030') > 0 AND c.body GLOB '*\u00[2-7]*')))
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id
WHERE m.id >= :first AND m.id < :beyond AND m.queue_id IN (SELECT value FROM json_each(:queues));

-- walk_contents@postgres (first, beyond, queues, key, error, since, until, headers, body): the same; LIKE knows no bytes
SELECT count(*), string_agg(CAST(m.id AS text), ',' ORDER BY m.id) FILTER (WHERE (CAST(:key AS text) IS NULL OR m."key" = :key) AND (CAST(:error AS text) IS NULL OR m.last_error ILIKE :error)
    AND (CAST(:since AS bigint) IS NULL OR coalesce(c.published_at, 0) >= :since) AND (CAST(:until AS bigint) IS NULL OR coalesce(c.published_at, 0) <= :until)
    AND (CAST(:headers AS text) IS NULL OR c.headers ILIKE :headers)
    AND (CAST(:body AS text) IS NULL OR encode(c.body, 'escape') ILIKE :body OR m.last_error ILIKE :body OR c."binary"
      OR encode(c.body, 'escape') ~ '\\\\u00[2-7]'))
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id
WHERE m.id >= :first AND m.id < :beyond AND m.queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]);

-- listed@sqlite (first, beyond, queues, states, leased, key, error): messages of a range by their index of queue and state, for some queues or states
-- Leased ones are few: "+id" keeps the planner from walking the table for them.
SELECT count(*), group_concat(m.id, ',' ORDER BY m.id) FILTER (WHERE (:key IS NULL OR m."key" = :key) AND (:error IS NULL OR m.last_error LIKE :error))
FROM (
  SELECT id, "key", last_error FROM brokerweb_queues_message INDEXED BY message_browse
  WHERE queue_id IN (SELECT value FROM json_each(:queues)) AND state IN (SELECT value FROM json_each(:states)) AND NOT (state = 3) AND id >= :first AND id < :beyond
  UNION ALL SELECT id, "key", last_error FROM brokerweb_queues_message INDEXED BY message_leased
  WHERE :leased = 1 AND state = 3 AND queue_id IN (SELECT value FROM json_each(:queues)) AND +id >= :first AND +id < :beyond) AS m;

-- listed@postgres (first, beyond, queues, states, leased, key, error): the same; SQLite's LIKE is ILIKE here
SELECT count(*), string_agg(CAST(m.id AS text), ',' ORDER BY m.id) FILTER (WHERE (CAST(:key AS text) IS NULL OR m."key" = :key) AND (CAST(:error AS text) IS NULL OR m.last_error ILIKE :error))
FROM (
  SELECT id, "key", last_error FROM brokerweb_queues_message
  WHERE queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND state = ANY (translate(:states, '[]', '{}')::bigint[]) AND NOT (state = 3) AND id >= :first AND id < :beyond
  UNION ALL SELECT id, "key", last_error FROM brokerweb_queues_message
  WHERE :leased = 1 AND state = 3 AND queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND id >= :first AND id < :beyond) AS m;

-- listed_contents@sqlite (first, beyond, queues, states, leased, key, error, since, until, headers, body): the same with what they carry
SELECT count(*), group_concat(m.id, ',' ORDER BY m.id) FILTER (WHERE (:key IS NULL OR m."key" = :key) AND (:error IS NULL OR m.last_error LIKE :error)
    AND (:since IS NULL OR coalesce(c.published_at, 0) >= :since) AND (:until IS NULL OR coalesce(c.published_at, 0) <= :until)
    AND (:headers IS NULL OR c.headers LIKE :headers)
    AND (:body IS NULL OR c.body LIKE :body OR m.last_error LIKE :body OR c."binary"
      OR (instr(c.body, X'5C753030') > 0 AND c.body GLOB '*\u00[2-7]*')))
FROM (
  SELECT id, "key", last_error FROM brokerweb_queues_message INDEXED BY message_browse
  WHERE queue_id IN (SELECT value FROM json_each(:queues)) AND state IN (SELECT value FROM json_each(:states)) AND NOT (state = 3) AND id >= :first AND id < :beyond
  UNION ALL SELECT id, "key", last_error FROM brokerweb_queues_message INDEXED BY message_leased
  WHERE :leased = 1 AND state = 3 AND queue_id IN (SELECT value FROM json_each(:queues)) AND +id >= :first AND +id < :beyond) AS m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id;

-- listed_contents@postgres (first, beyond, queues, states, leased, key, error, since, until, headers, body): the same; LIKE knows no bytes
SELECT count(*), string_agg(CAST(m.id AS text), ',' ORDER BY m.id) FILTER (WHERE (CAST(:key AS text) IS NULL OR m."key" = :key) AND (CAST(:error AS text) IS NULL OR m.last_error ILIKE :error)
    AND (CAST(:since AS bigint) IS NULL OR coalesce(c.published_at, 0) >= :since) AND (CAST(:until AS bigint) IS NULL OR coalesce(c.published_at, 0) <= :until)
    AND (CAST(:headers AS text) IS NULL OR c.headers ILIKE :headers)
    AND (CAST(:body AS text) IS NULL OR encode(c.body, 'escape') ILIKE :body OR m.last_error ILIKE :body OR c."binary"
      OR encode(c.body, 'escape') ~ '\\\\u00[2-7]'))
FROM (
  SELECT id, "key", last_error FROM brokerweb_queues_message
  WHERE queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND state = ANY (translate(:states, '[]', '{}')::bigint[]) AND NOT (state = 3) AND id >= :first AND id < :beyond
  UNION ALL SELECT id, "key", last_error FROM brokerweb_queues_message
  WHERE :leased = 1 AND state = 3 AND queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND id >= :first AND id < :beyond) AS m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id;

-- of_key (queue, key, first, beyond, limit): messages of a key in a queue, the newest first
SELECT id FROM brokerweb_queues_message INDEXED BY message_key
WHERE queue_id = :queue AND queue_id > 0 AND "key" = :key AND id >= :first AND id < :beyond ORDER BY id DESC LIMIT :limit;

-- kept_of_key (queue, key, first, beyond, limit): the same of settled messages that are kept
SELECT id FROM brokerweb_queues_settledmessage INDEXED BY settled_key
WHERE queue_id = :queue AND "key" = :key AND id >= :first AND id < :beyond ORDER BY id DESC LIMIT :limit;

-- queues_of_key@sqlite (queues, keeping, key, first, beyond): which of these queues have messages of a key in a range, and then which of those that keep settled ones have such
SELECT j.value, 0 FROM json_each(:queues) j WHERE EXISTS (SELECT 1 FROM brokerweb_queues_message m INDEXED BY message_key
  WHERE m.queue_id = j.value AND m.queue_id > 0 AND m."key" = :key AND m.id >= :first AND m.id < :beyond)
UNION ALL SELECT j.value, 1 FROM json_each(:keeping) j WHERE EXISTS (SELECT 1 FROM brokerweb_queues_settledmessage m INDEXED BY settled_key
  WHERE m.queue_id = j.value AND m."key" = :key AND m.id >= :first AND m.id < :beyond);

-- queues_of_key@postgres (queues, keeping, key, first, beyond): the same of arrays, one look into the index for each queue, whatever the planner thinks of keys
SELECT j.value, 0 FROM unnest(translate(:queues, '[]', '{}')::bigint[]) AS j(value) CROSS JOIN LATERAL (SELECT 1 FROM brokerweb_queues_message m
  WHERE m.queue_id = j.value AND m.queue_id > 0 AND m."key" = :key AND m.id >= :first AND m.id < :beyond LIMIT 1) AS a
UNION ALL SELECT j.value, 1 FROM unnest(translate(:keeping, '[]', '{}')::bigint[]) AS j(value) CROSS JOIN LATERAL (SELECT 1 FROM brokerweb_queues_settledmessage m
  WHERE m.queue_id = j.value AND m."key" = :key AND m.id >= :first AND m.id < :beyond LIMIT 1) AS b;

-- many_of_key@sqlite (queues, keeping, key, most): how many messages of a key there are, those that are kept among them, counted no further than that
SELECT count(*) FROM (
  SELECT 1 FROM brokerweb_queues_message INDEXED BY message_key
  WHERE queue_id IN (SELECT value FROM json_each(:queues)) AND queue_id > 0 AND "key" = :key
  UNION ALL SELECT 1 FROM brokerweb_queues_settledmessage INDEXED BY settled_key
  WHERE queue_id IN (SELECT value FROM json_each(:keeping)) AND "key" = :key LIMIT :most) AS k;

-- many_of_key@postgres (queues, keeping, key, most): the same, of arrays
SELECT count(*) FROM (
  SELECT 1 FROM brokerweb_queues_message
  WHERE queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND queue_id > 0 AND "key" = :key
  UNION ALL SELECT 1 FROM brokerweb_queues_settledmessage
  WHERE queue_id = ANY (translate(:keeping, '[]', '{}')::bigint[]) AND "key" = :key LIMIT :most) AS k;

-- records@sqlite (first, beyond, key, since, until, headers, body): records of a range of one partition
SELECT count(*), group_concat(r.id) FILTER (WHERE (:key IS NULL OR r."key" = :key)
    AND (:since IS NULL OR r.appended_at >= :since) AND (:until IS NULL OR r.appended_at <= :until)
    AND (:headers IS NULL OR r.headers LIKE :headers)
    AND (:body IS NULL OR r.body LIKE :body OR r."binary"
      OR (instr(r.body, X'5C753030') > 0 AND r.body GLOB '*\u00[2-7]*')))
FROM brokerweb_streams_record r WHERE r.id >= :first AND r.id < :beyond;

-- records@postgres (first, beyond, key, since, until, headers, body): the same; LIKE knows no bytes
SELECT count(*), string_agg(CAST(r.id AS text), ',' ORDER BY r.id) FILTER (WHERE (CAST(:key AS text) IS NULL OR r."key" = :key)
    AND (CAST(:since AS bigint) IS NULL OR r.appended_at >= :since) AND (CAST(:until AS bigint) IS NULL OR r.appended_at <= :until)
    AND (CAST(:headers AS text) IS NULL OR r.headers ILIKE :headers)
    AND (CAST(:body AS text) IS NULL OR encode(r.body, 'escape') ILIKE :body OR r."binary"
      OR encode(r.body, 'escape') ~ '\\\\u00[2-7]'))
FROM brokerweb_streams_record r WHERE r.id >= :first AND r.id < :beyond AND r.partition_id = :first >> 40;

-- kept@sqlite (first, beyond, queues, key, error, since, until, headers, body): the same of settled messages that are kept; their id is the number of what they carry
SELECT count(*), group_concat(m.id) FILTER (WHERE (:key IS NULL OR m."key" = :key) AND (:error IS NULL OR m.last_error LIKE :error)
    AND (:since IS NULL OR coalesce(c.published_at, 0) >= :since) AND (:until IS NULL OR coalesce(c.published_at, 0) <= :until)
    AND (:headers IS NULL OR c.headers LIKE :headers)
    AND (:body IS NULL OR c.body LIKE :body OR m.last_error LIKE :body OR c."binary"
      OR (instr(c.body, X'5C753030') > 0 AND c.body GLOB '*\u00[2-7]*')))
FROM brokerweb_queues_settledmessage m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id
WHERE m.id >= :first AND m.id < :beyond AND m.queue_id IN (SELECT value FROM json_each(:queues));

-- kept@postgres (first, beyond, queues, key, error, since, until, headers, body): the same; LIKE knows no bytes
SELECT count(*), string_agg(CAST(m.id AS text), ',' ORDER BY m.id) FILTER (WHERE (CAST(:key AS text) IS NULL OR m."key" = :key) AND (CAST(:error AS text) IS NULL OR m.last_error ILIKE :error)
    AND (CAST(:since AS bigint) IS NULL OR coalesce(c.published_at, 0) >= :since) AND (CAST(:until AS bigint) IS NULL OR coalesce(c.published_at, 0) <= :until)
    AND (CAST(:headers AS text) IS NULL OR c.headers ILIKE :headers)
    AND (CAST(:body AS text) IS NULL OR encode(c.body, 'escape') ILIKE :body OR m.last_error ILIKE :body OR c."binary"
      OR encode(c.body, 'escape') ~ '\\\\u00[2-7]'))
FROM brokerweb_queues_settledmessage m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id
WHERE m.id >= :first AND m.id < :beyond AND m.queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]);

-- messages@sqlite (ids): messages with all that conditions ask of, in the order of the ids
-- One whose content damage has taken is among them, as one that no checksum fits.
SELECT m.id, m.id, m.queue_id, m."key", c.headers, c.content_type, c."binary", c.reply_to, c.correlation_id, c.publisher, m.route, c.redacted,
  coalesce(c.published_at, 0), c.checksum, c.body, m.state, m.attempts, m.failures, m.priority, m.reason, m.last_error, m.redrives, m.fingerprint
FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = j.value LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id;

-- messages@postgres (ids): the same of an array, newest first, as the ids are
SELECT m.id, m.id, m.queue_id, m."key", c.headers, c.content_type, c."binary", c.reply_to, c.correlation_id, c.publisher, m.route, c.redacted,
  coalesce(c.published_at, 0), c.checksum, c.body, m.state, m.attempts, m.failures, m.priority, m.reason, m.last_error, m.redrives, m.fingerprint
FROM brokerweb_queues_message m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id WHERE m.id = ANY (translate(:ids, '[]', '{}')::bigint[]) ORDER BY m.id DESC;

-- kept_messages@sqlite (ids): kept messages, by their own ids, with all that conditions ask of
SELECT m.id, m.message_id, m.queue_id, m."key", c.headers, c.content_type, c."binary", c.reply_to, c.correlation_id, c.publisher, m.route, c.redacted,
  coalesce(c.published_at, 0), c.checksum, c.body, -1, m.attempts, m.failures, m.priority, m.reason, m.last_error, m.redrives, m.fingerprint
FROM json_each(:ids) j CROSS JOIN brokerweb_queues_settledmessage m ON m.id = j.value LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id;

-- kept_messages@postgres (ids): the same of an array, newest first, as the ids are
SELECT m.id, m.message_id, m.queue_id, m."key", c.headers, c.content_type, c."binary", c.reply_to, c.correlation_id, c.publisher, m.route, c.redacted,
  coalesce(c.published_at, 0), c.checksum, c.body, -1, m.attempts, m.failures, m.priority, m.reason, m.last_error, m.redrives, m.fingerprint
FROM brokerweb_queues_settledmessage m LEFT JOIN brokerweb_queues_content c ON c.message_id = m.id WHERE m.id = ANY (translate(:ids, '[]', '{}')::bigint[]) ORDER BY m.id DESC;

-- keeping@sqlite (queues): those of these queues that keep what is settled, or have still some of it
SELECT q.id FROM json_each(:queues) j CROSS JOIN brokerweb_queues_queue q ON q.id = j.value
WHERE q.keep_settled > 0 OR EXISTS (SELECT 1 FROM brokerweb_queues_settledmessage s WHERE s.queue_id = q.id);

-- keeping@postgres (queues): the same, of an array
SELECT q.id FROM brokerweb_queues_queue q WHERE q.id = ANY (translate(:queues, '[]', '{}')::bigint[])
  AND (q.keep_settled > 0 OR EXISTS (SELECT 1 FROM brokerweb_queues_settledmessage s WHERE s.queue_id = q.id));

-- kept_of_cause (queue, fingerprint, first, beyond, limit): kept messages of one cause, the newest first
SELECT id FROM brokerweb_queues_settledmessage
WHERE queue_id = :queue AND fingerprint = :fingerprint AND id >= :first AND id < :beyond ORDER BY id DESC LIMIT :limit;

-- newest_kept_below (beyond): the highest id of a kept message below another
SELECT max(id) FROM brokerweb_queues_settledmessage WHERE id < :beyond;

-- kept_called@sqlite (ids, queues): kept messages by the ids that they had
SELECT id FROM brokerweb_queues_settledmessage
WHERE queue_id IN (SELECT value FROM json_each(:queues)) AND message_id IN (SELECT value FROM json_each(:ids));

-- kept_called@postgres (ids, queues): the same, of arrays
SELECT id FROM brokerweb_queues_settledmessage
WHERE queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) AND message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- count_kept@sqlite (queues, most): how many messages queues keep, counted no further than that
SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_settledmessage
  WHERE queue_id IN (SELECT value FROM json_each(:queues)) LIMIT :most) AS k;

-- count_kept@postgres (queues, most): the same, of an array
SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_settledmessage
  WHERE queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]) LIMIT :most) AS k;

-- appended@sqlite (ids): records with all that conditions ask of, in the order of the ids
SELECT r.id, r.id, r.id >> 40, r."key", r.headers, r.content_type, r."binary", r.reply_to, r.correlation_id, r.publisher, r.route, r.redacted,
  r.appended_at, r.checksum, r.body
FROM json_each(:ids) j CROSS JOIN brokerweb_streams_record r ON r.id = j.value;

-- appended@postgres (ids): the same of an array, newest first, as the ids are
SELECT r.id, r.id, r.id >> 40, r."key", r.headers, r.content_type, r."binary", r.reply_to, r.correlation_id, r.publisher, r.route, r.redacted,
  r.appended_at, r.checksum, r.body
FROM unnest(translate(:ids, '[]', '{}')::bigint[]) AS j(value)
  JOIN brokerweb_streams_record r ON r.partition_id = j.value >> 40 AND r.id = j.value ORDER BY r.id DESC;

-- deduplicated@sqlite (dedup_id, queues): the messages that a dedup_id names
SELECT queue_id, message_id FROM brokerweb_queues_dedup WHERE dedup_id = :dedup_id AND queue_id IN (SELECT value FROM json_each(:queues));

-- deduplicated@postgres (dedup_id, queues): the same, of an array
SELECT queue_id, message_id FROM brokerweb_queues_dedup WHERE dedup_id = :dedup_id AND queue_id = ANY (translate(:queues, '[]', '{}')::bigint[]);

-- deduplicated_records@sqlite (dedup_id, streams): the records that a dedup_id names
SELECT stream_id, partition, "offset" FROM brokerweb_streams_streamdedup
WHERE dedup_id = :dedup_id AND stream_id IN (SELECT value FROM json_each(:streams));

-- deduplicated_records@postgres (dedup_id, streams): the same, of an array
SELECT stream_id, partition, "offset" FROM brokerweb_streams_streamdedup
WHERE dedup_id = :dedup_id AND stream_id = ANY (translate(:streams, '[]', '{}')::bigint[]);
