//! What both engines promise: one list of facts.

macro_rules! contract {
    ($engine:ident, $bare:ident, [$($room:ident::$fact:ident),+ $(,)?]) => {
        mod $engine {
            use crate::repository::{
                changes, controls, edits, fixture::Catalog, history_guards, invalid_rows, reads, registry, retention,
                row_checks, shown_tips, tips,
            };
            $(#[tokio::test]
            async fn $fact() {
                $room::$fact(Catalog::$bare().await.migrated().await).await;
            })+
        }
    };
}

macro_rules! both_engines {
    ($($facts:tt)+) => {
        contract!(postgres, bare_postgres, [$($facts)+]);
        contract!(sqlite, bare_sqlite, [$($facts)+]);
    };
}

both_engines!(
    row_checks::of_many_broken_rows_the_first_are_named_and_the_rest_counted,
    row_checks::rows_that_an_import_would_refuse_are_named_by_field,
    changes::a_change_that_was_rolled_back_is_never_told,
    changes::a_new_id_for_a_row_touches_the_old_one_too,
    changes::a_reader_from_another_past_has_lost_track,
    changes::a_reader_that_is_up_to_date_hears_of_nothing,
    changes::a_statement_that_finds_no_row_tells_nothing,
    changes::a_write_of_our_own_hurries_the_next_poll,
    changes::adding_what_is_there_changes_nothing,
    changes::an_empty_tip_of_a_seed_is_none,
    changes::changes_of_long_ago_are_forgotten_but_the_newest,
    changes::concurrent_writers_and_readers_agree_in_the_end,
    changes::more_changes_than_a_page_holds_are_lost_and_then_found_again,
    changes::seeding_again_adds_nothing_and_keeps_edits,
    changes::seq_numbers_rise_within_one_page,
    changes::the_feed_names_what_others_changed,
    controls::a_change_of_a_row_touches_no_answer,
    controls::a_new_row_that_somebody_else_made_first_is_left_alone,
    controls::a_row_is_taken_out_only_as_it_was_seen,
    controls::a_row_is_written_only_in_place_of_the_one_that_was_seen,
    controls::of_many_who_write_a_row_at_once_one_does,
    controls::rows_of_names_that_are_not_ours_are_not_read,
    controls::rows_that_others_wrote_are_read_as_they_are,
    controls::the_same_name_has_a_setting_for_each_environment,
    controls::without_rows_there_is_still_a_version,
    edits::a_repeated_edit_is_carried_out_once,
    edits::a_repeated_import_is_told_what_came_of_the_first,
    edits::a_request_is_forgotten_after_a_day,
    edits::a_revision_shows_the_state_and_who_made_it,
    edits::a_row_that_is_written_as_it_was_is_no_revision,
    edits::an_edit_is_a_change_that_the_feed_tells,
    edits::an_edit_sees_what_it_changes_and_gives_what_it_made,
    edits::an_edit_that_is_refused_or_only_tried_leaves_nothing,
    edits::an_export_is_all_of_one_moment_in_the_order_of_ids,
    edits::an_import_is_one_commit_with_an_outcome_for_each_row,
    edits::an_import_that_is_dropped_or_only_tried_leaves_nothing,
    edits::an_import_with_conflicts_writes_nothing_and_names_them,
    edits::what_comes_back_has_the_time_that_it_was_first_added,
    history_guards::a_guard_that_the_history_lost_is_an_error,
    history_guards::a_revision_is_never_changed_or_removed,
    history_guards::what_is_done_to_challenges_still_adds_revisions,
    invalid_rows::a_flag_stays_in_force_whatever_else_its_row_says,
    invalid_rows::a_text_of_more_than_256_kib_costs_its_row_and_no_other,
    invalid_rows::a_time_outside_of_the_years_1_to_9999_is_shown_as_none,
    invalid_rows::pages_go_on_behind_rows_that_cannot_be_shown,
    reads::a_filter_lists_and_counts_one_difficulty,
    reads::a_fresh_migration_is_checked_and_filled,
    reads::a_list_is_in_the_order_of_difficulty_points_title_and_id,
    reads::a_list_whose_total_is_given_is_the_same_and_counts_nothing,
    reads::a_page_that_is_just_full_is_the_last,
    reads::a_row_reads_back_as_it_was_written,
    reads::an_empty_page_has_a_stamp_and_a_count,
    reads::an_update_moves_updated_at_unless_it_sets_it,
    reads::ids_that_are_not_there_are_left_out_and_the_stamp_is_not,
    reads::odd_values_that_others_wrote_are_listed,
    reads::pages_follow_one_another_without_gap_or_repeat,
    reads::the_key_of_page_tokens_stays_the_same,
    registry::a_poll_calls_a_replica_unregistered_well_before_it_is_forgotten,
    registry::a_poll_tells_whether_its_replica_is_registered,
    registry::a_replica_that_leaves_is_forgotten,
    registry::a_report_beyond_its_bounds_is_a_fault_and_registers_nobody,
    registry::a_report_registers_and_the_next_one_replaces_it,
    registry::a_silent_replica_is_forgotten_when_another_one_reports,
    registry::a_task_has_one_holder_until_it_is_given_back,
    registry::a_task_whose_time_is_over_goes_to_who_asks_next,
    registry::an_acknowledgement_tells_how_far_a_replica_is_and_registers_nobody,
    registry::an_invalidation_is_a_commit_with_its_tags_and_hardness,
    registry::an_invalidation_of_nothing_is_a_fault_and_no_commit,
    registry::an_invalidation_of_our_own_hurries_the_next_poll,
    registry::many_report_at_once_while_others_are_forgotten,
    registry::of_many_who_take_a_task_at_once_one_gets_it,
    registry::only_a_report_makes_a_replica_young_again,
    registry::the_pool_tells_how_many_connections_it_has,
    retention::a_step_looks_at_so_many_and_tells_where_the_next_one_goes_on,
    retention::a_trial_counts_and_removes_nothing,
    retention::old_revisions_go_but_the_newest_of_a_challenge_that_is_there,
    retention::what_was_pruned_leaves_the_rest_guarded_and_the_history_goes_on,
    shown_tips::a_challenge_has_its_tip_in_lists_and_by_id_and_no_other_has_it,
    shown_tips::a_tip_for_other_texts_is_not_shown_until_they_fit_again,
    shown_tips::a_tip_that_is_not_to_be_shown_is_not,
    shown_tips::a_tip_whose_time_is_over_is_taken_out_by_pruning,
    shown_tips::the_newest_of_two_tips_is_shown_and_of_one_the_latest_epoch,
    tips::a_later_epoch_replaces_a_tip_and_an_equal_or_older_one_does_not,
    tips::a_shown_tip_is_a_change_of_its_challenge_and_of_every_list,
    tips::a_tip_beyond_its_bounds_is_a_fault_and_is_not_kept,
    tips::a_tip_reads_back_as_it_was_saved,
    tips::a_tip_that_is_shown_as_before_or_not_at_all_is_no_change,
    tips::an_attempt_counts_once_however_often_it_is_told,
    tips::clocks_that_were_set_back_keep_no_tip_from_being_shown,
    tips::of_many_who_save_a_tip_at_once_the_latest_epoch_stays,
    tips::the_newest_of_the_tips_that_are_due_is_shown,
    tips::the_newest_tip_in_a_language_and_persona_is_found_whatever_it_was_written_for,
    tips::tips_that_come_soon_after_another_are_shown_together,
    tips::what_had_its_time_is_pruned_and_nothing_else,
    tips::without_a_database_every_call_is_an_outage,
);
