-- Exact counts per queue and state, kept in the commit of the change. Only the sum over a queue's rows means anything.

-- read_counts (queue): the queue's messages per state
-- Sums of PostgreSQL are of a type of their own.
SELECT CAST(coalesce(sum(scheduled), 0) AS bigint), CAST(coalesce(sum(ready), 0) AS bigint), CAST(coalesce(sum(blocked), 0) AS bigint),
  CAST(coalesce(sum(leased), 0) AS bigint), CAST(coalesce(sum(dead), 0) AS bigint)
FROM brokerweb_queues_queuecount WHERE queue_id = :queue;

-- add_counts (queue, slot, scheduled, ready, blocked, leased, dead): add one transaction's changes
-- An upsert, since a duty may have folded this slot's row away: an update of no row would lose the change for ever.
INSERT INTO brokerweb_queues_queuecount (queue_id, slot, scheduled, ready, blocked, leased, dead)
VALUES (:queue, :slot, :scheduled, :ready, :blocked, :leased, :dead)
ON CONFLICT (queue_id, slot) DO UPDATE SET
  scheduled = brokerweb_queues_queuecount.scheduled + excluded.scheduled, ready = brokerweb_queues_queuecount.ready + excluded.ready,
  blocked = brokerweb_queues_queuecount.blocked + excluded.blocked, leased = brokerweb_queues_queuecount.leased + excluded.leased,
  dead = brokerweb_queues_queuecount.dead + excluded.dead;
