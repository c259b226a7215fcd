//! A delivery: one client is to be told that one login has ended. It is a record until the client has answered.
//!
//! | key | value |
//! |---|---|
//! | `bp`, length and text of the client's id, when it is due (milliseconds, big endian), id | a delivery that is pending |
//! | `bg`, when it was given up (milliseconds, big endian), id | one that was given up |
//!
//! The client comes first, so that the deliveries to a client that is down are never read through to find those to
//! another.

use std::time::Duration;

use minicbor::{Decode, Encode};
use ring::digest::{Context, SHA256};

use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{ClientId, LoginId, UserId};
use crate::store::RecordKey;

const FORMAT: u8 = 1;
/// The pauses after the first tries; later ones are [`PAUSE`] long.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(10), Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(15)];
const PAUSE: Duration = Duration::from_hours(1);
/// For how long it is tried.
const TRIED_FOR: Duration = Duration::from_hours(3 * 24);

/// As much of an error is kept, in bytes.
const ERROR: usize = 200;

/// A client is to be told that a login has ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogoutDelivery {
    /// The client.
    #[n(0)]
    pub client: ClientId,
    /// Whose login it was: the `sub`.
    #[n(1)]
    pub user: UserId,
    /// The login: the `sid`.
    #[n(2)]
    pub login: LoginId,
    /// Since when it is to be told.
    #[n(3)]
    pub since: Timestamp,
    /// How often it was tried without success.
    #[n(4)]
    pub tries: u32,
    /// Why the last try failed. For the operator.
    #[n(5)]
    pub last_error: Option<String>,
}

impl LogoutDelivery {
    /// When to try again after a try that failed at `now`; `None`: give up. A pause is longer by up to a fifth, as
    /// `jitter` says, so that what failed together does not come back together.
    #[must_use]
    pub fn next_try(&self, now: Timestamp, jitter: u8) -> Option<Timestamp> {
        let tries = usize::try_from(self.tries).unwrap_or(usize::MAX);
        let pause = PAUSES.get(tries).copied().unwrap_or(PAUSE);
        // A fifth of the pause for the highest value.
        let longer = pause.as_millis().saturating_mul(u128::from(jitter)) / (5 * 255);
        let longer = Duration::from_millis(u64::try_from(longer).unwrap_or_default());
        let next = now.after(pause).after(longer);
        (!self.is_old(next)).then_some(next)
    }

    /// Whether it is no longer tried at `now`.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        now > self.since.after(TRIED_FOR)
    }

    /// The delivery after a try that failed. Of the error it keeps the beginning: one of TLS names all that a certificate
    /// is good for.
    #[must_use]
    pub fn failed(self, error: &str) -> Self {
        let kept = error.char_indices().take_while(|(at, char)| at.saturating_add(char.len_utf8()) <= ERROR);
        let last_error = Some(kept.map(|(_, char)| char).collect());
        Self { tries: self.tries.saturating_add(1), last_error, ..self }
    }

    /// The delivery as stored bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The delivery from stored bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not a delivery.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}

/// The id of the delivery that follows from an entry of the outbox: the same however often it is made.
#[must_use]
pub fn id(entry: &RecordKey, login: LoginId, client: &ClientId) -> [u8; 16] {
    let mut hash = Context::new(&SHA256);
    hash.update(b"heirloom logout delivery 1\0");
    hash.update(entry.as_bytes());
    hash.update(login.as_bytes());
    hash.update(client.as_str().as_bytes());
    hash.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

/// The key of a pending delivery.
#[must_use]
pub fn pending(client: &ClientId, due: Timestamp, id: &[u8; 16]) -> RecordKey {
    RecordKey::vault(&[b"bp", &client_key(client), &due.millis().to_be_bytes(), id])
}

/// The pending deliveries to a client, by when they are due.
#[must_use]
pub fn pending_of(client: &ClientId) -> RecordKey {
    RecordKey::vault(&[b"bp", &client_key(client)])
}

/// The pending deliveries to all clients.
#[must_use]
pub fn all_pending() -> RecordKey {
    RecordKey::vault(&[b"bp"])
}

/// The last key that a delivery to this client can have.
#[must_use]
pub fn last_of(client: &ClientId) -> RecordKey {
    pending(client, Timestamp::from_millis(u64::MAX), &[u8::MAX; 16])
}

/// The key of a delivery that was given up.
#[must_use]
pub fn given_up(at: Timestamp, id: &[u8; 16]) -> RecordKey {
    RecordKey::vault(&[b"bg", &at.millis().to_be_bytes(), id])
}

/// Those that were given up, in the order in which that happened.
#[must_use]
pub fn all_given_up() -> RecordKey {
    RecordKey::vault(&[b"bg"])
}

/// The time and the id in a key: when it is due, or when it was given up.
#[must_use]
pub fn place_of(key: &RecordKey) -> Option<(Timestamp, [u8; 16])> {
    let (rest, id) = key.as_bytes().split_last_chunk::<16>()?;
    let time = rest.last_chunk::<8>()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*time)), *id))
}

