//! Several nodes as processes of the real binary, on a PostgreSQL of the test's own, under load: nodes and databases that
//! are killed or replaced by others of another version, fail-overs, and a network that fails. Whatever happens, no acknowledged rotation is lost, no family has two
//! lines, and nobody is signed out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may panic, wait for real, and say what they measured"
)]

mod chain;
mod crossing;
mod database;
mod fail_over;
#[path = "../support/free_port.rs"]
mod free_port;
mod kills;
mod load;
mod network;
mod newer_tables;
mod nodes;
mod patroni;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod proof;
mod proxy;
mod restored;
mod shared_limits;
mod standby_behind;
mod upgrade;

use std::time::Duration;

/// The longest that anybody waits for anything: the machine may be busy with something else.
const PATIENCE: Duration = Duration::from_mins(2);
/// For how long a client may be given an answer again that it did not get.
const RETRY_WINDOW: Duration = Duration::from_secs(30);

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }
}

/// A number of rounds: a few, or as many as the variable says.
fn rounds(variable: &str, few: usize) -> usize {
    std::env::var(variable).map_or(few, |rounds| rounds.parse().unwrap())
}
