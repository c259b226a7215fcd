//! The stores: what each of them promises, and what only the embedded one does.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test may panic, and its helpers are no interface"
)]

mod agreement;
mod contract;
mod postgres;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod sled;
mod support;

use heirloom::store::memory::MemoryStore;
use heirloom::store::postgres::PostgresStore;
use heirloom::store::sled::{SledOptions, SledStore};

// One line for each store: a name, and how to open a new store in an empty folder.
contract::keeps!(sled_store, |folder| SledStore::open(&folder.join("data"), SledOptions::default()).unwrap());
contract::keeps!(memory_store, |_| MemoryStore::new());
contract::keeps!(postgres_store, |_| now(PostgresStore::open(postgres_server::settings())).unwrap());
contract::keeps!(pooled_postgres_store, |_| now(PostgresStore::open(postgres::pooler::settings())).unwrap());

/// Waits for a future inside of the test's runtime.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}
