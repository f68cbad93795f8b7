-- What has a number keeps it, whatever ends late.

-- What has a number after a round that read `whole` and took transactions before `below`: these as `whole` shows them, and the others
-- as the round before left them. So a transaction that goes alone, being large, does not undo the numbers of those that began after it
-- and committed before it did.
CREATE OR REPLACE FUNCTION challenges_catalog.snapshot_below(whole pg_snapshot, below xid8) RETURNS pg_snapshot
LANGUAGE sql STABLE SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT CASE
        WHEN below >= pg_snapshot_xmax(whole) THEN whole
        ELSE concat(coalesce(open.first, ends.before), ':', ends.before, ':', open.xids)::pg_snapshot
    END
    FROM (SELECT l.snapshot FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1) AS last
    CROSS JOIN LATERAL (
        SELECT CASE WHEN below > pg_snapshot_xmax(last.snapshot) THEN below ELSE pg_snapshot_xmax(last.snapshot) END AS before
    ) AS ends
    CROSS JOIN LATERAL (
        SELECT (array_agg(x.xid ORDER BY x.xid))[1] AS first, string_agg(x.xid::text, ',' ORDER BY x.xid) AS xids
        FROM (
            SELECT w.xid FROM pg_snapshot_xip(whole) AS w (xid) WHERE w.xid < below
            UNION ALL
            SELECT s.xid FROM pg_snapshot_xip(last.snapshot) AS s (xid) WHERE s.xid >= below
        ) AS x
    ) AS open;
$$;
