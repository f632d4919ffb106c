-- Fields that queues declared for search, and their values by message. Lists of ids are JSON arrays, as in queries.sql.

-- fields (queue): the fields whose values are kept
SELECT id, name FROM brokerweb_queues_searchfield WHERE queue_id = :queue AND NOT dropped ORDER BY id;

-- indexed (name): the queues that have every value of a field, and the field's id there
SELECT queue_id, id FROM brokerweb_queues_searchfield WHERE name = :name AND indexed AND NOT dropped;

-- find@sqlite (fields, value, first, beyond, limit): messages with a value, the newest first
SELECT message_id FROM brokerweb_queues_searchvalue
WHERE field_id IN (SELECT value FROM json_each(:fields)) AND value = :value AND message_id >= :first AND message_id < :beyond
ORDER BY message_id DESC LIMIT :limit;

-- find@postgres (fields, value, first, beyond, limit): the same, of an array
SELECT message_id FROM brokerweb_queues_searchvalue
WHERE field_id = ANY (translate(:fields, '[]', '{}')::bigint[]) AND value = :value AND message_id >= :first AND message_id < :beyond
ORDER BY message_id DESC LIMIT :limit;

-- add_field (queue, name, indexed): values of the field are kept from now on; ``indexed`` where there are no older messages
INSERT INTO brokerweb_queues_searchfield (queue_id, name, indexed, taken, dropped) VALUES (:queue, :name, :indexed, false, false);

-- drop_field (queue, name): the field is declared no more; its values go by and by
UPDATE brokerweb_queues_searchfield SET dropped = true WHERE queue_id = :queue AND name = :name AND NOT dropped;

-- drop_fields (queue): the queue was deleted
UPDATE brokerweb_queues_searchfield SET dropped = true WHERE queue_id = :queue AND NOT dropped;

-- add_value@sqlite (queue, message, field, value): what a field is in a message
INSERT INTO brokerweb_queues_searchvalue (queue_id, message_id, field_id, value) VALUES (:queue, :message, :field, :value)
ON CONFLICT (message_id, field_id) DO NOTHING;

-- add_value@postgres (queue, message, field, value): the same, where the key begins with the queue
INSERT INTO brokerweb_queues_searchvalue (queue_id, message_id, field_id, value) VALUES (:queue, :message, :field, :value)
ON CONFLICT (queue_id, message_id, field_id) DO NOTHING;

-- forget_values@sqlite (queue, ids): the messages are gone, or hold nothing any more
DELETE FROM brokerweb_queues_searchvalue WHERE message_id IN (SELECT value FROM json_each(:ids)) AND queue_id = :queue;

-- forget_values@postgres (queue, ids): the same, of an array
DELETE FROM brokerweb_queues_searchvalue WHERE queue_id = :queue AND message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- unindexed (): fields whose older messages are yet to be indexed, by a job that there is not, and of which queue
SELECT f.id, f.name, f.queue_id, q.name FROM brokerweb_queues_searchfield f JOIN brokerweb_queues_queue q ON q.id = f.queue_id
WHERE NOT f.indexed AND NOT f.taken AND NOT f.dropped AND q.deleted_at IS NULL ORDER BY f.id;

-- set_taken (id): a job does it
UPDATE brokerweb_queues_searchfield SET taken = true WHERE id = :id AND NOT taken;

-- set_indexed (id): every message has its value
UPDATE brokerweb_queues_searchfield SET indexed = true WHERE id = :id AND NOT dropped;

-- dropped_field (): a field that is declared no more, and may have values left
SELECT id FROM brokerweb_queues_searchfield WHERE dropped ORDER BY id LIMIT 1;

-- forget_some_values (field, n): some of what is left of it
DELETE FROM brokerweb_queues_searchvalue WHERE field_id = :field AND (message_id, field_id) IN
  (SELECT message_id, field_id FROM brokerweb_queues_searchvalue WHERE field_id = :field ORDER BY value, message_id LIMIT :n);

-- remove_field (id): nothing is left of it
DELETE FROM brokerweb_queues_searchfield WHERE id = :id AND dropped;

-- contents@sqlite (ids): what messages carry, for who indexes them
SELECT m.id, c.headers, c."binary", c.body FROM json_each(:ids) j CROSS JOIN brokerweb_queues_message m ON m.id = j.value
JOIN brokerweb_queues_content c ON c.message_id = m.id WHERE c.redacted IS NULL;

-- contents@postgres (ids): the same, of an array
-- Locked: a redaction, or who takes the message out, waits, and then finds the values that were indexed meanwhile.
SELECT m.id, c.headers, c."binary", c.body FROM brokerweb_queues_message m JOIN brokerweb_queues_content c ON c.message_id = m.id
WHERE m.id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND c.redacted IS NULL ORDER BY m.id FOR UPDATE OF c;
