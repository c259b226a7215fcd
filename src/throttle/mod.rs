//! Brute-force limits on guessing passwords: pure of I/O, in memory, for this process alone.
//!
//! Every attempt is [reserved](Throttle::reserve) before its password is hashed, and counts as a failure from then on;
//! only a success or a full hashing queue gives it back. So a hundred guesses at once are no more than the limit. An
//! attempt is measured in one of two ways:
//!
//! - **From a familiar network**, one from which this account has signed in before: by a counter that belongs to this
//!   account and network alone. Whatever strangers do elsewhere, a person at home or at work is not touched by it.
//! - **From any other network**: by the account's counter and by the network's counter. The first bounds guesses at one
//!   account from everywhere, the second one password tried on many accounts.
//!
//! A counter lets some failures pass ([`Limit::free`]), then asks for a delay that doubles with each further one up to
//! a longest delay, and forgets half of what it has in each [`Limit::half_life`]. There is no lock-out: one attempt
//! passes after each delay. When an account is under attack, that attempt would go to whoever asks most often, so
//! networks draw lots: after the delay comes the same time again, over which each gets a turn of its own, told in
//! `retry_after`, with a new draw after every attempt. A person on an unknown network who comes back when told gets
//! through about once in as many turns as networks attack.
//!
//! # What it costs
//! - Account and network counters are sketches: each key has four cells, found by a keyed hash, and counts as what the
//!   least of its cells says. Nothing is ever evicted, so invented names cannot push a counter out; and nothing is ever
//!   under-counted. What invented names can do is fill cells; how fast is bounded by how fast the hashing pool
//!   hashes, since only attempts that are hashed count. With the sizes in [`Settings`], four cores that hash invented
//!   names without a pause delay nobody else; more of them delay some accounts by a second or two.
//! - Familiar networks are a table of bounded size, four networks an account, that forgets the least recently used. Only
//!   a success writes to it. Who is forgotten (and everybody, after a restart) is measured as a stranger once.
//! - Strangers who attack from thousands of networks at once can make a person on an unknown network wait for long.
//! - Who shares a familiar network with the attacker shares that counter, and waits for at most its longest delay.
//! - A guess every minute and a half is about a thousand a day at one account: what the password policy is for.
//! - Two processes count apart.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;

use crate::clock::Timestamp;

pub mod bucket;
mod counter;
mod familiar;
mod paged;
mod repeats;
#[cfg(test)]
mod tests;

pub use counter::Limit;
use counter::{Counter, Key, Sketch};
use familiar::Familiar;
use repeats::Repeats;

/// The limits and the sizes of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For one account, from all networks that are not familiar.
    pub account: Limit,
    /// For one network, over all accounts to which it is not familiar.
    pub network: Limit,
    /// For one account from one of its familiar networks.
    pub familiar: Limit,
    /// The same wrong password for the same account from the same network counts once within this time; 0: never.
    pub repeat_window: Duration,
    /// Cells in a row of the account counters, of 24 bytes; there are four rows.
    pub account_cells: usize,
    /// The same for the network counters.
    pub network_cells: usize,
    /// How many accounts have familiar networks, at about 200 bytes each.
    pub familiar_accounts: usize,
}

impl Default for Settings {
    /// 11 MiB in all.
    fn default() -> Self {
        Self {
            account: Limit { free: 10, ..Limit::UP_TO_A_MINUTE },
            network: Limit { free: 100, longest_delay: Duration::from_mins(5), ..Limit::UP_TO_A_MINUTE },
            familiar: Limit { free: 10, ..Limit::UP_TO_A_MINUTE },
            repeat_window: Duration::from_secs(2),
            account_cells: 65_536,
            network_cells: 16_384,
            familiar_accounts: 16_384,
        }
    }
}

impl Settings {
    /// No limits at all: for tests that sign in a lot.
    #[must_use]
    pub fn off() -> Self {
        Self {
            account: Limit::OFF,
            network: Limit::OFF,
            familiar: Limit::OFF,
            repeat_window: Duration::ZERO,
            account_cells: 1,
            network_cells: 1,
            familiar_accounts: 1,
        }
    }
}

