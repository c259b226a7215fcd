//! Records of clients: their secrets' digests in the vault, and an index of those that are registered here.
//!
//! | key | value |
//! |---|---|
//! | vault: `S`, id | the digests of its secrets |
//! | index: `k`, id | nothing: the clients that are registered here |
//! | index: `o`, origin, 0, how it gets refresh tokens, id | nothing: where pages of registered clients come from |

use minicbor::{Decode, Encode};

use super::metadata::Delivery;
use super::secret::SecretDigest;
use super::state::Client;
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{ClientId, Origin};
use crate::store::{RecordChange, RecordKey};

const FORMAT: u8 = 1;
/// The version of the index. Raise it when what makes it changes.
const VERSION: u8 = 1;
/// The most secrets that are good at a time.
const MOST: usize = 4;

/// The secrets of a client, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Secrets(#[n(0)] Vec<Kept>);

/// A secret's digest, and how long it is good.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Kept {
    /// The digest.
    #[n(0)]
    pub digest: SecretDigest,
    /// When it was made.
    #[n(1)]
    pub made: Timestamp,
    /// Until when it is good; none: until it is replaced.
    #[n(2)]
    pub until: Option<Timestamp>,
}

impl Secrets {
    /// With a new secret, made `now`; the one before it is good until `old_until`, unless it ends earlier.
    #[must_use]
    pub fn rotated(&self, digest: SecretDigest, now: Timestamp, old_until: Timestamp) -> Self {
        let older = self.0.iter().map(|kept| {
            let until = kept.until.map_or(old_until, |until| until.min(old_until));
            Kept { until: Some(until), ..kept.clone() }
        });
        let good = older.filter(|kept| kept.until.is_none_or(|until| now < until));
        Self(std::iter::once(Kept { digest, made: now, until: None }).chain(good).take(MOST).collect())
    }

    /// Those that are good `now`.
    pub fn good(&self, now: Timestamp) -> impl Iterator<Item = &Kept> {
        self.0.iter().filter(move |kept| kept.until.is_none_or(|until| now < until))
    }

    /// As a record's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// Out of a record's value.
    ///
    /// # Errors
    /// A newer format, or bytes that are no secrets.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}

/// The secrets of a client.
#[must_use]
pub fn secrets(id: &ClientId) -> RecordKey {
    RecordKey::vault(&[b"S", id.as_str().as_bytes()])
}

/// A client that is registered here.
#[must_use]
pub fn registered(id: &ClientId) -> RecordKey {
    RecordKey::index(VERSION, &[b"k", id.as_str().as_bytes()])
}

/// All clients that are registered here, by id.
#[must_use]
pub fn all_registered() -> RecordKey {
    RecordKey::index(VERSION, &[b"k"])
}

/// The registered clients with pages from an origin, those with a cookie first.
#[must_use]
pub fn all_from(origin: &Origin) -> RecordKey {
    RecordKey::index(VERSION, &[b"o", origin.as_str().as_bytes(), &[0]])
}

/// How the client of a key under [`all_from`] gets its refresh tokens.
#[must_use]
pub fn delivery_of(origin: &Origin, key: &RecordKey) -> Option<Delivery> {
    let rest = key.as_bytes().strip_prefix(all_from(origin).as_bytes())?;
    match rest.first()? {
        b'0' => Some(Delivery::Cookie),
        _ => Some(Delivery::Body),
    }
}

/// The changes to the indexes that land with what takes the client `id` from `before` to `after`.
#[must_use]
pub fn changes(id: &ClientId, before: &Client, after: &Client) -> Vec<RecordChange> {
    let (old, new) = (entries(id, before), entries(id, after));
    let dropped = old.iter().filter(|key| !new.contains(key)).cloned().map(RecordChange::Delete);
    let added = new.iter().filter(|key| !old.contains(key)).cloned();
    dropped.chain(added.map(|key| RecordChange::Put(key, Vec::new()))).collect()
}

/// The records that there are of a client in the indexes.
fn entries(id: &ClientId, client: &Client) -> Vec<RecordKey> {
    let Some(metadata) = &client.metadata else { return Vec::new() };
    let delivery: &[u8] = match metadata.refresh_token_delivery {
        Delivery::Cookie => b"0",
        Delivery::Body => b"1",
    };
    let from = |origin: &Origin| {
        let parts = [b"o", origin.as_str().as_bytes(), &[0], delivery, id.as_str().as_bytes()];
        RecordKey::index(VERSION, &parts)
    };
    std::iter::once(registered(id)).chain(metadata.origins.iter().map(from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn good(secrets: &Secrets, now: u64) -> Vec<&SecretDigest> {
        secrets.good(at(now)).map(|kept| &kept.digest).collect()
    }

    #[test]
    fn a_replaced_secret_is_good_until_its_overlap_ends() {
        let (a, b, c) = (SecretDigest::of("a"), SecretDigest::of("b"), SecretDigest::of("c"));
        let secrets = Secrets::default().rotated(a.clone(), at(0), at(0));
        let secrets = secrets.rotated(b.clone(), at(10), at(20));
        assert_eq!(good(&secrets, 19), [&b, &a]);
        assert_eq!(good(&secrets, 20), [&b]);
        // A long overlap later does not revive or prolong the first.
        let secrets = secrets.rotated(c.clone(), at(15), at(100));
        assert_eq!(good(&secrets, 19), [&c, &b, &a]);
        assert_eq!(good(&secrets, 21), [&c, &b]);
        // Without an overlap all older ones end.
        let secrets = secrets.rotated(a.clone(), at(16), at(16));
        assert_eq!(good(&secrets, 16), [&a]);
        assert_eq!(Secrets::decode(&secrets.encode()), Ok(secrets));
    }
}
