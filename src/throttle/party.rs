//! Whose account is tried, and from where.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use super::counter::Key;
use super::keyed_hash::KeyedHash;
use super::network::Networks;

/// The account that is tried and the networks that the attempt comes from, as hashes under a secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Party {
    #[n(0)]
    pub(super) account: Key,
    #[n(1)]
    pub(super) networks: Networks,
}

impl Party {
    pub(super) fn of(hash: &KeyedHash, account: &[u8], peer: IpAddr) -> Self {
        Self { account: Key::from(hash.hash(b'a', &[account])), networks: Networks::of(hash, peer) }
    }
}
