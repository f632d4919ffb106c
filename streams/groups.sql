-- The statements of consumer groups. Every position is the next offset to read; a generation fences who was replaced.

-- find_group (stream, group): a group by the names of its stream and itself
SELECT g.id, g.stream_id, s.name AS stream, g.name, g.kind, g.created_at, g.session_timeout, g.start, g.generation, g.queue_id
FROM brokerweb_streams_stream s JOIN brokerweb_streams_consumergroup g ON g.stream_id = s.id
WHERE s.name = :stream AND s.deleted_at IS NULL AND g.name = :group;

-- lock_group (id): a group by id; nobody else changes its members until the commit
SELECT g.id, g.stream_id, s.name AS stream, g.name, g.kind, g.created_at, g.session_timeout, g.start, g.generation, g.queue_id
FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_stream s ON s.id = g.stream_id WHERE g.id = :id FOR UPDATE OF g;

-- group (id): a group by id, for those who only read
SELECT g.id, g.stream_id, s.name AS stream, g.name, g.kind, g.created_at, g.session_timeout, g.start, g.generation, g.queue_id
FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_stream s ON s.id = g.stream_id WHERE g.id = :id AND s.deleted_at IS NULL;

-- generations_among@sqlite (ids): what members know of their groups, of these groups; none where one is gone
SELECT g.id, g.generation, g.session_timeout
FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_stream s ON s.id = g.stream_id
WHERE g.id IN (SELECT value FROM json_each(:ids)) AND s.deleted_at IS NULL;

-- generations_among@postgres (ids): the same, of an array
SELECT g.id, g.generation, g.session_timeout
FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_stream s ON s.id = g.stream_id
WHERE g.id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND s.deleted_at IS NULL;

-- groups_by_name (stream, after, limit): a stream's groups, a page of them
SELECT name FROM brokerweb_streams_consumergroup WHERE stream_id = :stream AND name > :after ORDER BY name LIMIT :limit;

-- groups_of (stream): a stream's groups by id
SELECT id FROM brokerweb_streams_consumergroup WHERE stream_id = :stream ORDER BY id;

-- count_groups (stream): how many groups a stream has
SELECT count(*) FROM brokerweb_streams_consumergroup WHERE stream_id = :stream;

-- insert_group (stream, name, kind, wall, session_timeout, start): a new group
INSERT INTO brokerweb_streams_consumergroup (stream_id, name, kind, created_at, session_timeout, start, generation)
VALUES (:stream, :name, :kind, :wall, :session_timeout, :start, 0) RETURNING id;

-- change_group (id, session_timeout, start): other settings
UPDATE brokerweb_streams_consumergroup SET session_timeout = :session_timeout, start = :start WHERE id = :id;

-- name_queue (id, queue): a shared group hands its records out through this queue
UPDATE brokerweb_streams_consumergroup SET queue_id = :queue WHERE id = :id;

-- raise_generation (id): what the group's members knew until now is old
UPDATE brokerweb_streams_consumergroup SET generation = generation + 1 WHERE id = :id RETURNING generation;

-- remove_group (id): the group's row goes
DELETE FROM brokerweb_streams_consumergroup WHERE id = :id;

-- remove_places (group): its positions go
DELETE FROM brokerweb_streams_grouppartition WHERE group_id = :group;

-- remove_members (group): its members go
DELETE FROM brokerweb_streams_member WHERE group_id = :group;

-- insert_place (group, partition, committed): where a group begins in a partition
INSERT INTO brokerweb_streams_grouppartition (group_id, partition_id, committed, generation) VALUES (:group, :partition, :committed, 0);

-- add_places (stream): partitions that its groups do not have yet are read from their first record
INSERT INTO brokerweb_streams_grouppartition (group_id, partition_id, committed, generation)
SELECT g.id, p.id, 0, 0 FROM brokerweb_streams_consumergroup g JOIN brokerweb_streams_partition p ON p.stream_id = g.stream_id
WHERE g.stream_id = :stream
  AND NOT EXISTS (SELECT 1 FROM brokerweb_streams_grouppartition x WHERE x.group_id = g.id AND x.partition_id = p.id);

-- places (group): a group's positions, with the partitions' bounds, by number
SELECT p.id, p.number, p.next_offset AS "end", p.low_offset AS low, p.last_at, p.records, p.bytes,
  x.committed, x.previous, x.member, x.next_owner, x.until_at, x.generation
FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id WHERE x.group_id = :group ORDER BY p.number;

-- lock_places (group): the same, which nobody else changes until the commit
SELECT p.id, p.number, p.next_offset AS "end", p.low_offset AS low, p.last_at, p.records, p.bytes,
  x.committed, x.previous, x.member, x.next_owner, x.until_at, x.generation
FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id WHERE x.group_id = :group ORDER BY p.number FOR UPDATE OF x;

-- place (group, stream, number): the same of one partition
SELECT p.id, p.number, p.next_offset AS "end", p.low_offset AS low, p.last_at, p.records, p.bytes,
  x.committed, x.previous, x.member, x.next_owner, x.until_at, x.generation
FROM brokerweb_streams_partition p JOIN brokerweb_streams_grouppartition x ON x.partition_id = p.id AND x.group_id = :group
WHERE p.stream_id = :stream AND p.number = :number;

-- pass_on (group, partition, member, next_owner, until, generation): who may commit a partition, and who is next
UPDATE brokerweb_streams_grouppartition SET member = :member, next_owner = :next_owner, until_at = :until, generation = :generation
WHERE group_id = :group AND partition_id = :partition;

-- commit (group, partition, offset, member, generation, now): go forward, as the member who holds it or, without one, as anybody who knows the generation
UPDATE brokerweb_streams_grouppartition SET committed = :offset, committed_at = :now
WHERE group_id = :group AND partition_id = :partition AND committed <= :offset AND generation <= :generation
  AND (CAST(:member AS text) IS NULL OR member = :member);

-- move (group, partition, origin, offset, previous, generation): go anywhere, if the group is still where it was; a member that was to let go has nothing left to commit
UPDATE brokerweb_streams_grouppartition SET committed = :offset, previous = :previous, generation = :generation,
  member = coalesce(next_owner, member), next_owner = NULL, until_at = NULL
WHERE group_id = :group AND partition_id = :partition AND committed = :origin;

-- forget_previous (group): only the last seek can be undone
UPDATE brokerweb_streams_grouppartition SET previous = NULL WHERE group_id = :group AND previous IS NOT NULL;

-- records_between (first, beyond): how many records are left there after compaction
SELECT count(*) FROM brokerweb_streams_record WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40;

-- members (group): a group's members, the oldest first
SELECT member, name, address, joined_at, client FROM brokerweb_streams_member WHERE group_id = :group ORDER BY joined_at, member;

-- any_member (group): has the group a member?
SELECT 1 FROM brokerweb_streams_member WHERE group_id = :group LIMIT 1;

-- admit (group, member, name, address, client, now): a member is there
INSERT INTO brokerweb_streams_member (group_id, member, name, address, client, joined_at, seen_at)
VALUES (:group, :member, :name, :address, :client, :now, :now)
ON CONFLICT (group_id, member) DO UPDATE SET name = excluded.name, address = excluded.address, client = excluded.client,
  seen_at = excluded.seen_at;

-- see_member (group, member, now): it is still there
UPDATE brokerweb_streams_member SET seen_at = :now WHERE group_id = :group AND member = :member;

-- see_members (group, now): what members may be silent for has changed, and counts from now
UPDATE brokerweb_streams_member SET seen_at = :now WHERE group_id = :group;

-- dismiss (group, member): it is gone
DELETE FROM brokerweb_streams_member WHERE group_id = :group AND member = :member;

-- silent (now, limit): members not heard of for longer than their group allows
SELECT m.group_id, m.member FROM brokerweb_streams_member m JOIN brokerweb_streams_consumergroup g ON g.id = m.group_id
WHERE m.seen_at <= :now - g.session_timeout * 1000000 ORDER BY m.group_id, m.member LIMIT :limit;

-- dismiss_silent (group, member, now): it is gone, if it has not been heard of since
DELETE FROM brokerweb_streams_member WHERE group_id = :group AND member = :member AND seen_at <= :now -
  (SELECT g.session_timeout FROM brokerweb_streams_consumergroup g WHERE g.id = :group) * 1000000;

-- populated (limit): groups that have members
SELECT DISTINCT group_id FROM brokerweb_streams_member ORDER BY group_id LIMIT :limit;

-- of_gone_nodes (limit): members of nodes that are not there
SELECT m.group_id, m.member FROM brokerweb_streams_member m
WHERE NOT EXISTS (SELECT 1 FROM brokerweb_cluster_node n WHERE n.presence <> '' AND m.member LIKE n.name || '/%')
ORDER BY m.group_id, m.member LIMIT :limit;

-- overdue (now, limit): groups in which a member has had its time to let go
SELECT DISTINCT group_id FROM brokerweb_streams_grouppartition WHERE until_at IS NOT NULL AND until_at <= :now LIMIT :limit;

-- next_overdue (): when the next member must have let go
SELECT min(until_at) FROM brokerweb_streams_grouppartition WHERE until_at IS NOT NULL;

-- next_silent (): when the next member will have been silent for too long
SELECT min(m.seen_at + g.session_timeout * 1000000) FROM brokerweb_streams_member m JOIN brokerweb_streams_consumergroup g ON g.id = m.group_id;