/// The id's length comes first, so that no client's key begins with another's.
fn client_key(client: &ClientId) -> Vec<u8> {
    let text = client.as_str().as_bytes();
    // A client's id has at most 64 bytes.
    std::iter::once(u8::try_from(text.len()).unwrap_or(u8::MAX)).chain(text.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(tries: u32) -> LogoutDelivery {
        LogoutDelivery {
            client: "app".parse().unwrap(),
            user: [1; 16].into(),
            login: [2; 16].into(),
            since: Timestamp::from_seconds(1000),
            tries,
            last_error: None,
        }
    }

    #[test]
    fn a_delivery_is_tried_ever_more_rarely_for_three_days() {
        let mut now = Timestamp::from_seconds(1000);
        let mut pauses = Vec::new();
        let mut tried = delivery(0);
        while let Some(next) = tried.next_try(now, 0) {
            pauses.push(next.since(now).as_secs());
            now = next;
            tried = tried.failed("down");
        }
        assert_eq!(pauses[..6], [10, 60, 300, 900, 3600, 3600]);
        assert!(pauses[4..].iter().all(|pause| *pause == 3600), "{pauses:?}");
        let all: u64 = pauses.iter().sum();
        assert!(all <= 3 * 86_400 && all + 3600 > 3 * 86_400, "{all}");
        assert_eq!((tried.tries as usize, tried.last_error.as_deref()), (pauses.len(), Some("down")));
    }

    #[test]
    fn a_long_error_is_cut_between_two_characters() {
        let kept = |error: &str| delivery(0).failed(error).last_error.unwrap();
        assert_eq!(kept(&"a".repeat(200)).len(), 200);
        assert_eq!(kept(&"a".repeat(100_000)), "a".repeat(200));
        assert_eq!(kept(&"\u{20ac}".repeat(100)), "€".repeat(66), "three bytes each");
    }

    #[test]
    fn jitter_makes_a_pause_longer_by_a_fifth_at_most() {
        let (now, tried) = (Timestamp::from_seconds(1000), delivery(1));
        let pause = |jitter| tried.next_try(now, jitter).unwrap().since(now);
        assert_eq!(pause(0), Duration::from_mins(1));
        assert!(pause(1) > pause(0) && pause(255) > pause(1) && pause(255) <= Duration::from_secs(72));
    }

    #[test]
    fn keys_lead_back_to_time_and_id_and_no_clients_deliveries_are_among_anothers() {
        let (short, long): (ClientId, ClientId) = ("app".parse().unwrap(), "app-2".parse().unwrap());
        let (at, id) = (Timestamp::from_millis(77), [9; 16]);
        assert_eq!(place_of(&pending(&short, at, &id)), Some((at, id)));
        assert_eq!(place_of(&given_up(at, &id)), Some((at, id)));
        assert_eq!(place_of(&all_pending()), None);
        let is_under = |client| {
            let key = pending(&long, at, &id);
            key.as_bytes().starts_with(pending_of(client).as_bytes())
        };
        assert!(is_under(&long) && !is_under(&short));
        assert!(pending(&short, at, &id) < last_of(&short) && last_of(&short) < pending(&long, at, &id));
    }

    #[test]
    fn the_id_follows_from_the_entry_the_login_and_the_client() {
        let (app, other): (ClientId, ClientId) = ("app".parse().unwrap(), "other".parse().unwrap());
        let (first, second) = (RecordKey::vault(&[b"1"]), RecordKey::vault(&[b"2"]));
        let (one, two) = (LoginId::from([1; 16]), LoginId::from([2; 16]));
        assert_eq!(id(&first, one, &app), id(&first, one, &app));
        let ids =
            [id(&first, one, &app), id(&second, one, &app), id(&first, two, &app), id(&first, one, &other)];
        assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)), "{ids:?}");
    }
}
