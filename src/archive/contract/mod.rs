//! What every store must do, as one suite: `suite!(make)` makes a test of each function below, where `make()` gives a
//! fresh store and whatever has to live as long as it.
//!
//! | file | idea |
//! | --- | --- |
//! | `made` | what the tests are made of |
//! | `writes` | snapshots, streams, what is written together |
//! | `bin` | lists, pages, states of entries and operations |
//! | `search` | what is found by which words |
//! | `jobs` | jobs, items, new ids |
//! | `erasing` | erased for good |

pub(super) mod bin;
pub(super) mod erasing;
pub(super) mod jobs;
pub(super) mod made;
pub(super) mod search;
pub(super) mod writes;

macro_rules! suite {
    ($make:path) => {
        $crate::archive::contract::suite!(@ $make;
            writes: commit_is_seen_at_once, a_refused_commit_leaves_nothing, putting_twice_keeps_one,
                an_unknown_snapshot_is_not_found, an_old_version_conflicts, two_appends_to_one_stream_follow_each_other,
                reading_begins_after_a_version, streams_come_by_prefix_in_order, audit_goes_back_page_by_page,
                history_is_newest_first, a_forgotten_snapshot_is_gone, a_forgotten_snapshot_can_be_put_again,
                an_entry_needs_its_snapshot, an_empty_commit_is_nothing;
            bin: captured_entries_are_unknown_and_newest_first, fates_settle_entries, refused_and_not_sent_keep_all,
                illegal_events_are_refused, filters_narrow, entries_of_an_operation, pages_do_not_repeat_or_skip,
                new_rows_do_not_move_pages, foreign_cursors_are_refused, in_bin_is_the_newest_there,
                operations_by_state_and_page, stats_count_the_bin, nothing_is_found_where_nothing_is;
            search: by_a_word_and_its_beginning, by_all_words, by_email, by_last_digits, by_old_id, in_cyrillic,
                by_one_letter, with_other_filters, page_by_page, forgotten_names_are_not_found;
            jobs: a_restore_from_queue_to_done, the_newest_item_counts, items_in_the_order_of_the_plan,
                jobs_newest_first, reports_and_reasons, doubt_is_kept, failed_goes_back_to_the_bin,
                what_waits_for_one_job_is_not_let_go_by_another,
                successors_are_followed, a_record_restored_every_night_is_still_followed,
                a_failed_attempt_leaves_what_is_in_doubt_in_doubt, a_circle_of_successors_is_refused, the_same_id_back_ends_a_chain,
                a_job_moves_only_as_it_may, time_left_while_it_runs, undone, a_plan_comes_back, links_wait;
            erasing: an_erased_record_is_gone_and_others_stay, an_erased_record_is_never_restored,
                what_is_under_way_is_not_erased, a_record_may_come_again, plans_and_reports_go_with_it);
    };
    (@ $make:path; $($part:ident: $($name:ident),+ $(,)?);+) => {
        $(mod $part {
            $(#[tokio::test]
            async fn $name() {
                let (store, _alive) = $make();
                let run = $crate::archive::contract::$part::$name(&store);
                tokio::time::timeout(std::time::Duration::from_mins(1), run).await.expect("within a minute");
            })+
        })+
    };
}
pub(super) use suite;

mod memory {
    fn make() -> (crate::archive::memory::Memory, ()) {
        (crate::archive::memory::Memory::new(super::made::clock()), ())
    }
    super::suite!(super::make);
}
