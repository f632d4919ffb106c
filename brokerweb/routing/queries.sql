-- The statements of topics and of transact.

-- find_topic (name): a topic by name
SELECT id, name, unrouted, dedup_window, version FROM brokerweb_routing_topic WHERE name = :name;

-- bindings (topic): a topic's bindings in the order they were given in
SELECT pattern, "to", headers FROM brokerweb_routing_binding WHERE topic_id = :topic ORDER BY position;

-- bind (topic, position, pattern, to, headers): add a binding
INSERT INTO brokerweb_routing_binding (topic_id, position, pattern, "to", headers) VALUES (:topic, :position, :pattern, :to, :headers);

-- unbind (topic): remove a topic's bindings
DELETE FROM brokerweb_routing_binding WHERE topic_id = :topic;

-- delete_topic (topic): remove a topic whose bindings are gone
DELETE FROM brokerweb_routing_topic WHERE id = :topic;

-- drop (topic, n): messages that no binding matched
UPDATE brokerweb_routing_topic SET dropped = dropped + :n WHERE id = :topic;

-- remembered (topic, dedup_id, now): where the message of a dedup_id went
SELECT routed FROM brokerweb_routing_topicdedup WHERE topic_id = :topic AND dedup_id = :dedup_id AND expires_at > :now;

-- remember (topic, dedup_id, routed, expires, now): a dedup_id names these copies from now on, if it names none
INSERT INTO brokerweb_routing_topicdedup (topic_id, dedup_id, routed, expires_at) VALUES (:topic, :dedup_id, :routed, :expires)
ON CONFLICT (topic_id, dedup_id) DO UPDATE SET routed = excluded.routed, expires_at = excluded.expires_at
WHERE brokerweb_routing_topicdedup.expires_at <= :now;

-- forget (now, limit): drop what topics remember past its window
DELETE FROM brokerweb_routing_topicdedup WHERE (topic_id, dedup_id) IN
  (SELECT topic_id, dedup_id FROM brokerweb_routing_topicdedup WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit);

-- transacted (owner, dedup_id, now): the answer to a transaction that was carried out, and the digest of what it was
SELECT answer, digest FROM brokerweb_routing_transacted WHERE owner = :owner AND dedup_id = :dedup_id AND expires_at > :now;

-- transact (owner, dedup_id, digest, answer, expires, now): a transaction was carried out, the first of its dedup_id
INSERT INTO brokerweb_routing_transacted (owner, dedup_id, digest, answer, expires_at) VALUES (:owner, :dedup_id, :digest, :answer, :expires)
ON CONFLICT (owner, dedup_id) DO UPDATE SET digest = excluded.digest, answer = excluded.answer, expires_at = excluded.expires_at
WHERE brokerweb_routing_transacted.expires_at <= :now;

-- forget_transacted (now, limit): drop answers past their time
DELETE FROM brokerweb_routing_transacted WHERE (owner, dedup_id) IN
  (SELECT owner, dedup_id FROM brokerweb_routing_transacted WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit);
