WITH added AS (
    INSERT INTO public.approach_challenges (id, difficulty, title, description, points, tips)
    SELECT id, difficulty, title, description, points, tips
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[])
        AS fresh (id, difficulty, title, description, points, tips)
    ON CONFLICT (id) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM added
