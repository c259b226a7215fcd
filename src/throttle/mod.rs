//! Brute-force limits on guessing passwords: pure of I/O, in memory, for this process alone.
//!
//! Every attempt is [reserved](Throttle::reserve) before its password is hashed, and counts as a failure from then on;
//! only a success or a full hashing queue gives it back. So a hundred guesses at once are no more than the limit. An
//! attempt is measured in one of two ways:
//!
//! - **From a known network**, one from which this account has signed in before: by a counter that belongs to this
//!   account and network alone. Whatever strangers do elsewhere, a person at home or at work is not touched by it.
//! - **From any other network**: by the account's counters and by the network's counters. The first bound guesses at one
//!   account from everywhere, the second one password tried on many accounts.
//!
//! Of an account, three things are counted: attempts of one subscriber (the /56 of IPv6, the address of IPv4), attempts
//! of one block (the /48), and all attempts. A narrower counter counts everything; a wider one takes from each narrower
//! one less than it lets pass. So one subscriber, whatever its /64s do, closes the account for itself and not for its
//! neighbours, and one block not for other blocks: a person on a new network is let in at once. Two blocks together
//! do close the account. The networks' own counters, over all accounts, stand for /64, /56 and /48 in the same way.
//!
//! A counter lets some failures pass ([`Limit::free`]), then asks for a delay that doubles with each further one up to
//! a longest delay, and forgets half of what it has in each [`Limit::half_life`]. There is no lock-out: one attempt
//! passes after each delay. When an account is under attack from many blocks, that attempt would go to whoever asks most
//! often, so they draw lots: after the delay comes the same time again, over which each block gets a turn of its own (and
//! in it each subscriber, and each /64), told in `retry_after`, with a new draw after every attempt. A person on an
//! unknown network who comes back when told gets through about once in as many turns as blocks attack.
//!
//! An account is known here by what was typed, normalised, whether there is such an account or not: see
//! [`Attempt::account`]. So nothing here tells whether a name exists, nor which address belongs to which name.
//!
//! # What it costs
//! - Account and network counters are sketches: each key has four cells, found by a keyed hash, and counts as what the
//!   least of its cells says. Nothing is ever evicted, so invented names cannot push a counter out; and no counter says
//!   less than was counted in it. What invented names can do is fill cells; how fast is bounded by how fast the hashing pool
//!   hashes, since only attempts that are hashed count. With the sizes in [`Settings`], four cores that hash invented
//!   names without a pause delay nobody else; more of them delay some accounts by a second or two.
//! - Known networks are a table of bounded size, four networks an account, that forgets the least recently used. Only
//!   a success writes to it. Who is forgotten (and everybody, after a restart) is measured as a stranger once.
//! - Strangers who attack from thousands of blocks at once can make a person on an unknown network wait for long.
//! - Who shares a known network with the attacker shares that counter, and waits for at most its longest delay.
//! - A guess every minute and a half is about a thousand a day at one account: what the password policy is for. One that
//!   can be signed in to by a name and by an address has a counter for each, and so twice as many.
//! - Two processes count apart.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;

pub mod bucket;
mod counter;
mod keyed_hash;
mod known_networks;
mod network;
#[cfg(test)]
mod network_tests;
mod outcome;
mod paged;
mod repeats;
mod settings;
mod state;
#[cfg(test)]
mod tests;

use counter::Key;
pub use counter::Limit;
use keyed_hash::KeyedHash;
use network::Networks;
pub use network::counted_address;
pub use outcome::{Stats, Throttled, ThrottledBy};
pub use settings::Settings;
use state::{Counted, Met, State, Taken};

/// One attempt to sign in, or to prove a password otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The account's key: the bytes of the *normalised* name or address, whether there is such an account or not.
    pub account: &'a [u8],
    /// Who asks. Counted by address for IPv4; by the /64, the /56 and the /48 for IPv6.
    pub peer: IpAddr,
    /// What [`Throttle::digest`] made of the password.
    pub password: PasswordDigest,
}

