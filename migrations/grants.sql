-- What the role that `serve` runs as needs, and no more. By the owner of the tables, after `migrate up`:
--   psql --set=role=catalog_serve --file=migrations/grants.sql "$DATABASE_URL"
\set ON_ERROR_STOP on
GRANT USAGE ON SCHEMA challenges_catalog TO :"role";
GRANT SELECT ON public.approach_challenges TO :"role";
GRANT SELECT ON
    challenges_catalog.challenge_revisions,
    challenges_catalog.challenge_tips,
    challenges_catalog.changed_challenges,
    challenges_catalog.commit_log,
    challenges_catalog.edits,
    challenges_catalog.migration,
    challenges_catalog.numbering,
    challenges_catalog.registry,
    challenges_catalog.shown_tips,
    challenges_catalog.state,
    challenges_catalog.unnumbered
TO :"role";
GRANT EXECUTE ON FUNCTION
    challenges_catalog.apply_staged(uuid, boolean),
    challenges_catalog.begin_edit(text, text, bytea, interval),
    challenges_catalog.check_staged(uuid, boolean, bigint),
    challenges_catalog.database(),
    challenges_catalog.delete_challenge(uuid),
    challenges_catalog.controls(),
    challenges_catalog.controls(text[]),
    challenges_catalog.drop_flag(text, text),
    challenges_catalog.drop_setting(text, text),
    challenges_catalog.drop_task(text, uuid),
    challenges_catalog.finish_edit(text, uuid, bigint[]),
    challenges_catalog.insert_challenge(uuid, text, text, text, integer, text, timestamptz),
    challenges_catalog.invalidate(text[], boolean, boolean),
    challenges_catalog.keep_tip(
        bytea, uuid, bytea, text, text, text, bigint, text, bytea, text, text, text, bigint, bigint, boolean,
        timestamptz, timestamptz, boolean
    ),
    challenges_catalog.leave(uuid),
    challenges_catalog.lock_challenge(uuid),
    challenges_catalog.lock_staged(uuid),
    challenges_catalog.note_attempt(timestamptz, bytea, bigint, text, text, text, bigint, bigint, boolean, bigint),
    challenges_catalog.number(integer, boolean),
    challenges_catalog.poll(bigint, integer, uuid, text, text, bigint, bytea, boolean),
    challenges_catalog.prune(interval, integer),
    challenges_catalog.prune_edit_requests(interval, bigint),
    challenges_catalog.prune_revisions(timestamptz, bigint, integer),
    challenges_catalog.prune_tips(interval, interval, bigint),
    challenges_catalog.put_flag(text, text, text, boolean, integer, text, text),
    challenges_catalog.put_setting(text, text, text, bigint, text, text),
    challenges_catalog.sees_all_rows(),
    challenges_catalog.show_tips(),
    challenges_catalog.stage_challenges(uuid, bigint, bigint[], uuid[], text[], text[], text[], integer[], text[]),
    challenges_catalog.take_task(text, uuid, interval),
    challenges_catalog.update_challenge(uuid, text, text, text, integer, text),
    challenges_catalog.write_staged(uuid, boolean)
TO :"role";
