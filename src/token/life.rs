//! The life cycle of signing keys: a pure function of when the keys were made.
//!
//! A key is published at once and signs after the lead time, so that everybody who caches the JWKS has the key before
//! the first token signed by it. The newest key that may sign is the signer. The previous one stays published until the
//! last token that it signed has expired, plus a grace period.
//!
//! A key that signs ID tokens alone is made as such, and never signs access tokens. These keys follow the same rule among
//! themselves, those of each algorithm.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::oauth::SigningAlgorithm;

/// The periods in a signing key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLife {
    /// How long a new key is published before it signs: longer than any cache keeps the JWKS.
    pub lead_time: Duration,
    /// The longest life of any access token that the server issues.
    pub longest_access_token: Duration,
    /// How long a key stays published after its last token has expired.
    pub grace: Duration,
}

impl Default for KeyLife {
    /// Two hours of lead time, access tokens of ten minutes, two hours of grace.
    fn default() -> Self {
        Self {
            lead_time: Duration::from_hours(2),
            longest_access_token: Duration::from_mins(10),
            grace: Duration::from_hours(2),
        }
    }
}

/// When a key was made, for which algorithm, and whether it signs without the lead time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// Its algorithm, if it signs ID tokens alone.
    pub id_tokens_alone: Option<SigningAlgorithm>,
    /// When the key was made.
    pub created: Timestamp,
    /// Whether it replaces a compromised key, and so has no lead time.
    pub at_once: bool,
}

/// What a signing key does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, but not signing yet.
    Pending {
        /// When it starts to sign.
        signs_at: Timestamp,
    },
    /// Published and signing.
    Signing,
    /// Published, and signing the ID tokens of clients that are registered for its algorithm.
    SigningIdTokens,
    /// Published because tokens that it signed may still be valid.
    Published {
        /// When it leaves the JWKS.
        until: Timestamp,
    },
    /// No longer published; its file may be deleted.
    Retired,
    /// Destroyed and not published.
    Compromised,
}

impl KeyState {
    /// Whether the key is in the JWKS, and so its tokens are accepted.
    #[must_use]
    pub const fn is_published(self) -> bool {
        match self {
            Self::Pending { .. } | Self::Signing | Self::SigningIdTokens | Self::Published { .. } => true,
            Self::Retired | Self::Compromised => false,
        }
    }
}

impl KeyLife {
    /// The state of each of `keys`, in the order of creation, at `now`. Exactly one signs, unless there is none that may sign
    /// access tokens.
    #[must_use]
    pub fn states(&self, keys: &[Birth], now: Timestamp) -> Vec<KeyState> {
        let mut lines =
            lines(keys).map(|(line, births)| (line, self.states_in_line(&births, now).into_iter()));
        let state = |key: &Birth| {
            let (_, states) = lines.iter_mut().find(|(line, _)| *line == key.id_tokens_alone)?;
            let state = states.next()?;
            let signs_id_tokens = key.id_tokens_alone.is_some() && state == KeyState::Signing;
            Some(if signs_id_tokens { KeyState::SigningIdTokens } else { state })
        };
        keys.iter().filter_map(state).collect()
    }

    fn states_in_line(&self, keys: &[Birth], now: Timestamp) -> Vec<KeyState> {
        // If none may sign yet, the oldest does: it is the first key, or the clock was set back and it is the last one
        // that signed.
        let signer = (0..keys.len()).rev().find(|&at| self.may_sign(keys, at, now)).unwrap_or_default();
        (0..keys.len())
            .map(|at| match at.cmp(&signer) {
                std::cmp::Ordering::Greater => KeyState::Pending { signs_at: self.signs_at(keys, at) },
                std::cmp::Ordering::Equal => KeyState::Signing,
                std::cmp::Ordering::Less => match self.published_until(keys, at) {
                    until if now < until => KeyState::Published { until },
                    _ => KeyState::Retired,
                },
            })
            .collect()
    }

    /// The period around `now` in which [`KeyLife::states`] doesn't change: from the first moment until before the
    /// second.
    #[must_use]
    pub fn unchanged_for(&self, keys: &[Birth], now: Timestamp) -> (Timestamp, Timestamp) {
        let turns = lines(keys).into_iter().flat_map(|(_, keys)| {
            let turns = |at| [self.signs_at(&keys, at), self.published_until(&keys, at)];
            (0..keys.len()).flat_map(turns).collect::<Vec<_>>()
        });
        turns.fold((Timestamp::default(), Timestamp::from_millis(u64::MAX)), |(from, until), turn| {
            if turn <= now { (from.max(turn), until) } else { (from, until.min(turn)) }
        })
    }

    fn signs_at(&self, keys: &[Birth], at: usize) -> Timestamp {
        keys.get(at).map_or(Timestamp::from_millis(u64::MAX), |key| {
            if key.at_once { key.created } else { key.created.after(self.lead_time) }
        })
    }

    fn may_sign(&self, keys: &[Birth], at: usize, now: Timestamp) -> bool {
        // A replacement signs whatever the time is, because the compromised key is gone.
        keys.get(at).is_some_and(|key| key.at_once) || self.signs_at(keys, at) <= now
    }

    /// When the last token that this key may have signed has expired, plus the grace period.
    fn published_until(&self, keys: &[Birth], at: usize) -> Timestamp {
        let successors = at.saturating_add(1)..keys.len();
        let succeeded = successors.map(|later| self.signs_at(keys, later)).min();
        succeeded.map_or(Timestamp::from_millis(u64::MAX), |succeeded| {
            succeeded.after(self.longest_access_token).after(self.grace)
        })
    }
}

