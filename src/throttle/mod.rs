//! Limits on guessing passwords. They are counted in memory; no I/O.
//!
//! Every attempt is [reserved](Throttle::reserve) before its password is hashed, and counts as a failure from then on;
//! only a success or a full hashing queue takes it back. So of a hundred concurrent guesses, no more are hashed than
//! the limit permits. An attempt is counted in one of two ways:
//!
//! - **From a known network**, one from which this account has signed in before: by a counter of this account and
//!   network alone. So attackers elsewhere can't delay a person at home or at work.
//! - **From any other network**: by the account's counters and by the network's counters. The first limit guesses at
//!   one account from everywhere, the second one password tried on many accounts.
//!
//! An account has three counters: the attempts of one subscriber (the /56 of IPv6, the address of IPv4), the attempts
//! of one block (the /48), and all attempts. A narrower counter counts everything; a wider one counts of each narrower
//! one less than it permits in all. So one subscriber, from whichever /64s, can close the account only for itself and
//! not for its neighbours, and one block not for other blocks: a person on a new network is let in at once. Two blocks
//! together do close the account. The networks' counters, over all accounts, are nested in the same way: /64, /56 and
//! /48.
//!
//! A counter permits some failures ([`Limit::free`]), then asks for a delay that doubles with each further failure up
//! to a longest delay, and forgets half of its failures in each [`Limit::half_life`]. Nobody is locked out: one attempt
//! is permitted after each delay. When many blocks attack an account, whoever asks most often would get that attempt.
//! So turns are drawn at random: after the delay comes a period of the same length, in which each block gets its own
//! turn (and within the block each subscriber, and each /64). `retry_after` says when, and every counted attempt draws
//! anew. A person on an unknown network who comes back at that time gets through about once in as many turns as there
//! are attacking blocks.
//!
//! The account is identified by the normalised name that was typed, whether there is such an account or not: see
//! [`Attempt::account`]. So the limits do not reveal whether a name exists, nor which address belongs to which name.
//!
//! # What it costs
//! - Account and network counters are sketches: each key has four cells, found by a keyed hash, and the lowest of them
//!   is its count. Nothing is ever evicted, so invented names can't push a counter out, and no count is too low.
//!   Invented names can fill cells, only as fast as the hashing pool hashes, because only hashed attempts count. With
//!   the sizes in [`Settings`], four cores that hash invented names without a pause delay nobody else; more cores delay
//!   some accounts by a second or two.
//! - Known networks are a table of bounded size, four networks an account, that drops the least recently used. Only a
//!   successful sign-in writes to it. A person whose network was dropped (and everybody, after a restart) is counted as
//!   a stranger once.
//! - Attackers in thousands of blocks at once can make a person on an unknown network wait for long.
//! - A person who shares a known network with the attacker shares that counter, and waits for at most its longest
//!   delay.
//! - A guess every minute and a half is about a thousand a day at one account; the password policy makes passwords
//!   strong enough for that. An account that can be signed in to by a name and by an address has a counter for each, so
//!   twice as many guesses.
//! - A process that starts counts anew, unless it shares its counters.
//!
//! # Several nodes
//! Nodes that use one database count together, so that N nodes permit as many guesses as one, exactly. What a node wants
//! to count, it tells the others as an [`Operation`](operation::Operation) in a log that has one order, and a
//! [`Replica`](replica::Replica) of the counters applies the log: the same operations in the same order under the same
//! key, so all nodes count the same. A node decides an attempt of its own when it has applied everything before it. The
//! time of the log ([`log_clock`]) never goes back. Three things are a node's own: [`Stats`], wrong passwords that are
//! repeated (passwords are in the log in no form, so a repeat at another node counts as a failure), and what the log no
//! longer had when the node started.
//!
//! How often something is done, which [buckets](bucket) limit, goes through the same log. There no node waits for it.
//!
//! Where the nodes have different keys, as when the secret is taken away from which they are derived and one node was
//! started since, they count apart. Where they have different [`Settings`], each decides by its own.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;

pub mod bucket;
#[cfg(test)]
mod bucket_tests;
mod counter;
mod keyed_hash;
mod known_networks;
pub mod log_clock;
mod network;
#[cfg(test)]
mod network_tests;
pub mod operation;
mod outcome;
mod paged;
mod party;
pub mod rate_limits;
mod repeats;
pub mod replica;
#[cfg(test)]
mod replica_tests;
mod settings;
pub mod shared;
mod state;
pub mod takes;
#[cfg(test)]
mod takes_tests;
#[cfg(test)]
mod tests;

use counter::Key;
pub use counter::Limit;
use keyed_hash::KeyedHash;
pub use keyed_hash::shared_key;
pub use network::counted_address;
pub use outcome::{Permitted, Stats, Throttled, ThrottledBy};
pub use party::Party;
pub use settings::Settings;
use state::{Counted, Met, State};

/// One attempt to sign in, or to confirm a password elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The bytes of the *normalised* name or address that was typed, whether there is such an account or not.
    pub account: &'a [u8],
    /// The client's address. Counted by address for IPv4; by the /64, the /56 and the /48 for IPv6.
    pub peer: IpAddr,
    /// The digest of the password, from [`Throttle::digest`].
    pub password: PasswordDigest,
}

/// Where an attempt comes from, as hashes that only this process can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The hash of the account's name, which may be invented.
    pub account: u64,
    /// The hash of the subscriber: the /56 of IPv6, the address of IPv4.
    pub site: u64,
    /// The hash of the widest network: the /48 of IPv6, the address of IPv4.
    pub block: u64,
    /// Whether the account has signed in from this network before.
    pub known: bool,
}

