//! The limits and the sizes of the tables.

use std::time::Duration;

use super::counter::Limit;

/// The limits and the sizes of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For one account: for all its unknown networks together, for one subscriber, and for one block.
    pub account: Limit,
    /// For one network, over all accounts to which it is unknown. A /56 is permitted twice as many failures, a /48
    /// eight times as many.
    pub network: Limit,
    /// For one account from one of its known networks.
    pub known_network: Limit,
    /// For how long the same wrong password for the same account from the same network counts once; 0: it always
    /// counts.
    pub repeat_window: Duration,
    /// Cells a row of the account counters, 24 bytes each; there are four rows.
    pub account_cells: usize,
    /// The same, for the counters of one account and one subscriber or block.
    pub source_cells: usize,
    /// The same, for the network counters.
    pub network_cells: usize,
    /// How many accounts can have known networks, at about 200 bytes each.
    pub known_accounts: usize,
}

impl Default for Settings {
    /// 24 MiB in all, allocated as it is used.
    fn default() -> Self {
        Self {
            account: Limit { free: 10, ..Limit::UP_TO_A_MINUTE },
            network: Limit { free: 100, longest_delay: Duration::from_mins(5), ..Limit::UP_TO_A_MINUTE },
            known_network: Limit { free: 10, ..Limit::UP_TO_A_MINUTE },
            repeat_window: Duration::from_secs(2),
            account_cells: 65_536,
            source_cells: 131_072,
            network_cells: 32_768,
            known_accounts: 16_384,
        }
    }
}

impl Settings {
    /// Limits nothing: for tests that sign in often.
    #[must_use]
    pub fn off() -> Self {
        Self {
            account: Limit::OFF,
            network: Limit::OFF,
            known_network: Limit::OFF,
            repeat_window: Duration::ZERO,
            account_cells: 1,
            source_cells: 1,
            network_cells: 1,
            known_accounts: 1,
        }
    }
}
