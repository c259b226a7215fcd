//! Through the front door: a real server on a real listener, with a clock that moves only when told to.
//!
//! The store is sled in a temporary folder; with `HEIRLOOM_TEST_STORE=memory` it is the one in memory, which makes the same
//! promises. There a restart hands the store to the next server. What is about the disk has sled whatever the variable says
//! (`Setup::on_disk`); these tests:
//!
//! | Test | What it needs the disk for |
//! |---|---|
//! | `endings::a_store_restored_from_an_older_copy_refuses_what_it_never_issued` | the copy is one of the data folder |
//! | `metrics::the_groups_of_the_store_on_the_disk_are_counted` | only there are changes written in groups |
//! | `personal::after_an_account_is_deleted_its_person_is_in_nothing_that_can_be_read` | the files are looked through |
//! | `revocation::what_was_answered_is_there_after_a_restart` | what is in memory would not be there |
//! | `sign_in::when_the_disk_is_nearly_full_who_is_signed_in_stays_so` | there is a disk that can be full |
//! | `summaries::a_session_of_8640_refreshes_takes_little_when_they_are_old` | the rows on the disk are measured |
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]

mod account;
mod account_rate_limits;
mod admin;
mod browser;
mod client_metadata;
mod counting;
mod devices;
mod discovery;
mod endings;
mod faults;
mod floods;
mod full_disk;
mod introspection;
mod issuer_path;
mod json_bodies;
mod log;
mod metrics;
mod own_account;
mod pages;
mod personal;
mod properties;
mod refresh;
mod refresh_rate;
mod replay;
mod restore;
mod revocation;
mod sign_in;
mod sign_up;
mod specification;
mod summaries;
mod support;
mod sweep;
mod timeline;
mod token_endpoint;
mod transport;