/// A digest by which equal passwords are recognised, in this process only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordDigest([u8; 32]);

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordDigest(…)")
    }
}

/// The counters. Everything that checks passwords shares one `Throttle`.
pub struct Throttle {
    settings: Settings,
    hash: KeyedHash,
    state: Mutex<State>,
}

impl Throttle {
    /// Counters at zero. `key` must be random, so that nobody can choose names that share a cell.
    #[must_use]
    pub fn new(settings: Settings, key: &[u8; 32]) -> Self {
        let state = State::new(&settings);
        Self { settings, hash: KeyedHash::new(key), state: Mutex::new(state) }
    }

    /// The digest for [`Attempt::password`].
    #[must_use]
    pub fn digest(&self, password: &[u8]) -> PasswordDigest {
        PasswordDigest(self.hash.hash(b'p', &[password]))
    }

    /// Counts `attempt` as a failure, before its password is hashed.
    ///
    /// # Errors
    /// [`Throttled`] if the attempt comes too soon: the caller must answer so and hash nothing.
    pub fn reserve(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<Reservation<'_>, Throttled> {
        let party = self.party(attempt.account, attempt.peer);
        let repeat = self.repeat(&party, attempt.password);
        let met = self.met(&party);
        let mut state = self.state();
        // Checked before the limits: a client that sends the same credentials in another form gets the same answer
        // again.
        let counted = if state.repeats.take(repeat, now) {
            Ok(Counted::Repeat)
        } else {
            state.count(&self.settings, &party, met, now)
        };
        state.stats.note(&counted.as_ref().map(Counted::permitted).map_err(|throttled| *throttled));
        Ok(Reservation { throttle: self, party, repeat, counted: counted? })
    }

    /// Where an attempt comes from. Counts nothing.
    #[must_use]
    pub fn origin(&self, account: &[u8], peer: IpAddr) -> Origin {
        let Party { account, networks } = self.party(account, peer);
        Origin {
            account: account.narrow(),
            site: networks.site().narrow(),
            block: networks.block().narrow(),
            known: self.state().known_networks.find(account, networks.lan).is_some(),
        }
    }

    /// Makes the network known to another name of an account that has just signed in from it, unless it is known
    /// already.
    pub fn remember(&self, account: &[u8], peer: IpAddr, now: Timestamp) {
        self.remember_party(&self.party(account, peer), now);
    }

    /// How many attempts had which outcome since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state().stats
    }

    fn party(&self, account: &[u8], peer: IpAddr) -> Party {
        Party::of(&self.hash, account, peer)
    }

    fn repeat(&self, party: &Party, password: PasswordDigest) -> Key {
        let repeated: [&[u8]; 3] = [&party.account.bytes(), &party.networks.lan.bytes(), &password.0];
        Key::from(self.hash.hash(b'r', &repeated))
    }

    fn met(&self, party: &Party) -> Met {
        Met {
            by_account: network::of_account(&self.hash, self.settings.account, party.account, party.networks),
            by_network: network::of_networks(&self.settings, party.networks),
        }
    }

    /// Tells the keys of several nodes apart, and nothing else of them.
    fn key_tag(&self) -> [u8; 8] {
        self.hash.hash(b'k', &[]).first_chunk().copied().unwrap_or_default()
    }

    fn count_party(&self, party: &Party, now: Timestamp) -> Result<Counted, Throttled> {
        let met = self.met(party);
        self.state().count(&self.settings, party, met, now)
    }

    fn give_back(&self, party: &Party, counted: &Counted) {
        self.state().give_back(&self.settings, party, counted);
    }

    fn know_party(&self, party: &Party, now: Timestamp) {
        self.state().known_networks.remember(party.account, party.networks.lan, now);
    }

    fn remember_party(&self, party: &Party, now: Timestamp) {
        let mut state = self.state();
        if state.known_networks.find(party.account, party.networks.lan).is_none() {
            state.known_networks.remember(party.account, party.networks.lan, now);
        }
    }

    /// A poisoned lock is used anyway: each step leaves the counters consistent, so a panic elsewhere does no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// An attempt that may be hashed. The caller reports how it ended. If it is dropped without a report, it stays counted
/// as a failure, so that closing the connection before the answer does not evade the limits.
#[derive(Debug)]
#[must_use = "say how the attempt ended"]
pub struct Reservation<'a> {
    throttle: &'a Throttle,
    party: Party,
    repeat: Key,
    counted: Counted,
}

impl Reservation<'_> {
    /// The password was right. Undoes what this attempt counted, and makes its network known to the account, with a
    /// counter at zero. No other counter is reset: neither the network's nor the account's counters for strangers.
    pub fn succeeded(self, now: Timestamp) {
        let Self { throttle, party, counted, .. } = self;
        let mut state = throttle.state();
        state.give_back(&throttle.settings, &party, &counted);
        state.known_networks.remember(party.account, party.networks.lan, now);
        state.stats.succeeded = state.stats.succeeded.saturating_add(1);
    }

    /// The password was wrong. The failure stays counted; the same password again within [`Settings::repeat_window`]
    /// counts nothing.
    pub fn failed(self, now: Timestamp) {
        let mut state = self.throttle.state();
        state.repeats.remember(self.repeat, now);
        state.stats.failed = state.stats.failed.saturating_add(1);
    }

    /// Nothing was hashed, because the pool was busy or the store unavailable. Undoes what was counted.
    pub fn abandoned(self) {
        let Self { throttle, party, counted, .. } = self;
        let mut state = throttle.state();
        state.give_back(&throttle.settings, &party, &counted);
        state.stats.abandoned = state.stats.abandoned.saturating_add(1);
    }
}