/// One attempt to sign in, or to prove a password otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The account's key: the bytes of the *normalised* name, whether there is such an account or not.
    pub account: &'a [u8],
    /// Who asks. Counted by address for IPv4, by the /64 for IPv6.
    pub peer: IpAddr,
    /// What [`Throttle::digest`] made of the password.
    pub password: PasswordDigest,
}

/// Tells equal passwords from different ones, in this process only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordDigest([u8; 32]);

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordDigest(…)")
    }
}

/// The attempt comes too soon. Nothing was counted, and nothing may be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts, counted by {by:?}")]
pub struct Throttled {
    /// When to come back; more than zero, at most twice the longest delay. `Retry-After` has whole seconds: round up.
    pub retry_after: Duration,
    /// Which counter says so. For metrics and the log; the client is not told.
    pub by: By,
}

/// What an attempt is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The account's counter, or that of the account and a familiar network.
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
    /// Those of them that came from a familiar network.
    pub familiar: u64,
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

/// The counters. Share one among everything that checks passwords.
pub struct Throttle {
    settings: Settings,
    key: hmac::Key,
    state: Mutex<State>,
}

impl Throttle {
    /// Empty counters under a random key, which makes it impossible to choose names that meet in one cell.
    #[must_use]
    pub fn new(settings: Settings, key: &[u8; 32]) -> Self {
        let state = State {
            accounts: Sketch::new(settings.account_cells),
            networks: Sketch::new(settings.network_cells),
            familiar: Familiar::new(settings.familiar_accounts),
            repeats: Repeats::new(settings.repeat_window),
            stats: Stats::default(),
        };
        Self { settings, key: hmac::Key::new(hmac::HMAC_SHA256, key), state: Mutex::new(state) }
    }

    /// What [`Attempt::password`] wants.
    #[must_use]
    pub fn digest(&self, password: &[u8]) -> PasswordDigest {
        PasswordDigest(self.hash(b'p', &[password]))
    }

    /// Counts `attempt` as a failure, before its password is hashed.
    ///
    /// # Errors
    /// [`Throttled`] if it comes too soon: answer so, and hash nothing.
    pub fn reserve(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<Reservation<'_>, Throttled> {
        let account = Key::from(self.hash(b'a', &[attempt.account]));
        let network = Key::from(self.network(attempt.peer));
        let parts: [&[u8]; 3] = [&account.bytes(), &network.bytes(), &attempt.password.0];
        let repeat = Key::from(self.hash(b'r', &parts));

        let counted = self.state().count(&self.settings, (account, network, repeat), now)?;
        Ok(Reservation { throttle: self, account, network, repeat, counted })
    }

    /// How many attempts met which fate.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state().stats
    }

    fn network(&self, peer: IpAddr) -> [u8; 32] {
        match peer.to_canonical() {
            IpAddr::V4(address) => self.hash(b'4', &[&address.octets()]),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let prefix = [a, b, c, d].map(u16::to_be_bytes);
                self.hash(b'6', &[prefix.as_flattened()])
            }
        }
    }

    fn hash(&self, kind: u8, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[kind]);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().try_into().unwrap_or_default()
    }

    /// Counters are good after a panic elsewhere: each step leaves them whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// An attempt that may be hashed. Say how it ended; dropped in silence, it stays counted as a failure, so that hanging
/// up before the answer is no way around the limits.
#[derive(Debug)]
#[must_use = "say how the attempt ended"]
pub struct Reservation<'a> {
    throttle: &'a Throttle,
    account: Key,
    network: Key,
    repeat: Key,
    counted: Counted,
}

