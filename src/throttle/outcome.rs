//! What became of attempts.

use std::time::Duration;

/// The attempt comes too soon. Nothing was counted, and nothing may be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts, counted by {by:?}")]
pub struct Throttled {
    /// When to come back; more than zero, at most twice the longest delay. `Retry-After` has whole seconds: round up.
    pub retry_after: Duration,
    /// Which counter says so. For metrics and the log; the client is not told.
    pub by: ThrottledBy,
}

/// What an attempt is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottledBy {
    /// The account's counter, or that of the account and a known network.
    Account,
    /// The network's counter.
    Network,
}

/// How many attempts met which fate, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Attempts that may be hashed, repeats included.
    pub reserved: u64,
    /// Those of them that counted nothing, because the same wrong password had just been counted.
    pub repeats: u64,
    /// Those of them that came from a known network.
    pub known_network: u64,
    /// Attempts that came too soon for the account.
    pub throttled_by_account: u64,
    /// Attempts that came too soon for the network.
    pub throttled_by_network: u64,
    /// Reservations that ended in a success.
    pub succeeded: u64,
    /// Reservations that ended in a wrong password.
    pub failed: u64,
    /// Reservations given back, because nothing was hashed.
    pub abandoned: u64,
}
