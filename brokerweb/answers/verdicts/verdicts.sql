-- What verdicts are made from. Each of these is bounded, or goes over queues, groups or partitions, never over messages.

-- every_queue (): queues, those of shared groups too, and what of them a verdict is about
SELECT id, name, created_at, lease, max_failures, keyed, max_length, overflow, paused_at, paused_by, pause_reason, stream,
  last_consumer_at, last_consumer, last_settled_at
FROM brokerweb_queues_queue WHERE deleted_at IS NULL ORDER BY id;

-- every_count (): messages per state, by queue
SELECT queue_id, CAST(sum(ready) AS bigint), CAST(sum(scheduled) AS bigint), CAST(sum(blocked) AS bigint), CAST(sum(leased) AS bigint),
  CAST(sum(dead) AS bigint) FROM brokerweb_queues_queuecount GROUP BY queue_id;

-- oldest_of@sqlite (ids): since when the oldest ready message of each of these queues is ready
-- From one priority that there is to the next: the first of each is its oldest.
WITH RECURSIVE p(queue, priority, due_at) AS (
  SELECT j.value, m.priority, m.due_at FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = (
    SELECT id FROM brokerweb_queues_message INDEXED BY message_ready WHERE queue_id = j.value AND state = 1
    ORDER BY priority DESC, position LIMIT 1)
  UNION ALL SELECT p.queue, m.priority, m.due_at FROM p CROSS JOIN brokerweb_queues_message m ON m.id = (
    SELECT n.id FROM brokerweb_queues_message n INDEXED BY message_ready
    WHERE n.queue_id = p.queue AND n.state = 1 AND n.priority < p.priority ORDER BY n.priority DESC, n.position LIMIT 1))
SELECT queue, min(due_at) FROM p GROUP BY queue;

-- oldest_of@postgres (ids): the same, of an array
WITH RECURSIVE p(queue, priority) AS (
  SELECT value, (SELECT priority FROM brokerweb_queues_message WHERE queue_id = value AND state = 1
    ORDER BY priority DESC, position LIMIT 1) FROM unnest(translate(:ids, '[]', '{}')::bigint[]) AS value
  UNION ALL SELECT queue, (SELECT m.priority FROM brokerweb_queues_message m
    WHERE m.queue_id = p.queue AND m.state = 1 AND m.priority < p.priority ORDER BY m.priority DESC, m.position LIMIT 1)
    FROM p WHERE priority IS NOT NULL)
SELECT queue, min((SELECT m.due_at FROM brokerweb_queues_message m
  WHERE m.queue_id = p.queue AND m.state = 1 AND m.priority = p.priority ORDER BY m.position LIMIT 1))
FROM p WHERE priority IS NOT NULL GROUP BY queue;

-- heads@sqlite (ids, before, scanned): a head of a key of each of these queues that fails, or is leased since then or longer, and holds others back
SELECT m.queue_id, m.id, m."key", m.state, m.failures, m.due_at, m.leased_at, m.holder,
  (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message b INDEXED BY message_blocked
    WHERE b.queue_id = m.queue_id AND b."key" = m."key" AND b.state = 2 LIMIT 10001) AS behind) AS held,
  (SELECT b.due_at FROM brokerweb_queues_message b INDEXED BY message_blocked
    WHERE b.queue_id = m.queue_id AND b."key" = m."key" AND b.state = 2 ORDER BY b.position LIMIT 1) AS oldest
FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = (
  SELECT h.id FROM (SELECT id, queue_id, "key", state, failures, leased_at FROM brokerweb_queues_message INDEXED BY message_key_holder
    WHERE queue_id = j.value AND holds_key LIMIT :scanned) AS h
  WHERE ((h.state = 0 AND h.failures > 0) OR (h.state = 3 AND h.leased_at <= :before))
    AND EXISTS (SELECT 1 FROM brokerweb_queues_message b INDEXED BY message_blocked
      WHERE b.queue_id = h.queue_id AND b."key" = h."key" AND b.state = 2) LIMIT 1);