impl Reservation<'_> {
    /// The password was right: takes back what this attempt counted and makes its network familiar to the account,
    /// with a clean counter of its own. Nobody else's counter is cleared: not the network's, not the one of strangers at
    /// the same account.
    pub fn succeeded(self, now: Timestamp) {
        let mut state = self.throttle.state();
        self.give_back(&mut state);
        state.familiar.remember(self.account, self.network, now);
        state.stats.succeeded = state.stats.succeeded.saturating_add(1);
    }

    /// The password was wrong: what was counted stays, and the same password again counts nothing for a moment.
    pub fn failed(self, now: Timestamp) {
        let mut state = self.throttle.state();
        state.repeats.remember(self.repeat, now);
        state.stats.failed = state.stats.failed.saturating_add(1);
    }

    /// Nothing was hashed, because the pool was busy or the store unavailable: takes back what was counted.
    pub fn abandoned(self) {
        let mut state = self.throttle.state();
        self.give_back(&mut state);
        state.stats.abandoned = state.stats.abandoned.saturating_add(1);
    }

    fn give_back(&self, state: &mut State) {
        let Settings { account, network, familiar, .. } = &self.throttle.settings;
        match self.counted {
            Counted::Repeat => {}
            Counted::Familiar { until } => {
                if let Some(counter) = state.familiar.find(self.account, self.network) {
                    counter.give_back(familiar, until);
                }
            }
            Counted::Stranger { account_until, network_until } => {
                state.accounts.give_back(self.account, account, account_until);
                state.networks.give_back(self.network, network, network_until);
            }
        }
    }
}

/// What a reservation has counted, and until when each counter was closed by it.
#[derive(Clone, Copy, Debug)]
enum Counted {
    Repeat,
    Familiar { until: Option<Timestamp> },
    Stranger { account_until: Option<Timestamp>, network_until: Option<Timestamp> },
}

struct State {
    accounts: Sketch,
    networks: Sketch,
    familiar: Familiar,
    repeats: Repeats,
    stats: Stats,
}

impl State {
    fn count(
        &mut self,
        settings: &Settings,
        (account, network, repeat): (Key, Key, Key),
        now: Timestamp,
    ) -> Result<Counted, Throttled> {
        // Before the limits: a client that sends the same credentials in another form gets the same answer again.
        let counted = if self.repeats.take(repeat, now) {
            self.stats.repeats = self.stats.repeats.saturating_add(1);
            Counted::Repeat
        } else if let Some(counter) = self.familiar.find(account, network) {
            let counted = Self::count_familiar(counter, &settings.familiar, now);
            self.note(counted)?
        } else {
            let counted = self.count_stranger(settings, (account, network), now);
            self.note(counted)?
        };
        self.stats.reserved = self.stats.reserved.saturating_add(1);
        if matches!(counted, Counted::Familiar { .. }) {
            self.stats.familiar = self.stats.familiar.saturating_add(1);
        }
        Ok(counted)
    }

    fn count_familiar(counter: &mut Counter, limit: &Limit, now: Timestamp) -> Result<Counted, Throttled> {
        let wait = counter.wait(limit, now);
        if wait.is_zero() {
            let failures = counter.failures(limit, now);
            Ok(Counted::Familiar { until: counter.count(limit, failures, now) })
        } else {
            Err(Throttled { retry_after: wait, by: By::Account })
        }
    }

    fn count_stranger(
        &mut self,
        settings: &Settings,
        (account, network): (Key, Key),
        now: Timestamp,
    ) -> Result<Counted, Throttled> {
        let by_account = self.accounts.wait_for_turn(account, network, &settings.account, now);
        let by_network = self.networks.wait(network, &settings.network, now);
        if by_account.max(by_network).is_zero() {
            return Ok(Counted::Stranger {
                account_until: self.accounts.count(account, &settings.account, now),
                network_until: self.networks.count(network, &settings.network, now),
            });
        }
        let by = if by_network > by_account { By::Network } else { By::Account };
        Err(Throttled { retry_after: by_account.max(by_network), by })
    }

    fn note(&mut self, counted: Result<Counted, Throttled>) -> Result<Counted, Throttled> {
        if let Err(Throttled { by, .. }) = &counted {
            let tally = match by {
                By::Account => &mut self.stats.throttled_by_account,
                By::Network => &mut self.stats.throttled_by_network,
            };
            *tally = tally.saturating_add(1);
        }
        counted
    }
}
