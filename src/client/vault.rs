//! Records of registered clients: the digests of their secrets in the vault, and two indexes.
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
/// The version of the index: raise it whenever the code that builds the index changes.
const VERSION: u8 = 1;
/// The most secrets of one client that are valid at a time.
const MOST_SECRETS: usize = 4;

/// The secrets of a client, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Secrets(#[n(0)] Vec<StoredSecret>);

/// A secret's digest, and until when the secret is valid.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StoredSecret {
    /// The SHA-256 of the secret.
    #[n(0)]
    pub digest: SecretDigest,
    /// When the secret was generated, in milliseconds since the Unix epoch.
    #[n(1)]
    pub made: Timestamp,
    /// When the secret expires, in milliseconds since the Unix epoch; `None`: it is valid until it is replaced.
    #[n(2)]
    pub until: Option<Timestamp>,
}

impl Secrets {
    /// Adds a secret generated at `now`. The secrets before it stay valid until `old_until`, or until their own expiry
    /// if that is earlier.
    #[must_use]
    pub fn rotated(&self, digest: SecretDigest, now: Timestamp, old_until: Timestamp) -> Self {
        let older = self.0.iter().map(|kept| {
            let until = kept.until.map_or(old_until, |until| until.min(old_until));
            StoredSecret { until: Some(until), ..kept.clone() }
        });
        let good = older.filter(|kept| kept.until.is_none_or(|until| now < until));
        Self(
            std::iter::once(StoredSecret { digest, made: now, until: None })
                .chain(good)
                .take(MOST_SECRETS)
                .collect(),
        )
    }

    /// The secrets that are valid at `now`.
    pub fn valid_at(&self, now: Timestamp) -> impl Iterator<Item = &StoredSecret> {
        self.0.iter().filter(move |kept| kept.until.is_none_or(|until| now < until))
    }

    /// As the record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// From the record's bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not secrets.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}

/// The vault's record of a client's secrets.
#[must_use]
pub fn secrets(id: &ClientId) -> RecordKey {
    RecordKey::vault(&[b"S", id.as_str().as_bytes()])
}

/// The index entry of a registered client.
#[must_use]
pub fn registered(id: &ClientId) -> RecordKey {
    RecordKey::index(VERSION, &[b"k", id.as_str().as_bytes()])
}

/// The prefix of all registered clients, sorted by id.
#[must_use]
pub fn all_registered() -> RecordKey {
    RecordKey::index(VERSION, &[b"k"])
}

/// The prefix of the registered clients that have pages from `origin`; those that get refresh tokens in a cookie come
/// first.
#[must_use]
pub fn all_from(origin: &Origin) -> RecordKey {
    RecordKey::index(VERSION, &[b"o", origin.as_str().as_bytes(), &[0]])
}

/// How a client gets its refresh tokens, read from its `key` under [`all_from`].
#[must_use]
pub fn delivery_of(origin: &Origin, key: &RecordKey) -> Option<Delivery> {
    let rest = key.as_bytes().strip_prefix(all_from(origin).as_bytes())?;
    match rest.first()? {
        b'0' => Some(Delivery::Cookie),
        _ => Some(Delivery::Body),
    }
}

/// The changes to the indexes that belong in the same append as the change of the client `id` from `before` to `after`.
#[must_use]
pub fn changes(id: &ClientId, before: &Client, after: &Client) -> Vec<RecordChange> {
    let (old, new) = (entries(id, before), entries(id, after));
    let dropped = old.iter().filter(|key| !new.contains(key)).cloned().map(RecordChange::Delete);
    let added = new.iter().filter(|key| !old.contains(key)).cloned();
    dropped.chain(added.map(|key| RecordChange::Put(key, Vec::new()))).collect()
}

/// The index entries of a client in this state.
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
    use crate::client::TokenEndpointAuthMethod;
    use crate::client::decide::tests::metadata;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn good(secrets: &Secrets, now: u64) -> Vec<&SecretDigest> {
        secrets.valid_at(at(now)).map(|kept| &kept.digest).collect()
    }

    #[test]
    fn a_replaced_secret_is_good_until_its_overlap_ends() {
        let (a, b, c) = (SecretDigest::of("a"), SecretDigest::of("b"), SecretDigest::of("c"));
        let secrets = Secrets::default().rotated(a.clone(), at(0), at(0));
        let secrets = secrets.rotated(b.clone(), at(10), at(20));
        assert_eq!(good(&secrets, 19), [&b, &a]);
        assert_eq!(good(&secrets, 20), [&b]);
        // A later rotation with a long overlap neither revives nor prolongs the first secret.
        let secrets = secrets.rotated(c.clone(), at(15), at(100));
        assert_eq!(good(&secrets, 19), [&c, &b, &a]);
        assert_eq!(good(&secrets, 21), [&c, &b]);
        // Without an overlap all older secrets expire at once.
        let secrets = secrets.rotated(a.clone(), at(16), at(16));
        assert_eq!(good(&secrets, 16), [&a]);
        assert_eq!(secrets.0.len(), 1, "what is good no longer is not kept");
        assert_eq!(Secrets::decode(&secrets.encode()), Ok(secrets));
    }

    fn registered_from(origins: &[&str], delivery: Delivery) -> Client {
        let mut metadata = metadata(TokenEndpointAuthMethod::None);
        metadata.origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        metadata.refresh_token_delivery = delivery;
        Client { metadata: Some(metadata), ..Client::default() }
    }

    #[test]
    fn the_index_of_origins_says_how_a_client_gets_its_refresh_tokens() {
        let (id, origin) = ("web".parse().unwrap(), "https://a.example".parse().unwrap());
        for delivery in [Delivery::Body, Delivery::Cookie] {
            let [of_client, of_origin] =
                entries(&id, &registered_from(&["https://a.example"], delivery)).try_into().unwrap();
            assert_eq!(of_client, registered(&id));
            assert_eq!(delivery_of(&origin, &of_origin), Some(delivery));
            assert_eq!(delivery_of(&"https://b.example".parse().unwrap(), &of_origin), None);
        }
    }

    #[test]
    fn only_what_a_change_makes_different_is_written_to_the_indexes() {
        let id = "web".parse().unwrap();
        let one = registered_from(&["https://a.example"], Delivery::Body);
        let two = registered_from(&["https://a.example", "https://b.example"], Delivery::Body);
        let of_b = entries(&id, &two).pop().unwrap();
        assert_eq!(changes(&id, &one, &one), []);
        assert_eq!(changes(&id, &one, &two), [RecordChange::Put(of_b.clone(), Vec::new())]);
        assert_eq!(changes(&id, &two, &one), [RecordChange::Delete(of_b)]);
    }
}