-- heads@postgres (ids, before, scanned): the same, of an array
SELECT m.queue_id, m.id, m."key", m.state, m.failures, m.due_at, m.leased_at, m.holder,
  (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message b
    WHERE b.queue_id = m.queue_id AND b."key" = m."key" AND b.state = 2 LIMIT 10001) AS behind) AS held,
  (SELECT b.due_at FROM brokerweb_queues_message b
    WHERE b.queue_id = m.queue_id AND b."key" = m."key" AND b.state = 2 ORDER BY b.position LIMIT 1) AS oldest
FROM unnest(translate(:ids, '[]', '{}')::bigint[]) AS j(value) JOIN brokerweb_queues_message m ON m.id = (
  SELECT h.id FROM (SELECT id, queue_id, "key", state, failures, leased_at FROM brokerweb_queues_message
    WHERE queue_id = j.value AND holds_key LIMIT :scanned) AS h
  WHERE ((h.state = 0 AND h.failures > 0) OR (h.state = 3 AND h.leased_at <= :before))
    AND EXISTS (SELECT 1 FROM brokerweb_queues_message b WHERE b.queue_id = h.queue_id AND b."key" = h."key" AND b.state = 2) LIMIT 1);

-- ahead (queue, priority, position, limit): how many ready messages go before that place, counted so far
SELECT (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message INDEXED BY message_ready
    WHERE queue_id = :queue AND state = 1 AND priority > :priority LIMIT :limit) AS higher)
  + (SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message INDEXED BY message_ready
    WHERE queue_id = :queue AND state = 1 AND priority = :priority AND position < :position LIMIT :limit) AS earlier);

-- ahead_from (queue, priority, origin, position, limit): how many of a priority lie between two places, counted so far
SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message INDEXED BY message_ready
  WHERE queue_id = :queue AND state = 1 AND priority = :priority AND position > :origin AND position < :position LIMIT :limit) AS between_them;

-- head_of_key (queue, key): the message that goes first of a key
SELECT id FROM brokerweb_queues_message INDEXED BY message_key_holder WHERE queue_id = :queue AND "key" = :key AND holds_key LIMIT 1;

-- ahead_in_key (queue, key, position, limit): how many blocked messages of a key go before that place, counted so far
SELECT count(*) FROM (SELECT 1 FROM brokerweb_queues_message INDEXED BY message_blocked
  WHERE queue_id = :queue AND "key" = :key AND state = 2 AND position < :position LIMIT :limit) AS earlier;

-- every_group (): groups of streams that are there
SELECT g.id, g.stream_id, s.name AS stream, g.name, g.created_at, g.session_timeout, g.queue_id
FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_stream s ON s.id = g.stream_id WHERE s.deleted_at IS NULL ORDER BY g.id;

-- group_of_queue (queue): what the shared group is called whose queue that is
SELECT name FROM brokerweb_streams_consumergroup WHERE queue_id = :queue;

-- every_member (): the members of all groups
SELECT group_id, member, client, joined_at FROM brokerweb_streams_member ORDER BY group_id, joined_at, member;

-- every_share (): by group and member, and for nobody, what is left to read: a partition of them, how much, how much is lost, the last commit, since when
-- A partition in which a group has no place, which no verb leaves behind, is nobody's.
SELECT g.id, x.member, min(p.number), CAST(sum(p.next_offset - CASE WHEN coalesce(x.committed, 0) < p.low_offset THEN p.low_offset ELSE coalesce(x.committed, 0) END) AS bigint),
  CAST(sum(CASE WHEN coalesce(x.committed, p.low_offset) < p.low_offset THEN p.low_offset - x.committed ELSE 0 END) AS bigint), max(x.committed_at),
  min((SELECT r.appended_at FROM brokerweb_streams_record r
    WHERE r.id >= (p.id << 40) + CASE WHEN coalesce(x.committed, 0) < p.low_offset THEN p.low_offset ELSE coalesce(x.committed, 0) END
      AND r.id < (p.id + 1) << 40 AND r.partition_id = p.id ORDER BY r.id LIMIT 1))
FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_partition p ON p.stream_id = g.stream_id
LEFT JOIN brokerweb_streams_grouppartition x ON x.group_id = g.id AND x.partition_id = p.id
WHERE coalesce(x.committed, 0) < p.next_offset GROUP BY g.id, x.member;

-- share_of (group): a group's partitions: who has each, how much is left, how much is lost, the last commit, since when the oldest is there
SELECT x.member, p.number, p.next_offset - CASE WHEN coalesce(x.committed, 0) < p.low_offset THEN p.low_offset ELSE coalesce(x.committed, 0) END,
  CASE WHEN coalesce(x.committed, p.low_offset) < p.low_offset THEN p.low_offset - x.committed ELSE 0 END, x.committed_at,
  CASE WHEN coalesce(x.committed, 0) < p.next_offset THEN (SELECT r.appended_at FROM brokerweb_streams_record r
    WHERE r.id >= (p.id << 40) + CASE WHEN coalesce(x.committed, 0) < p.low_offset THEN p.low_offset ELSE coalesce(x.committed, 0) END
      AND r.id < (p.id + 1) << 40 AND r.partition_id = p.id ORDER BY r.id LIMIT 1) END
FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_partition p ON p.stream_id = g.stream_id
LEFT JOIN brokerweb_streams_grouppartition x ON x.group_id = g.id AND x.partition_id = p.id
WHERE g.id = :group ORDER BY p.number;

-- failing@sqlite (ids, leased, scanned): of each of these queues the message that has failed most often and is tried again; those leased now if asked
SELECT m.queue_id, m.id, m.route, m.attempts, m.failures, m.due_at, m.last_error
FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = (SELECT f.id FROM (
  SELECT * FROM (SELECT id, failures FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE queue_id = j.value AND state = 0 AND NOT (state = 3) ORDER BY id LIMIT :scanned) AS a
  UNION ALL SELECT * FROM (SELECT id, failures FROM brokerweb_queues_message INDEXED BY message_browse
    WHERE queue_id = j.value AND state = 1 AND NOT (state = 3) ORDER BY id LIMIT :scanned) AS b
  UNION ALL SELECT * FROM (SELECT id, failures FROM brokerweb_queues_message INDEXED BY message_leased
    WHERE :leased = 1 AND queue_id = j.value AND state = 3 ORDER BY due_at LIMIT :scanned) AS c) AS f
  WHERE f.failures > 0 ORDER BY f.failures DESC, f.id LIMIT 1);

-- failing@postgres (ids, leased, scanned): the same, of an array
SELECT m.queue_id, m.id, m.route, m.attempts, m.failures, m.due_at, m.last_error
FROM unnest(translate(:ids, '[]', '{}')::bigint[]) AS j(value) JOIN brokerweb_queues_message m ON m.id = (SELECT f.id FROM (
  SELECT * FROM (SELECT id, failures FROM brokerweb_queues_message
    WHERE queue_id = j.value AND state = 0 ORDER BY id LIMIT :scanned) AS a
  UNION ALL SELECT * FROM (SELECT id, failures FROM brokerweb_queues_message
    WHERE queue_id = j.value AND state = 1 ORDER BY id LIMIT :scanned) AS b
  UNION ALL SELECT * FROM (SELECT id, failures FROM brokerweb_queues_message
    WHERE :leased = 1 AND queue_id = j.value AND state = 3 ORDER BY due_at LIMIT :scanned) AS c) AS f
  WHERE f.failures > 0 ORDER BY f.failures DESC, f.id LIMIT 1);