/// The keys that sign access tokens, and those that sign ID tokens alone, of each algorithm.
fn lines(keys: &[Birth]) -> [(Option<SigningAlgorithm>, Vec<Birth>); 3] {
    [None, Some(SigningAlgorithm::Rs256), Some(SigningAlgorithm::Es256)]
        .map(|line| (line, keys.iter().filter(|key| key.id_tokens_alone == line).copied().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn born(seconds: u64) -> Birth {
        Birth { id_tokens_alone: None, created: at(seconds), at_once: false }
    }

    fn es256(seconds: u64) -> Birth {
        Birth { id_tokens_alone: Some(SigningAlgorithm::Es256), ..born(seconds) }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_after() {
        let life = KeyLife::default();
        let keys = [born(0), born(100 * HOUR)];
        let (first, second) = (|now| life.states(&keys, at(now))[0], |now| life.states(&keys, at(now))[1]);
        let (signs_at, until) = (at(102 * HOUR), at(104 * HOUR + 600));

        assert_eq!(life.states(&keys[..1], at(0)), [KeyState::Signing], "the first key signs at once");
        assert_eq!(
            (first(100 * HOUR), second(100 * HOUR)),
            (KeyState::Signing, KeyState::Pending { signs_at })
        );
        assert_eq!(second(102 * HOUR - 1), KeyState::Pending { signs_at });
        assert_eq!(
            (first(102 * HOUR), second(102 * HOUR)),
            (KeyState::Published { until }, KeyState::Signing)
        );
        assert_eq!(first(104 * HOUR + 599), KeyState::Published { until });
        assert_eq!(first(104 * HOUR + 600), KeyState::Retired);
    }

    #[test]
    fn a_replacement_signs_at_once_even_past_a_pending_key_and_a_wrong_clock() {
        let life = KeyLife::default();
        let keys = [born(0), born(10 * HOUR), Birth { at_once: true, ..born(10 * HOUR + 5) }];
        for now in [0, 10 * HOUR + 5, 12 * HOUR] {
            assert_eq!(life.states(&keys, at(now))[2], KeyState::Signing, "{now}");
        }
        assert_eq!(
            life.states(&keys, at(13 * HOUR))[1],
            KeyState::Retired,
            "it never signed: the newer one did"
        );
    }

    #[test]
    fn a_clock_before_all_keys_leaves_the_oldest_signing() {
        let states = KeyLife::default().states(&[born(HOUR), born(9 * HOUR)], at(0));
        assert_eq!(states, [KeyState::Signing, KeyState::Pending { signs_at: at(11 * HOUR) }]);
        assert_eq!(KeyLife::default().states(&[], at(0)), []);
    }

    #[test]
    fn a_steady_stretch_is_steady_and_ends_where_something_changes() {
        let life = KeyLife::default();
        let keys = [born(0), born(HOUR), Birth { at_once: true, ..born(50 * HOUR) }, born(51 * HOUR)];
        assert!(turns(&life, &keys) >= 4);
        let keys = [keys[0], es256(1), keys[1], es256(20 * HOUR), keys[2], es256(50 * HOUR), keys[3]];
        assert!(turns(&life, &keys) >= 8);
    }

    /// How often the states of `keys` change; between the turns they don't.
    fn turns(life: &KeyLife, keys: &[Birth]) -> usize {
        let mut turns = 0;
        let mut now = at(0);
        loop {
            let (from, until) = life.unchanged_for(keys, now);
            assert_eq!(from, now);
            if until == Timestamp::from_millis(u64::MAX) {
                return turns;
            }
            let last = Timestamp::from_millis(until.millis() - 1);
            assert_eq!(life.states(keys, from), life.states(keys, last));
            assert_eq!(life.unchanged_for(keys, last), (from, until));
            now = until;
            turns += 1;
        }
    }

    #[test]
    fn keys_for_id_tokens_alone_are_a_line_of_their_own() {
        let life = KeyLife::default();
        let keys = [born(0), es256(1), es256(10 * HOUR)];
        let first = life.states(&keys[..2], at(1));
        assert_eq!(first, [KeyState::Signing, KeyState::SigningIdTokens], "the first of each signs at once");
        let signs_at = at(12 * HOUR);
        let pending = [KeyState::Signing, KeyState::SigningIdTokens, KeyState::Pending { signs_at }];
        assert_eq!(life.states(&keys, at(12 * HOUR - 1)), pending);
        let until = at(14 * HOUR + 600);
        let replaced = [KeyState::Signing, KeyState::Published { until }, KeyState::SigningIdTokens];
        assert_eq!(life.states(&keys, at(12 * HOUR)), replaced, "access tokens are signed as before");
        let retired = [KeyState::Signing, KeyState::Retired, KeyState::SigningIdTokens];
        assert_eq!(life.states(&keys, until), retired);
    }

    #[test]
    fn a_key_for_id_tokens_never_becomes_the_one_of_access_tokens_or_retires_it() {
        let keys = [born(0), es256(10 * HOUR)];
        for hours in [10, 12, 1000] {
            let states = KeyLife::default().states(&keys, at(hours * HOUR));
            assert_eq!(states, [KeyState::Signing, KeyState::SigningIdTokens]);
        }
        assert_eq!(KeyLife::default().states(&keys[1..], at(0)), [KeyState::SigningIdTokens]);
    }
}