/// Where an attempt comes from, in numbers that mean nothing outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The account, or a name that somebody invented.
    pub account: u64,
    /// The subscriber: the /56 of IPv6, the address of IPv4.
    pub site: u64,
    /// The widest network: the /48 of IPv6, the address of IPv4.
    pub block: u64,
    /// Whether the account has signed in from this network before.
    pub known: bool,
}

/// Tells equal passwords from different ones, in this process only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordDigest([u8; 32]);

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordDigest(…)")
    }
}

/// The counters. Share one among everything that checks passwords.
pub struct Throttle {
    settings: Settings,
    hash: KeyedHash,
    state: Mutex<State>,
}

impl Throttle {
    /// Empty counters under a random key, which makes it impossible to choose names that meet in one cell.
    #[must_use]
    pub fn new(settings: Settings, key: &[u8; 32]) -> Self {
        let state = State::new(&settings);
        Self { settings, hash: KeyedHash::new(key), state: Mutex::new(state) }
    }

    /// What [`Attempt::password`] wants.
    #[must_use]
    pub fn digest(&self, password: &[u8]) -> PasswordDigest {
        PasswordDigest(self.hash.hash(b'p', &[password]))
    }

    /// Counts `attempt` as a failure, before its password is hashed.
    ///
    /// # Errors
    /// [`Throttled`] if it comes too soon: answer so, and hash nothing.
    pub fn reserve(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<Reservation<'_>, Throttled> {
        let account = self.account(attempt.account);
        let networks = Networks::of(&self.hash, attempt.peer);
        let network = networks.lan;
        let parts: [&[u8]; 3] = [&account.bytes(), &network.bytes(), &attempt.password.0];
        let repeat = Key::from(self.hash.hash(b'r', &parts));
        let met = Met {
            by_account: network::of_account(&self.hash, self.settings.account, account, networks),
            by_network: network::of_networks(&self.settings, networks),
        };
        let counted = self.state().count(&self.settings, (account, network, repeat), met, now)?;
        Ok(Reservation { throttle: self, account, network, repeat, counted })
    }

    /// Where an attempt comes from; counts nothing.
    #[must_use]
    pub fn origin(&self, account: &[u8], peer: IpAddr) -> Origin {
        let (account, networks) = (self.account(account), Networks::of(&self.hash, peer));
        Origin {
            account: account.narrow(),
            site: networks.site().narrow(),
            block: networks.block().narrow(),
            known: self.state().known_networks.find(account, networks.lan).is_some(),
        }
    }

    /// Makes a network known to another name of an account that has just signed in from there, unless it is so already.
    pub fn remember(&self, account: &[u8], peer: IpAddr, now: Timestamp) {
        let (account, networks) = (self.account(account), Networks::of(&self.hash, peer));
        let mut state = self.state();
        if state.known_networks.find(account, networks.lan).is_none() {
            state.known_networks.remember(account, networks.lan, now);
        }
    }

    /// How many attempts met which fate.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state().stats
    }

    fn account(&self, account: &[u8]) -> Key {
        Key::from(self.hash.hash(b'a', &[account]))
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
    /// The password was right: takes back what this attempt counted and makes its network known to the account,
    /// with a clean counter of its own. Nobody else's counter is cleared: not the network's, not the one of strangers at
    /// the same account.
    pub fn succeeded(self, now: Timestamp) {
        let mut state = self.throttle.state();
        self.give_back(&mut state);
        state.known_networks.remember(self.account, self.network, now);
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
        match &self.counted {
            Counted::Repeat => {}
            Counted::KnownNetwork { until } => {
                if let Some(counter) = state.known_networks.find(self.account, self.network) {
                    counter.give_back(&self.throttle.settings.known_network, *until);
                }
            }
            Counted::Stranger(taken) => {
                for Taken { level, until, part, passed_on } in taken {
                    let parts = (*part, *passed_on);
                    state.table(level.table).give_back(level.key, &level.limit, parts, *until);
                }
            }
        }
    }
}
