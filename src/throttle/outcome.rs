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

impl Throttled {
    /// As seen by a clock that is behind by so much.
    pub(super) const fn later(self, behind: Duration) -> Self {
        Self { retry_after: self.retry_after.saturating_add(behind), ..self }
    }
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

impl Stats {
    /// Counts an attempt that was permitted, or refused.
    pub(super) const fn note(&mut self, outcome: &Result<Permitted, Throttled>) {
        let tally = match outcome {
            Ok(_) => &mut self.reserved,
            Err(Throttled { by: ThrottledBy::Account, .. }) => &mut self.throttled_by_account,
            Err(Throttled { by: ThrottledBy::Network, .. }) => &mut self.throttled_by_network,
        };
        *tally = tally.saturating_add(1);
        let also = match outcome {
            Ok(Permitted::Repeat) => &mut self.repeats,
            Ok(Permitted::KnownNetwork) => &mut self.known_network,
            Ok(Permitted::Stranger) | Err(_) => return,
        };
        *also = also.saturating_add(1);
    }
}

/// Why an attempt may be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// The same wrong password was just counted: it counts nothing.
    Repeat,
    /// It comes from a network that the account knows.
    KnownNetwork,
    /// It comes from another network.
    Stranger,
}
