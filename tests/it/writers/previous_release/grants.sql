-- What the role that `serve` runs as needs, and no more. By the owner of the tables, after `migrate up`:
--   psql --set=role=catalog_serve --file=migrations/grants.sql "$DATABASE_URL"
\set ON_ERROR_STOP on
GRANT USAGE ON SCHEMA challenges_catalog TO :"role";
GRANT SELECT ON public.approach_challenges TO :"role";
GRANT SELECT ON
    challenges_catalog.challenge_revisions,
    challenges_catalog.challenge_tips,
    challenges_catalog.change,
    challenges_catalog.commit_log,
    challenges_catalog.edits,
    challenges_catalog.migration,
    challenges_catalog.replica,
    challenges_catalog.shown_tips,
    challenges_catalog.state,
    challenges_catalog.tip_batch_orders,
    challenges_catalog.tip_batches
TO :"role";
GRANT EXECUTE ON FUNCTION
    challenges_catalog.acknowledge(uuid, bigint, bigint),
    challenges_catalog.close_tip_batch(uuid, boolean),
    challenges_catalog.apply_staged(uuid, boolean),
    challenges_catalog.begin_edit(text, text, bytea, interval),
    challenges_catalog.check_staged(uuid, boolean, bigint),
    challenges_catalog.database(),
    challenges_catalog.delete_challenge(uuid),
    challenges_catalog.controls(),
    challenges_catalog.drop_flag(text, text),
    challenges_catalog.drop_setting(text, text),
    challenges_catalog.drop_task(text, uuid),
    challenges_catalog.end_tip_batch(uuid, timestamptz),
    challenges_catalog.hand_in_tip_batch(uuid, timestamptz),
    challenges_catalog.finish_edit(text, uuid, bigint[]),
    challenges_catalog.insert_challenge(uuid, text, text, text, integer, text, timestamptz),
    challenges_catalog.invalidate(text[], boolean),
    challenges_catalog.keep_tip(
        bytea, uuid, bytea, text, text, text, bigint, text, bytea, text, text, text, bigint, bigint, boolean,
        timestamptz, timestamptz, boolean
    ),
    challenges_catalog.leave(uuid),
    challenges_catalog.name_tip_batch(uuid, text),
    challenges_catalog.lock_challenge(uuid),
    challenges_catalog.note_attempt(timestamptz, bytea, bigint, text, text, text, bigint, bigint, boolean, bigint),
    challenges_catalog.note_tip_batch(
        uuid, text, text, text, text, text, boolean, uuid, bigint, timestamptz, bytea[], uuid[], bytea[], bigint[]
    ),
    challenges_catalog.prune(interval),
    challenges_catalog.prune_edit_requests(interval, bigint),
    challenges_catalog.prune_tips(interval, interval, bigint),
    challenges_catalog.put_flag(text, text, text, boolean, integer, text, text),
    challenges_catalog.put_setting(text, text, text, bigint, text, text),
    challenges_catalog.report(uuid, text, bigint, bigint, bytea),
    challenges_catalog.settle_tip_batch(uuid, integer[], text[], bigint[], bigint[], boolean[], bigint[]),
    challenges_catalog.stage_challenges(uuid, bigint, bigint[], uuid[], text[], text[], text[], integer[], text[]),
    challenges_catalog.take_task(text, uuid, interval),
    challenges_catalog.timeline(),
    challenges_catalog.update_challenge(uuid, text, text, text, integer, text)
TO :"role";
