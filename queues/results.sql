-- What work on a message came to (queues/results.py). Only who asks for results runs these, and a duty.

-- put (message, queue, token, finished, forget, document): what has become of a message so far, or in the end
INSERT INTO brokerweb_queues_result (message_id, queue_id, token, finished_at, forget_at, document)
VALUES (:message, :queue, :token, :finished, :forget, :document)
ON CONFLICT (message_id) DO UPDATE SET queue_id = excluded.queue_id, token = excluded.token, finished_at = excluded.finished_at,
  forget_at = excluded.forget_at, document = excluded.document;

-- of (message): what has become of a message
SELECT message_id, queue_id, token, finished_at, document FROM brokerweb_queues_result WHERE message_id = :message;

-- losses (message, queue): the leases of a message that ended without a word, by attempt
SELECT attempt, kind, consumer, failed_at FROM brokerweb_queues_failure
WHERE message_id = :message AND queue_id = :queue AND kind IN ('lease_expired', 'consumer_lost') ORDER BY attempt;

-- old_results (now, limit): results whose time is over, and whether their message is there all the same
SELECT r.message_id, EXISTS (SELECT 1 FROM brokerweb_queues_message m WHERE m.id = r.message_id) AS alive
FROM brokerweb_queues_result r WHERE r.forget_at <= :now ORDER BY r.forget_at LIMIT :limit;

-- postpone@sqlite (ids, forget): these are looked at again then
UPDATE brokerweb_queues_result SET forget_at = :forget WHERE message_id IN (SELECT value FROM json_each(:ids));

-- postpone@postgres (ids, forget): the same, of an array
UPDATE brokerweb_queues_result SET forget_at = :forget WHERE message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);

-- drop@sqlite (ids): these results are gone
DELETE FROM brokerweb_queues_result WHERE message_id IN (SELECT value FROM json_each(:ids));

-- drop@postgres (ids): the same, of an array
DELETE FROM brokerweb_queues_result WHERE message_id = ANY (translate(:ids, '[]', '{}')::bigint[]);
