//! The networks that contain an address, and the counters that apply to an attempt from it.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use super::counter::{Key, Limit};
use super::keyed_hash::KeyedHash;
use super::settings::Settings;

/// The address by which a host is counted. IPv4 inside IPv6 counts as IPv4: mapped (`::ffff:0:0/96`, RFC 4291
/// §2.5.5.2), or from a translator (`64:ff9b::/96`, RFC 6052 §2.1), whose /64 would be all of IPv4. A translator with
/// its own prefix (RFC 8215) is not recognised, because its position of the IPv4 address is unknown.
#[must_use]
pub fn counted_address(peer: IpAddr) -> IpAddr {
    let address = peer.to_canonical();
    let IpAddr::V6(translated) = address else { return address };
    match translated.octets() {
        [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => IpAddr::from([a, b, c, d]),
        _ => address,
    }
}

/// The networks of one address, as keys. For IPv6: the /64, which is one network in a home; the /56, which one
/// subscriber has; the /48, which a larger subscriber has. For IPv4 the address is all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Networks {
    #[n(0)]
    pub(super) lan: Key,
    #[n(1)]
    wider: Option<(Key, Key)>,
}

impl Networks {
    pub(super) fn of(hash: &KeyedHash, peer: IpAddr) -> Self {
        match counted_address(peer) {
            IpAddr::V4(address) => {
                Self { lan: Key::from(hash.hash(b'4', &[&address.octets()])), wider: None }
            }
            IpAddr::V6(address) => {
                let octets = address.octets();
                let key =
                    |kind, len: usize| Key::from(hash.hash(kind, &[octets.get(..len).unwrap_or(&octets)]));
                Self { lan: key(b'6', 8), wider: Some((key(b'5', 7), key(b'7', 6))) }
            }
        }
    }

    /// The subscriber: /56.
    pub(super) fn site(self) -> Key {
        self.wider.map_or(self.lan, |(site, _)| site)
    }

    /// The widest network: /48.
    pub(super) fn block(self) -> Key {
        self.wider.map_or(self.lan, |(_, block)| block)
    }
}

/// The table that holds a counter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    Accounts,
    /// Counters of one account and one network.
    Sources,
    Networks,
}

/// One counter that applies to an attempt. They are ordered from the narrowest to the widest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub(super) table: Table,
    pub(super) key: Key,
    pub(super) limit: Limit,
    /// Who draws a turn at this counter; `None` if only one party can come.
    pub(super) who: Option<Key>,
    /// How many failures of this counter the next wider one counts at most. It is fewer than the wider one permits, so
    /// that no network can close what it shares with others.
    pub(super) passes_on: u32,
}

/// The counters of an account: of the subscriber's attempts at it, of the block's attempts at it, and its own.
pub(super) fn of_account(hash: &KeyedHash, limit: Limit, account: Key, networks: Networks) -> Vec<Level> {
    // Three quarters, so that the person may mistype too; never all.
    let part = limit.free.saturating_sub(limit.free / 4).min(limit.free.saturating_sub(1)).max(1);
    let level = |table, key, who| Level { table, key, limit, who, passes_on: part };
    let pair = |kind, network: Key| Key::from(hash.hash(kind, &[&account.bytes(), &network.bytes()]));
    let own = level(Table::Accounts, account, Some(networks.block()));
    let of_site = pair(b's', networks.site());
    match networks.wider {
        None => vec![level(Table::Sources, of_site, None), own],
        Some((site, block)) => vec![
            level(Table::Sources, of_site, Some(networks.lan)),
            level(Table::Sources, pair(b'b', block), Some(site)),
            own,
        ],
    }
}

/// The counters of the networks, over all accounts. A wider network is permitted more failures.
pub(super) fn of_networks(settings: &Settings, networks: Networks) -> Vec<Level> {
    let level = |key, times: u32, passes_on: u32| {
        let free = settings.network.free;
        let limit = Limit { free: free.saturating_mul(times), ..settings.network };
        Level { table: Table::Networks, key, limit, who: None, passes_on: free.saturating_mul(passes_on) }
    };
    let lan = level(networks.lan, 1, 1);
    match networks.wider {
        None => vec![lan],
        Some((site, block)) => vec![lan, level(site, SITE, BLOCK / 2), level(block, BLOCK, 0)],
    }
}

/// How many times as many failures as one network a subscriber (`SITE`) and a block (`BLOCK`) are permitted.
const SITE: u32 = 2;
const BLOCK: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_in_ipv6_is_counted_as_ipv4() {
        let counted = |text: &str| counted_address(text.parse().unwrap()).to_string();
        assert_eq!(counted("192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("64:ff9b::192.0.2.1"), "192.0.2.1");
        for other in ["::1", "2001:db8::1", "64:ff9b::1:c000:201", "64:ff9b:1::c000:201"] {
            assert_eq!(counted(other), other);
        }
    }

    #[test]
    fn hosts_behind_a_translator_are_no_network_together() {
        let hash = KeyedHash::new(&[7; 32]);
        let of = |text: &str| {
            let networks = Networks::of(&hash, text.parse().unwrap());
            [networks.lan, networks.site(), networks.block()].map(Key::narrow)
        };
        assert_eq!(of("64:ff9b::192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("64:ff9b::192.0.2.1"), of("64:ff9b::192.0.2.2"));
    }
}
