INSERT INTO shown_tips (challenge, key, content, text, created_at, expires_at)
SELECT challenge, key, content, text, created_at, expires_at
FROM challenge_tips
WHERE is_due
ORDER BY created_at
ON CONFLICT (challenge) DO UPDATE
SET key = excluded.key, content = excluded.content, text = excluded.text, created_at = excluded.created_at,
    expires_at = excluded.expires_at
-- Within a key the epoch has decided; between two keys the newer tip wins.
WHERE shown_tips.key = excluded.key OR shown_tips.created_at <= excluded.created_at
