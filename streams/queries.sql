-- The statements of the stream verbs. A record's id is its partition's id << 40 | its offset.

-- find_stream (name): a stream's settings by name
SELECT id, name, retention_age, retention_bytes, retention_records, compact, dedup_window, max_body_bytes, search
FROM brokerweb_streams_stream WHERE name = :name AND deleted_at IS NULL;

-- find_stream_by_id (id): the same by id
SELECT id, name, retention_age, retention_bytes, retention_records, compact, dedup_window, max_body_bytes, search
FROM brokerweb_streams_stream WHERE id = :id AND deleted_at IS NULL;

-- partitions (stream): a stream's partitions by number
SELECT id, number, next_offset AS "end", low_offset AS low, last_at, records, bytes FROM brokerweb_streams_partition WHERE stream_id = :stream ORDER BY number;

-- partition (id): one partition
SELECT id, number, next_offset AS "end", low_offset AS low, last_at, records, bytes FROM brokerweb_streams_partition WHERE id = :id;

-- ends_among@sqlite (ids): how far these partitions go
SELECT id, next_offset FROM brokerweb_streams_partition WHERE id IN (SELECT value FROM json_each(:ids));

-- ends_among@postgres (ids): the same, of an array
SELECT id, next_offset FROM brokerweb_streams_partition WHERE id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- sizes_among@sqlite (streams): those of these streams that are there, and how many partitions they have
SELECT s.id, (SELECT count(*) FROM brokerweb_streams_partition p WHERE p.stream_id = s.id)
FROM brokerweb_streams_stream s WHERE s.id IN (SELECT value FROM json_each(:streams)) AND s.deleted_at IS NULL;

-- sizes_among@postgres (streams): the same, of an array
SELECT s.id, (SELECT count(*) FROM brokerweb_streams_partition p WHERE p.stream_id = s.id)
FROM brokerweb_streams_stream s WHERE s.id = ANY (translate(:streams, '[]', '{}')::bigint[]) AND s.deleted_at IS NULL;

-- is_live (partition): a row if its stream is there
SELECT 1 FROM brokerweb_streams_partition p JOIN brokerweb_streams_stream s ON s.id = p.stream_id WHERE p.id = :partition AND s.deleted_at IS NULL;

-- advance (id, n, bytes, at): allocate the next ``n`` offsets, where nobody else does
UPDATE brokerweb_streams_partition SET next_offset = next_offset + :n, bytes = bytes + :bytes, records = records + :n, last_at = :at
WHERE id = :id;

-- take_offsets (id, n, bytes, at): the same where others append, who wait for the commit; the first of them, and the records' instant
UPDATE brokerweb_streams_partition SET next_offset = next_offset + :n, bytes = bytes + :bytes, records = records + :n,
  last_at = CASE WHEN last_at > :at THEN last_at ELSE :at END
WHERE id = :id RETURNING next_offset - :n, last_at;

-- insert (id, partition, at, key, headers, content_type, binary, reply_to, correlation_id, publisher, route, checksum, body): store a record
INSERT INTO brokerweb_streams_record (id, partition_id, appended_at, "key", headers, content_type, "binary", reply_to, correlation_id, publisher, route, checksum, body)
VALUES (:id, :partition, :at, :key, :headers, :content_type, :binary, :reply_to, :correlation_id, :publisher, :route, :checksum, :body);

-- records (first, beyond, limit): records of one partition in order, by their ids
SELECT id, appended_at, "key", headers, content_type, "binary", reply_to, correlation_id, redacted, checksum, body
FROM brokerweb_streams_record WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40 ORDER BY id LIMIT :limit;

-- instants_among@sqlite (firsts): from each of these ids on the first record of the partition, and its instant
SELECT x.value, r.id, r.appended_at FROM json_each(:firsts) x JOIN brokerweb_streams_record r ON r.id =
  (SELECT id FROM brokerweb_streams_record WHERE id >= x.value AND id < ((x.value >> 40) + 1) << 40 ORDER BY id LIMIT 1);

-- instants_among@postgres (firsts): the same, of an array
SELECT x.first, r.id, r.appended_at FROM unnest(translate(:firsts, '[]', '{}')::bigint[]) AS x(first) CROSS JOIN LATERAL
  (SELECT id, appended_at FROM brokerweb_streams_record WHERE partition_id = x.first >> 40 AND id >= x.first
   ORDER BY partition_id, id LIMIT 1) r;

-- instant_at (first, beyond): the id and instant of the first record from an id on
SELECT id, appended_at FROM brokerweb_streams_record WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40 ORDER BY id LIMIT 1;

-- remembered (stream, dedup_id, now): the record a dedup_id names
SELECT partition, "offset" FROM brokerweb_streams_streamdedup WHERE stream_id = :stream AND dedup_id = :dedup_id AND expires_at > :now;

-- remembered_of@sqlite (stream, dedup_ids, now): the records that several name; a JSON array
SELECT dedup_id, partition, "offset" FROM brokerweb_streams_streamdedup
WHERE stream_id = :stream AND expires_at > :now AND dedup_id IN (SELECT value FROM json_each(:dedup_ids));

-- remembered_of@postgres (stream, dedup_ids, now): the same, of an array
SELECT dedup_id, partition, "offset" FROM brokerweb_streams_streamdedup WHERE stream_id = :stream AND expires_at > :now
  AND dedup_id = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(:dedup_ids AS jsonb))));

-- remember (stream, dedup_id, partition, offset, expires, now): a dedup_id names this record from now on, if it names none
INSERT INTO brokerweb_streams_streamdedup (stream_id, dedup_id, partition, "offset", expires_at)
VALUES (:stream, :dedup_id, :partition, :offset, :expires)
ON CONFLICT (stream_id, dedup_id) DO UPDATE SET
  partition = excluded.partition, "offset" = excluded."offset", expires_at = excluded.expires_at
WHERE brokerweb_streams_streamdedup.expires_at <= :now;
