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

-- many_rows (rows, n): queues of which there are more rows than so many
SELECT queue_id FROM brokerweb_queues_queuecount GROUP BY queue_id HAVING count(*) > :rows ORDER BY queue_id LIMIT :n;

-- fold@postgres (queue): the rows that nobody is about to write become one; a writer whose row has gone makes it anew
-- SQLite has one row a queue.
WITH gone AS (DELETE FROM brokerweb_queues_queuecount WHERE queue_id = :queue AND slot = ANY (ARRAY(
    SELECT slot FROM brokerweb_queues_queuecount WHERE queue_id = :queue AND slot <> 0 FOR UPDATE SKIP LOCKED))
  RETURNING scheduled, ready, blocked, leased, dead)
INSERT INTO brokerweb_queues_queuecount (queue_id, slot, scheduled, ready, blocked, leased, dead)
SELECT CAST(:queue AS bigint), 0, sum(scheduled), sum(ready), sum(blocked), sum(leased), sum(dead) FROM gone HAVING count(*) > 0
ON CONFLICT (queue_id, slot) DO UPDATE SET
  scheduled = brokerweb_queues_queuecount.scheduled + excluded.scheduled, ready = brokerweb_queues_queuecount.ready + excluded.ready,
  blocked = brokerweb_queues_queuecount.blocked + excluded.blocked, leased = brokerweb_queues_queuecount.leased + excluded.leased,
  dead = brokerweb_queues_queuecount.dead + excluded.dead;
