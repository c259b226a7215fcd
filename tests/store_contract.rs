//! Every store keeps the contract of `heirloom::store`.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "a test may panic, and its helpers are no interface"
)]

#[path = "support/store/contract.rs"]
mod contract;

/// Runs each promise against a fresh store.
macro_rules! keeps {
    ($module:ident, $open:expr, $($promise:ident),+ $(,)?) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let folder = tempfile::tempdir().unwrap();
                    let store: contract::Tested = std::sync::Arc::new($open(folder.path()));
                    contract::$promise(store).await;
                }
            )+
        }
    };
}

fn sled(folder: &std::path::Path) -> heirloom::store::sled::SledStore {
    use heirloom::store::sled::{SledOptions, SledStore};
    SledStore::open(&folder.join("data"), SledOptions::default()).unwrap()
}

keeps!(
    sled_store,
    sled,
    what_was_appended_is_read_back,
    a_long_stream_is_read_in_pages,
    an_append_expects_a_version,
    of_rivals_one_wins,
    records_change_only_with_their_append,
    an_append_without_events_changes_only_records,
    a_record_is_inserted_once,
    a_removed_stream_is_gone_and_may_be_made_again,
    a_summary_stands_where_the_last_of_its_events_stood,
    a_summary_can_be_summarized_until_one_is_left,
    a_summary_that_does_not_fit_the_stream_changes_nothing,
    nobody_ever_sees_half_of_a_summary,
    what_is_too_large_is_refused,
    a_reader_never_sees_half_of_an_append,
    a_follower_misses_nothing,
    c75_the_log_reads_the_same_twice,
);
