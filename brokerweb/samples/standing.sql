-- How things stand, for whoever takes samples: counts where verbs keep them, and instants by an index.

-- queues (): the messages of every queue per state, and whether somebody declared it
SELECT q.id, CASE WHEN q.stream IS NULL THEN 1 ELSE 0 END, CAST(sum(c.ready) AS bigint), CAST(sum(c.scheduled) AS bigint),
  CAST(sum(c.blocked) AS bigint), CAST(sum(c.leased) AS bigint), CAST(sum(c.dead) AS bigint)
FROM brokerweb_queues_queuecount c JOIN brokerweb_queues_queue q ON q.id = c.queue_id WHERE q.deleted_at IS NULL
GROUP BY q.id, q.stream ORDER BY q.id;

-- oldest@sqlite (queues): since when the first message of each of these is ready, of any priority
SELECT q.value, min((SELECT due_at FROM brokerweb_queues_message INDEXED BY message_ready
  WHERE queue_id = q.value AND state = 1 AND priority = p.column1 ORDER BY position LIMIT 1)) AS since
FROM json_each(:queues) q, (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS p GROUP BY q.value ORDER BY q.value;

-- oldest@postgres (queues): the same, of an array
SELECT q.id, min((SELECT due_at FROM brokerweb_queues_message
  WHERE queue_id = q.id AND state = 1 AND priority = p.column1 ORDER BY position LIMIT 1)) AS since
FROM unnest(translate(:queues, '[]', '{}')::bigint[]) AS q(id), (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS p
GROUP BY q.id ORDER BY q.id;

-- streams (): what was ever appended to each stream, and what is there
SELECT s.id, CAST(sum(p.next_offset) AS bigint), CAST(sum(p.records) AS bigint)
FROM brokerweb_streams_partition p JOIN brokerweb_streams_stream s ON s.id = p.stream_id WHERE s.deleted_at IS NULL
GROUP BY s.id ORDER BY s.id;

-- groups (): of each group its stream, its own queue, its generation, how far it has come, and what is left
SELECT g.id, g.stream_id, g.queue_id, g.generation, CAST(sum(x.committed) AS bigint),
  CAST(sum(p.next_offset - CASE WHEN x.committed > p.low_offset THEN x.committed ELSE p.low_offset END) AS bigint)
FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id
JOIN brokerweb_streams_consumergroup g ON g.id = x.group_id
GROUP BY g.id, g.stream_id, g.queue_id, g.generation ORDER BY g.id;

-- unread@sqlite (groups): since when the first record that each of these has not read is there
SELECT x.group_id, min((SELECT r.appended_at FROM brokerweb_streams_record r
  WHERE r.id >= (p.id << 40) + CASE WHEN x.committed > p.low_offset THEN x.committed ELSE p.low_offset END
    AND r.id < ((p.id + 1) << 40) ORDER BY r.id LIMIT 1)) AS since
FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id
WHERE x.group_id IN (SELECT value FROM json_each(:groups)) GROUP BY x.group_id ORDER BY x.group_id;

-- unread@postgres (groups): the same, of an array, by the key that records have there
SELECT x.group_id, min((SELECT r.appended_at FROM brokerweb_streams_record r
  WHERE r.partition_id = p.id AND r.id >= (p.id << 40) + CASE WHEN x.committed > p.low_offset THEN x.committed ELSE p.low_offset END
    AND r.id < ((p.id + 1) << 40) ORDER BY r.id LIMIT 1)) AS since
FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id
WHERE x.group_id = ANY (translate(:groups, '[]', '{}')::bigint[]) GROUP BY x.group_id ORDER BY x.group_id;
