-- Statements of operators and duties.

-- add_partition (stream, number): one more partition
INSERT INTO brokerweb_streams_partition (stream_id, number, next_offset, low_offset, records, bytes, last_at, compacted_to)
VALUES (:stream, :number, 0, 0, 0, 0, 0, 0);

-- compact_anew (stream): compaction was switched on: look at every record once more
UPDATE brokerweb_streams_partition SET compacted_to = low_offset WHERE stream_id = :stream;

-- mark_deleted (id, name, wall): nobody finds the stream any more
UPDATE brokerweb_streams_stream SET name = :name, deleted_at = :wall WHERE id = :id AND deleted_at IS NULL;

-- close_partitions (stream): whoever still reads learns that everything is gone
UPDATE brokerweb_streams_partition SET low_offset = next_offset WHERE stream_id = :stream;

-- retained (): streams with a rule that may remove records, and their partitions
SELECT p.id, s.id, s.retention_age, s.retention_bytes, s.retention_records
FROM brokerweb_streams_stream s JOIN brokerweb_streams_partition p ON p.stream_id = s.id
WHERE s.deleted_at IS NULL AND (s.retention_age IS NOT NULL OR s.retention_bytes IS NOT NULL OR s.retention_records IS NOT NULL)
  AND p.low_offset < p.next_offset ORDER BY p.id;

-- compacting (): partitions with records that compaction has not seen
SELECT p.id, s.id FROM brokerweb_streams_stream s JOIN brokerweb_streams_partition p ON p.stream_id = s.id
WHERE s.deleted_at IS NULL AND s.compact AND p.compacted_to < p.next_offset ORDER BY p.id;

-- uncompacted (partition): what compaction has not seen of one of them: from where to where
SELECT CASE WHEN p.compacted_to < p.low_offset THEN p.low_offset ELSE p.compacted_to END, p.next_offset
FROM brokerweb_streams_stream s JOIN brokerweb_streams_partition p ON p.stream_id = s.id
WHERE p.id = :partition AND s.deleted_at IS NULL AND s.compact AND p.compacted_to < p.next_offset;

-- oldest (first, beyond, limit): the oldest records of a partition, and what they weigh
SELECT id, appended_at, length(body) + octet_length(coalesce("key", '')) + octet_length(coalesce(headers, '')) AS weight, "key"
FROM brokerweb_streams_record WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40 ORDER BY id LIMIT :limit;

-- remove_range (first, beyond): remove records by their ids
DELETE FROM brokerweb_streams_record WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40;

-- trim (id, low, records, bytes): the partition begins later, and holds less
UPDATE brokerweb_streams_partition SET low_offset = :low, records = records - :records, bytes = bytes - :bytes WHERE id = :id AND low_offset <= :low;

-- ahead (instant): a partition whose newest record is stamped later than that
SELECT id FROM brokerweb_streams_partition WHERE last_at > :instant ORDER BY id LIMIT 1;

-- lock_partition (id, instant): the same partition, to which nobody appends until the commit
SELECT id, number, next_offset AS "end", low_offset AS low, last_at, records, bytes FROM brokerweb_streams_partition
WHERE id = :id AND last_at > :instant FOR UPDATE;

-- restamp (first, beyond, wall): records get another stamp
UPDATE brokerweb_streams_record SET appended_at = :wall WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40;

-- stamped (id, wall): it is the partition's newest
UPDATE brokerweb_streams_partition SET last_at = :wall WHERE id = :id;

-- latest_of@sqlite (partition, keys): the newest records of keys that compaction has seen; a JSON array
SELECT "key", "offset" FROM brokerweb_streams_latestkey WHERE partition_id = :partition AND "key" IN (SELECT value FROM json_each(:keys));

-- latest_of@postgres (partition, keys): the same, of an array
SELECT "key", "offset" FROM brokerweb_streams_latestkey
WHERE partition_id = :partition AND "key" = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(:keys AS jsonb))));

-- set_latest (partition, key, offset): this is the newest now
INSERT INTO brokerweb_streams_latestkey (partition_id, "key", "offset") VALUES (:partition, :key, :offset)
ON CONFLICT (partition_id, "key") DO UPDATE SET "offset" = excluded."offset";

