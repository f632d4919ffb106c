-- Fields that streams declared for search, and their values by record. Lists of ids are JSON arrays, as in queries.sql.

-- fields (stream): the fields whose values are kept
SELECT id, name FROM brokerweb_streams_streamsearchfield WHERE stream_id = :stream AND NOT dropped ORDER BY id;

-- indexed (name): the streams that have every value of a field, and the field's id there
SELECT stream_id, id FROM brokerweb_streams_streamsearchfield WHERE name = :name AND indexed AND NOT dropped;

-- find@sqlite (fields, value, first, beyond, limit): records with a value, the newest first
SELECT record_id FROM brokerweb_streams_streamsearchvalue
WHERE field_id IN (SELECT value FROM json_each(:fields)) AND value = :value AND record_id >= :first AND record_id < :beyond
ORDER BY record_id DESC LIMIT :limit;

-- find@postgres (fields, value, first, beyond, limit): the same, of an array
SELECT record_id FROM brokerweb_streams_streamsearchvalue
WHERE field_id = ANY (translate(:fields, '[]', '{}')::bigint[]) AND value = :value AND record_id >= :first AND record_id < :beyond
ORDER BY record_id DESC LIMIT :limit;

-- add_field (stream, name, indexed): values of the field are kept from now on; ``indexed`` where there are no older records
INSERT INTO brokerweb_streams_streamsearchfield (stream_id, name, indexed, taken, dropped) VALUES (:stream, :name, :indexed, false, false);

-- drop_field (stream, name): the field is declared no more; its values go by and by
UPDATE brokerweb_streams_streamsearchfield SET dropped = true WHERE stream_id = :stream AND name = :name AND NOT dropped;

-- drop_fields (stream): the stream was deleted
UPDATE brokerweb_streams_streamsearchfield SET dropped = true WHERE stream_id = :stream AND NOT dropped;

-- add_value (record, field, value): what a field is in a record
INSERT INTO brokerweb_streams_streamsearchvalue (record_id, field_id, value) VALUES (:record, :field, :value)
ON CONFLICT (record_id, field_id) DO NOTHING;

-- unindexed (): fields whose older records are yet to be indexed, by a job that there is not, and of which stream
SELECT f.id, f.name, f.stream_id, s.name FROM brokerweb_streams_streamsearchfield f JOIN brokerweb_streams_stream s ON s.id = f.stream_id
WHERE NOT f.indexed AND NOT f.taken AND NOT f.dropped AND s.deleted_at IS NULL ORDER BY f.id;

-- set_taken (id): a job does it
UPDATE brokerweb_streams_streamsearchfield SET taken = true WHERE id = :id AND NOT taken;

-- set_indexed (id): every record has its value
UPDATE brokerweb_streams_streamsearchfield SET indexed = true WHERE id = :id AND NOT dropped;

-- dropped_field (): a field that is declared no more, and may have values left
SELECT id FROM brokerweb_streams_streamsearchfield WHERE dropped ORDER BY id LIMIT 1;

-- forget_some_values (field, n): some of what is left of it
DELETE FROM brokerweb_streams_streamsearchvalue WHERE field_id = :field AND (record_id, field_id) IN
  (SELECT record_id, field_id FROM brokerweb_streams_streamsearchvalue WHERE field_id = :field ORDER BY value, record_id LIMIT :n);

-- remove_field (id): nothing is left of it
DELETE FROM brokerweb_streams_streamsearchfield WHERE id = :id AND dropped;

-- forget_values_between (first, beyond): the records of a range are gone
DELETE FROM brokerweb_streams_streamsearchvalue WHERE record_id >= :first AND record_id < :beyond;

-- contents (first, beyond, limit): what records hold, for who indexes them
SELECT id, headers, "binary", CASE WHEN redacted IS NULL THEN body ELSE NULL END AS body
FROM brokerweb_streams_record WHERE id >= :first AND id < :beyond AND partition_id = :first >> 40 ORDER BY id LIMIT :limit;
