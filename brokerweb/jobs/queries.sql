-- The statements of the runner.

-- open (n): jobs that are not finished, those that are due first
SELECT id, due_at FROM brokerweb_jobs_job WHERE state IN ('waiting', 'running') ORDER BY due_at, id LIMIT :n;
