//! The outcomes of attempts.

use std::time::Duration;

/// The attempt came too soon. It was not counted, and its password may not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts, counted by {by:?}")]
pub struct Throttled {
    /// How long to wait: more than zero, at most twice the longest delay. `Retry-After` has whole seconds: round up.
    pub retry_after: Duration,
    /// Which counter refused it. For metrics and the log; it is not sent to the client.
    pub by: ThrottledBy,
}

/// The kind of counter that refused an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottledBy {
    /// The account's counter, or the counter of the account and a known network.
    Account,
    /// The network's counter.
    Network,
}

/// How many attempts had which outcome since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Attempts permitted, repeats included.
    pub reserved: u64,
    /// The permitted attempts that counted nothing, because the same wrong password had just been counted.
    pub repeats: u64,
    /// The permitted attempts from a known network.
    pub known_network: u64,
    /// Attempts that came too soon for the account.
    pub throttled_by_account: u64,
    /// Attempts that came too soon for the network.
    pub throttled_by_network: u64,
    /// Permitted attempts with the right password.
    pub succeeded: u64,
    /// Permitted attempts with a wrong password.
    pub failed: u64,
    /// Permitted attempts that were taken back, because nothing was hashed.
    pub abandoned: u64,
}
