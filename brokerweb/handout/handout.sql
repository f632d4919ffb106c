-- Statements of the handout: what shared groups and their queues have of each other.

-- group_of_queue (queue): the group a queue belongs to
SELECT id, stream_id FROM brokerweb_streams_consumergroup WHERE queue_id = :queue;

-- cursors (group): where to take the next record from, in each partition, and the partition's bounds
SELECT p.id, p.number, p.next_offset AS "end", p.low_offset AS low, p.last_at, p.records, p.bytes, x.committed
FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id
WHERE x.group_id = :group AND x.committed < p.next_offset ORDER BY p.number;

-- move_cursor (group, partition, origin, offset): records up to here were leased
UPDATE brokerweb_streams_grouppartition SET committed = :offset WHERE group_id = :group AND partition_id = :partition AND committed = :origin;

-- unfinished (queue): records that were taken from the stream and are neither done nor dead
-- One that was redriven is a copy by now, at a position of its own, which the stream and the group's offsets no longer concern.
-- One of the two partial indexes for each part, whatever the statistics say.
SELECT id, route, state, attempts FROM brokerweb_queues_message INDEXED BY message_browse
WHERE queue_id = :queue AND state IN (0, 1, 2) AND NOT (state = 3) AND position = id
UNION ALL
SELECT id, route, state, attempts FROM brokerweb_queues_message INDEXED BY message_leased
WHERE queue_id = :queue AND state = 3 AND position = id;

-- remove_unfinished (queue, id): delete one of them
DELETE FROM brokerweb_queues_message WHERE id = :id AND queue_id = :queue AND state + 0 <> 4 AND position = id RETURNING state, attempts;

-- shared_groups (): every shared group: its queue, its stream
SELECT g.id, g.queue_id FROM brokerweb_streams_consumergroup g WHERE g.queue_id IS NOT NULL ORDER BY g.id;

-- lows (group): the oldest offset of each partition of a group's stream
SELECT p.number, p.low_offset FROM brokerweb_streams_partition p JOIN brokerweb_streams_grouppartition x ON x.partition_id = p.id WHERE x.group_id = :group;

-- group_queues (stream): the queues of a stream's shared groups
SELECT queue_id FROM brokerweb_streams_consumergroup WHERE stream_id = :stream AND queue_id IS NOT NULL ORDER BY queue_id;

-- copies (queue, after, route): what a group's queue has of a record, in any state
SELECT id FROM brokerweb_queues_message INDEXED BY message_browse
WHERE queue_id = :queue AND state IN (0, 1, 2, 4) AND NOT (state = 3) AND id > :after AND route = :route
UNION ALL
SELECT id FROM brokerweb_queues_message INDEXED BY message_leased WHERE queue_id = :queue AND state = 3 AND +id > :after AND route = :route;
