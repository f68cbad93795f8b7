INSERT INTO shown_tips (challenge, key, content, text, created_at, expires_at)
SELECT challenge, key, content, text, created_at, expires_at
FROM challenge_tips
WHERE is_due
ORDER BY created_at
ON CONFLICT (challenge) DO UPDATE
SET key = excluded.key, content = excluded.content, text = excluded.text, created_at = excluded.created_at,
    expires_at = excluded.expires_at
-- Of one key the epoch has decided; of two, their age does.
WHERE shown_tips.key = excluded.key OR shown_tips.created_at <= excluded.created_at