-- forget_latest (partition, key, offset): that record is gone
DELETE FROM brokerweb_streams_latestkey WHERE partition_id = :partition AND "key" = :key AND "offset" = :offset;

-- weigh@sqlite (partition, ids): what records of a partition weigh; a JSON array
SELECT id, length(body) + octet_length(coalesce("key", '')) + octet_length(coalesce(headers, '')) FROM brokerweb_streams_record
WHERE id IN (SELECT value FROM json_each(:ids)) AND id >> 40 = :partition;

-- weigh@postgres (partition, ids): the same, of an array
SELECT id, length(body) + octet_length(coalesce("key", '')) + octet_length(coalesce(headers, '')) FROM brokerweb_streams_record
WHERE partition_id = :partition AND id = ANY (translate(:ids, '[]', '{}')::bigint[]) ORDER BY id;

-- remove@sqlite (partition, ids): remove records of a partition; a JSON array
DELETE FROM brokerweb_streams_record WHERE id IN (SELECT value FROM json_each(:ids)) AND id >> 40 = :partition;

-- remove@postgres (partition, ids): the same, of an array
DELETE FROM brokerweb_streams_record WHERE partition_id = :partition AND id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- compacted (id, to, records, bytes): compaction has come so far, and the partition holds less
UPDATE brokerweb_streams_partition SET compacted_to = :to, records = records - :records, bytes = bytes - :bytes WHERE id = :id;

-- forget_dedup (now, limit): drop dedup_ids past their window
DELETE FROM brokerweb_streams_streamdedup WHERE (stream_id, dedup_id) IN
  (SELECT stream_id, dedup_id FROM brokerweb_streams_streamdedup WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit);

-- deleted_stream (): a stream that is gone, and has rows left
SELECT id FROM brokerweb_streams_stream WHERE deleted_at IS NOT NULL ORDER BY id LIMIT 1;

-- partition_ids (stream): its partitions
SELECT id FROM brokerweb_streams_partition WHERE stream_id = :stream ORDER BY id;

-- forget_latest_of (partition, n): some of the keys of a partition that is gone
DELETE FROM brokerweb_streams_latestkey WHERE partition_id = :partition AND "key" IN
  (SELECT "key" FROM brokerweb_streams_latestkey WHERE partition_id = :partition LIMIT :n);

-- forget_stream_dedup (stream, n): some of the dedup_ids of a stream that is gone
DELETE FROM brokerweb_streams_streamdedup WHERE stream_id = :stream AND dedup_id IN
  (SELECT dedup_id FROM brokerweb_streams_streamdedup WHERE stream_id = :stream LIMIT :n);

-- remove_partitions (stream): the stream is gone
DELETE FROM brokerweb_streams_partition WHERE stream_id = :stream;

-- remove_stream (id): the stream is gone
DELETE FROM brokerweb_streams_stream WHERE id = :id AND deleted_at IS NOT NULL;

-- sweep@sqlite (after, limit): records by id, with all that their checksums cover
SELECT id, checksum, "key", headers, content_type, "binary", reply_to, correlation_id, body
FROM brokerweb_streams_record WHERE id > :after ORDER BY id LIMIT :limit;

-- sweep@postgres (after, limit): the same, by the key that it has there
SELECT id, checksum, "key", headers, content_type, "binary", reply_to, correlation_id, body
FROM brokerweb_streams_record WHERE (partition_id, id) > (CAST(:after AS bigint) >> 40, CAST(:after AS bigint)) ORDER BY partition_id, id LIMIT :limit;

-- contents (id): what stays of a record that is redacted, and what it weighs
SELECT "key", reply_to, correlation_id, length(body) + octet_length(coalesce("key", '')) + octet_length(coalesce(headers, ''))
FROM brokerweb_streams_record WHERE id = :id AND partition_id = :id >> 40;

-- redact (id, body, checksum, redacted): what a record held is gone
UPDATE brokerweb_streams_record SET body = :body, "binary" = false, content_type = NULL, headers = NULL, checksum = :checksum, redacted = :redacted
WHERE id = :id AND partition_id = :id >> 40;

-- lighten (id, bytes): a partition holds so much less
UPDATE brokerweb_streams_partition SET bytes = bytes - :bytes WHERE id = :id;
