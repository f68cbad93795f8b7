UPDATE catalog_state
SET floor = coalesce(
    (
        SELECT max(seq)
        FROM catalog_change
        WHERE committed_at < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - $1
            AND seq < (SELECT max(seq) FROM catalog_change)
    ),
    floor
)
