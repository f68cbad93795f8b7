WITH head AS MATERIALIZED (
    SELECT
        (SELECT database_id FROM catalog_state) AS database,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS seq,
        coalesce($8, (
            -- The rows that can be served, and those with texts that are not UTF-8, which no expression can tell. Every row is
            -- read, so they are read in the order of the table (+) and not by the index.
            SELECT count(*)
            FROM approach_challenges
            WHERE +CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END
                BETWEEN $1 AND $2
                AND octet_length(title) <= 262144
                AND coalesce(octet_length(description), 0) <= 262144
                AND coalesce(octet_length(tips), 0) <= 262144
                AND coalesce(points, 10) BETWEEN -2147483648 AND 2147483647
                AND id GLOB replace('########-####-####-####-############', '#', '[0-9a-f]')
        )) AS total_count
),
page AS (
    SELECT
        CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END AS rank,
        coalesce(points, 10) AS points,
        title,
        id,
        difficulty,
        description,
        tips,
        created_at,
        updated_at
    FROM approach_challenges
    WHERE CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END
            BETWEEN $1 AND $2
        AND (
            CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END,
            coalesce(points, 10),
            title,
            id
        ) > ($3, $4, $5, $6)
    ORDER BY
        CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END,
        coalesce(points, 10),
        title,
        id
    LIMIT $7
)
SELECT
    head.database,
    0 AS timeline,
    head.seq,
    false AS has_unnumbered,
    head.total_count,
    page.id,
    substr(page.difficulty, 1, 50) AS difficulty,
    CASE WHEN octet_length(page.title) <= 262144 THEN page.title END AS title,
    CASE WHEN octet_length(page.description) <= 262144 THEN page.description END AS description,
    page.points,
    CASE WHEN octet_length(page.tips) <= 262144 THEN page.tips END AS tips,
    CASE
        WHEN octet_length(page.title) > 262144 THEN 'title'
        WHEN octet_length(page.description) > 262144 THEN 'description'
        WHEN octet_length(page.tips) > 262144 THEN 'tips'
    END AS too_long,
    shown.text AS written_tip,
    shown.content AS written_for,
    CASE WHEN page.created_at BETWEEN -62135596800000000 AND 253402300799999999 THEN page.created_at END AS created_at,
    CASE WHEN page.updated_at BETWEEN -62135596800000000 AND 253402300799999999 THEN page.updated_at END AS updated_at
FROM head
LEFT JOIN page ON true
LEFT JOIN shown_tips AS shown ON shown.challenge = page.id
ORDER BY page.rank, page.points, page.title, page.id
