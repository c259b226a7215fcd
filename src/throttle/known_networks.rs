//! Remembers from which networks each account has signed in.

use super::counter::{Counter, Key};
use super::paged::Paged;
use crate::clock::Timestamp;

/// A set-associative table: an account hashes to one set of eight places, where the least recently used account is
/// replaced.
pub(super) struct KnownNetworks {
    sets: Paged<[Account; WAYS]>,
}

const WAYS: usize = 8;

/// How many networks are remembered for an account: home, work, phone, and one more.
const NETWORKS: usize = 4;

#[derive(Clone, Copy, Default)]
struct Account {
    key: Option<u128>,
    used: Timestamp,
    networks: [Network; NETWORKS],
}

#[derive(Clone, Copy, Default)]
struct Network {
    key: Option<u64>,
    used: Timestamp,
    counter: Counter,
}

impl KnownNetworks {
    pub(super) fn new(accounts: usize) -> Self {
        Self { sets: Paged::new(accounts.div_ceil(WAYS)) }
    }

    /// The counter of this account and network, if the network is known. Reading does not count as use: only a
    /// successful sign-in keeps an entry.
    pub(super) fn find(&mut self, account: Key, network: Key) -> Option<&mut Counter> {
        let at = account.place(self.sets.len());
        let found = self.sets.known_mut(at)?.iter_mut().find(|held| held.key == Some(account.wide()))?;
        let known = found.networks.iter_mut().find(|held| held.key == Some(network.narrow()))?;
        Some(&mut known.counter)
    }

    /// Makes the network known to the account, with a counter at zero.
    pub(super) fn remember(&mut self, account: Key, network: Key, now: Timestamp) {
        let key = Some(account.wide());
        let Some(set) = self.set(account) else { return };
        let at = set.iter().position(|held| held.key == key);
        let held = match at {
            Some(at) => set.get_mut(at),
            None => set.iter_mut().min_by_key(|held| (held.key.is_some(), held.used)),
        };
        let Some(held) = held else { return };
        if held.key != key {
            *held = Account { key, ..Account::default() };
        }
        held.used = now;
        held.remember(network, now);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.known().flatten().filter(|held| held.key.is_some()).count()
    }

    fn set(&mut self, account: Key) -> Option<&mut [Account; WAYS]> {
        let at = account.place(self.sets.len());
        self.sets.get_mut(at)
    }
}

impl Account {
    fn remember(&mut self, network: Key, now: Timestamp) {
        let key = Some(network.narrow());
        let at = self.networks.iter().position(|held| held.key == key);
        let held = match at {
            Some(at) => self.networks.get_mut(at),
            None => self.networks.iter_mut().min_by_key(|held| (held.key.is_some(), held.used)),
        };
        if let Some(held) = held {
            *held = Network { key, used: now, counter: Counter::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::from([n; 32])
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn an_account_keeps_its_four_latest_networks() {
        let mut networks = KnownNetworks::new(64);
        for network in 1..=4 {
            networks.remember(key(1), key(network), at(network.into()));
        }
        networks.remember(key(1), key(1), at(10));
        networks.remember(key(1), key(5), at(11));
        let known = [1, 2, 3, 4, 5].map(|network| networks.find(key(1), key(network)).is_some());
        assert_eq!(known, [true, false, true, true, true]);
    }

    #[test]
    fn other_accounts_do_not_share_a_network() {
        let mut networks = KnownNetworks::new(1);
        networks.remember(key(1), key(9), at(1));
        assert!(networks.find(key(2), key(9)).is_none());
    }

    #[test]
    fn space_is_bounded_and_the_least_recently_used_account_makes_room() {
        let mut networks = KnownNetworks::new(1);
        for account in 1..=100 {
            networks.remember(key(account), key(1), at(account.into()));
            networks.remember(key(1), key(1), at(account.into()));
        }
        assert_eq!(networks.sets.len(), 1);
        let known = |networks: &mut KnownNetworks, account| networks.find(key(account), key(1)).is_some();
        assert!(known(&mut networks, 1) && known(&mut networks, 100) && !known(&mut networks, 50));
    }
}
