-- The statements of the runner.

-- open (node, now, n): jobs that are not finished and that no other node runs, those that are due first, and whether what they work on is found by a query
SELECT id, due_at, query IS NOT NULL AS searches FROM brokerweb_jobs_job WHERE state IN ('waiting', 'running', 'trying')
  AND (node IS NULL OR node = :node OR held_until_at <= :now) ORDER BY due_at, id LIMIT :n;

-- let_go (node): a node runs no jobs any more
UPDATE brokerweb_jobs_job SET node = NULL, held_until_at = NULL WHERE state IN ('waiting', 'running', 'trying') AND node = :node;

-- forgettable (before, kept, limit): jobs that ended before an instant, and all but the last that ended
-- Not while what undoes one is kept, or what it had found.
SELECT id FROM brokerweb_jobs_job j
WHERE finished_at IS NOT NULL AND (finished_at <= :before OR (finished_at, id) <=
  (SELECT finished_at, id FROM brokerweb_jobs_job WHERE finished_at IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET :kept))
  AND NOT EXISTS (SELECT 1 FROM brokerweb_queues_transfer t WHERE t.job = j.id)
  AND NOT EXISTS (SELECT 1 FROM brokerweb_jobs_jobitem i WHERE i.job_id = j.id)
ORDER BY finished_at, id LIMIT :limit;

-- forget (id): drop a job
DELETE FROM brokerweb_jobs_job WHERE id = :id;

-- forget_failed (job): drop the list of what it could not do
DELETE FROM brokerweb_jobs_jobfailure WHERE job_id = :job;

-- keep_item (job, message, queue): a message that the job's query has found
INSERT INTO brokerweb_jobs_jobitem (job_id, message_id, queue_id) VALUES (:job, :message, :queue) ON CONFLICT (job_id, message_id) DO NOTHING;

-- count_items (job): how many it has found
SELECT count(*) FROM brokerweb_jobs_jobitem WHERE job_id = :job;

-- items (job, limit): the next that it acts on
SELECT message_id, queue_id FROM brokerweb_jobs_jobitem WHERE job_id = :job ORDER BY message_id LIMIT :limit;

-- drop_items (job, message): those up to there are acted upon
DELETE FROM brokerweb_jobs_jobitem WHERE job_id = :job AND message_id <= :message;

-- forget_items (limit): some of what jobs have found that ended before they acted on it
DELETE FROM brokerweb_jobs_jobitem WHERE (job_id, message_id) IN
  (SELECT i.job_id, i.message_id FROM brokerweb_jobs_job j JOIN brokerweb_jobs_jobitem i ON i.job_id = j.id
   WHERE j.finished_at IS NOT NULL AND j.query IS NOT NULL LIMIT :limit);

-- note_failed (job, destination, item, code, error): an item that a job could not do
INSERT INTO brokerweb_jobs_jobfailure (job_id, destination, item, code, error) VALUES (:job, :destination, :item, :code, :error);

-- not_undoable (before): a job that ended before an instant, of which what undoes it is still kept, and no undo is under way
SELECT j.id FROM brokerweb_jobs_job j WHERE j.finished_at IS NOT NULL AND j.finished_at <= :before
  AND EXISTS (SELECT 1 FROM brokerweb_queues_transfer t WHERE t.job = j.id)
  AND NOT EXISTS (SELECT 1 FROM brokerweb_jobs_job u WHERE u.id = j.undone_by AND u.finished_at IS NULL)
ORDER BY j.id LIMIT 1;

-- destinations (): every queue that somebody declared, and every shared group's, with its messages per state
-- Sums of PostgreSQL are of a type of their own.
SELECT q.id, q.name, q.stream, g.name, CAST(coalesce(sum(c.scheduled), 0) AS bigint), CAST(coalesce(sum(c.ready), 0) AS bigint),
  CAST(coalesce(sum(c.blocked), 0) AS bigint), CAST(coalesce(sum(c.leased), 0) AS bigint), CAST(coalesce(sum(c.dead), 0) AS bigint)
FROM brokerweb_queues_queue q
  LEFT JOIN brokerweb_queues_queuecount c ON c.queue_id = q.id
  LEFT JOIN brokerweb_streams_consumergroup g ON g.queue_id = q.id
WHERE q.deleted_at IS NULL AND (q.stream IS NULL OR g.id IS NOT NULL)
GROUP BY q.id, q.name, q.stream, g.name;

-- destinations_with_dead (): those of them that have dead messages, and how many
SELECT q.id, q.name, q.stream, g.name, n.dead FROM (
  SELECT queue_id, CAST(sum(dead) AS bigint) AS dead FROM brokerweb_queues_queuecount WHERE dead <> 0 GROUP BY queue_id) AS n
JOIN brokerweb_queues_queue q ON q.id = n.queue_id
LEFT JOIN brokerweb_streams_consumergroup g ON g.queue_id = q.id
WHERE n.dead > 0 AND q.deleted_at IS NULL AND (q.stream IS NULL OR g.id IS NOT NULL);
