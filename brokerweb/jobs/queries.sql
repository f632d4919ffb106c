-- The statements of the runner.

-- open (n): jobs that are not finished, those that are due first
SELECT id, due_at FROM brokerweb_jobs_job WHERE state IN ('waiting', 'running') ORDER BY due_at, id LIMIT :n;

-- forget (before, kept, limit): drop jobs that ended before an instant, and all but the last that ended
DELETE FROM brokerweb_jobs_job WHERE id IN (
  SELECT id FROM brokerweb_jobs_job
  WHERE finished_at IS NOT NULL AND (finished_at <= :before OR (finished_at, id) <=
    (SELECT finished_at, id FROM brokerweb_jobs_job WHERE finished_at IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET :kept))
  ORDER BY finished_at, id LIMIT :limit);
