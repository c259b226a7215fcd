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
mod sled;
mod support;

use heirloom::store::memory::MemoryStore;
use heirloom::store::sled::{SledOptions, SledStore};

// One line for each store: a name, and how to open a new store in an empty folder.
contract::keeps!(sled_store, |folder| SledStore::open(&folder.join("data"), SledOptions::default()).unwrap());
contract::keeps!(memory_store, |_| MemoryStore::new());
