-- guess (digest, now, until, most): one more failure of a window that begins with its first; how many, at most one more than ``most``
INSERT INTO brokerweb_identity_guess (digest, failures, until_at) VALUES (:digest, 1, :until)
ON CONFLICT (digest) DO UPDATE SET
  failures = CASE WHEN brokerweb_identity_guess.until_at <= :now THEN 1 WHEN brokerweb_identity_guess.failures > :most
    THEN brokerweb_identity_guess.failures ELSE brokerweb_identity_guess.failures + 1 END,
  until_at = CASE WHEN brokerweb_identity_guess.until_at <= :now THEN excluded.until_at ELSE brokerweb_identity_guess.until_at END
RETURNING failures;

-- forgive (digest): no failure any more
DELETE FROM brokerweb_identity_guess WHERE digest = :digest;

-- take_back (digest): one that was none
UPDATE brokerweb_identity_guess SET failures = failures - 1 WHERE digest = :digest AND failures > 0;

-- forget_guesses (now): windows that are over
DELETE FROM brokerweb_identity_guess WHERE until_at <= :now;
