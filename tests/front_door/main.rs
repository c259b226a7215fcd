//! Tests through the front door: a real server on a real listener, with a clock that moves only when a test moves it.
//!
//! The store is sled in a temporary folder. With `HEIRLOOM_TEST_STORE=memory` it is the store in memory, which makes
//! the same promises, and with `HEIRLOOM_TEST_STORE=postgres` the one in PostgreSQL, on a server that the tests start; then
//! a restart passes the store on to the next server. Tests about the disk use sled in any case (`Setup::on_disk`):
//!
//! | Test | What it needs the disk for |
//! |---|---|
//! | `endings::a_store_restored_from_an_older_copy_refuses_what_it_never_issued` | it copies the data folder |
//! | `metrics::the_groups_of_the_store_on_the_disk_are_counted` | only the embedded store writes groups |
//! | `personal::after_an_account_is_deleted_its_person_is_in_nothing_that_can_be_read` | it searches the files |
//! | `revocation::what_was_answered_is_there_after_a_restart` | a store in memory would lose it |
//! | `sign_in::when_the_disk_is_nearly_full_who_is_signed_in_stays_so` | the disk must be nearly full |
//! | `summaries::a_session_of_8640_refreshes_takes_little_when_they_are_old` | it measures rows on the disk |
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
mod authorization_code;
mod authorize;
mod backchannel_logout;
mod browser;
mod browsers;
mod client_credentials;
mod client_metadata;
mod conformance;
mod consents;
mod counting;
mod database_away;
mod devices;
mod discovery;
mod documented_refusals;
mod endings;
mod faults;
mod floods;
mod full_disk;
mod hostile_texts;
mod id_token_algorithms;
mod introspection;
mod issuer_path;
mod json_bodies;
mod jwks;
mod log;
mod logins;
mod logos;
mod metrics;
mod nodes;
mod own_account;
mod own_pages;
mod pages;
mod personal;
mod properties;
mod refresh;
mod refresh_rate;
mod replay;
mod restore;
mod revocation;
mod round_trips;
mod sealed_keys;
mod sign_in;
mod sign_up;
mod sign_up_page;
mod specification;
mod summaries;
mod support;
mod sweep;
mod timeline;
mod token_endpoint;
mod transport;
mod web_browser;
