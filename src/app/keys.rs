//! The keys of a running server, and how it follows their changes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::TokenError;
use super::{Repository, Settings};
use crate::clock::{Clock, Timestamp};
use crate::oauth::{Kid, MacKeys, RefreshTokenCodec};
use crate::password::pool::HashingPool;
use crate::token::{KeyError, Keyring, Peppers, RefreshSecrets, SigningKey, SigningKeys};

/// Which keys are in use, and what is wrong with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysNow {
    /// The key that signs; `None` if the last one is compromised.
    pub signer: Option<Kid>,
    /// The keys whose tokens are accepted.
    pub published: Vec<Kid>,
    /// The ids of the refresh secrets whose tokens are accepted; the last one makes new tokens.
    pub refresh_secrets: Vec<u8>,
    /// What can't be used, for the operator.
    pub problems: Vec<String>,
}

/// The refresh secrets of a running server, compared with their check values.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckedSecrets {
    /// The ids of those that may be used.
    pub(super) good: Vec<u8>,
    /// The ids of those that differ from their check value.
    pub(super) foreign: Vec<u8>,
}

/// The keys of a running server, and what tokens are made with.
pub struct TokenKeys {
    /// The signing keys.
    pub signing: Arc<SigningKeys>,
    /// The secrets under which refresh tokens are made.
    pub refresh_secrets: Arc<RefreshSecrets>,
    /// Where keys and secrets lie.
    pub(super) keyring: Keyring,
    /// The peppers, and who verifies passwords with them.
    pub(super) peppers: Arc<Peppers>,
    pub(super) passwords: Arc<HashingPool>,
    /// How old a refresh secret must be before it makes tokens, if there is an older one: until then every other server
    /// must have noticed it.
    pub(super) secret_lead_time: Duration,
    /// Makes and reads refresh tokens; replaced when the refresh secrets change.
    pub(super) codec: RwLock<Arc<RefreshTokenCodec>>,
    pub(super) repository: Repository,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl TokenKeys {
    /// The codec for refresh tokens, as of now.
    #[must_use]
    pub fn codec(&self) -> Arc<RefreshTokenCodec> {
        Arc::clone(&self.codec.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What codes, cookies and requests are sealed with, as of now.
    #[must_use]
    pub fn mac_keys(&self) -> Arc<MacKeys> {
        Arc::clone(self.codec().keys())
    }

    /// The key that signs new tokens, if new refresh tokens can be made as well. Called before anything is decided,
    /// because what is recorded must then be answered.
    pub(super) fn signer(&self) -> Result<Arc<SigningKey>, TokenError> {
        if self.codec().makes_new() { Ok(self.signing.signer()?) } else { Err(TokenError::NoKey) }
    }

    /// Reads the keys now, and reports the keys in use.
    pub async fn look(&self) -> KeysNow {
        let (keys, secrets) = (Arc::clone(&self.signing), Arc::clone(&self.refresh_secrets));
        let (peppers, passwords) = (Arc::clone(&self.peppers), Arc::clone(&self.passwords));
        let looked = tokio::task::spawn_blocking(move || {
            // All remember their problems.
            drop((keys.reload(), secrets.reload(), reload_peppers(&peppers, &passwords)));
        });
        if let Err(error) = looked.await {
            tracing::error!(error = %error, "the keys could not be looked at");
        }
        if let Err(error) = self.take_in(&self.refresh_secrets).await {
            let problem = KeyError::Unchecked(error.to_string());
            tracing::error!(keys.problem = %problem, "new refresh secrets are not used yet");
        }
        KeysNow {
            signer: self.signing.signer().ok().map(|key| key.kid()),
            published: self.signing.published(),
            refresh_secrets: self.mac_keys().ids(),
            problems: self.problems(),
        }
    }

    /// The problems that the last reading of the keys found, for the operator.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.signing.problems();
        problems.extend(self.refresh_secrets.problems());
        problems.extend(self.peppers.problems());
        problems.sort();
        problems.dedup();
        problems
    }

    /// Whether tokens can be made.
    #[must_use]
    pub fn can_make_tokens(&self) -> bool {
        self.signer().is_ok()
    }

    /// Reads the keys whenever they have changed, looking once in `every`; never returns. What can't be used is logged
    /// once, and the others are used.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let (keys, runtime) = (Arc::clone(&self), tokio::runtime::Handle::current());
        let reload = move || {
            let mut problems = keys.signing.reload();
            problems.extend(keys.refresh_secrets.reload());
            problems.extend(reload_peppers(&keys.peppers, &keys.passwords));
            let taken_in = runtime.block_on(keys.take_in(&keys.refresh_secrets));
            problems.extend(taken_in.err().map(|error| KeyError::Unchecked(error.to_string())));
            problems
        };
        tokio::join!(self.keyring.watch(every, reload), self.begin_to_use(every));
    }

    /// Makes tokens by a new refresh secret once its lead time is over, looking once in `every`; never returns.
    async fn begin_to_use(&self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let mut current = self.codec.write().unwrap_or_else(PoisonError::into_inner);
            let before = current.keys().ids();
            let now = self.codec_of(&self.refresh_secrets, |id| before.contains(&id));
            if now.keys().ids() != before {
                *current = Arc::new(now);
            }
        }
    }

    fn codec_of(&self, secrets: &RefreshSecrets, usable: impl Fn(u8) -> bool) -> RefreshTokenCodec {
        codec(secrets, usable, self.clock.now().before(self.secret_lead_time))
    }

    /// Uses the current refresh secrets, except those that differ from their check value.
    ///
    /// # Errors
    /// [`TokenError`] if the store fails: then missing secrets are dropped, and new ones are not used.
    pub(super) async fn take_in(&self, secrets: &RefreshSecrets) -> Result<(), TokenError> {
        let checked = self.check_refresh_secrets().await;
        let CheckedSecrets { good, foreign } = checked.as_ref().ok().cloned().unwrap_or_default();
        // The secrets are read under the lock, because another thread may have used newer ones.
        let mut current = self.codec.write().unwrap_or_else(PoisonError::into_inner);
        let before = current.keys().ids();
        let usable = |id| (before.contains(&id) || good.contains(&id)) && !foreign.contains(&id);
        *current = Arc::new(self.codec_of(secrets, usable));
        checked.map(drop)
    }
}

/// Reads the peppers again, and lets passwords be verified with them: other servers may use new ones already.
fn reload_peppers(peppers: &Peppers, passwords: &HashingPool) -> Vec<KeyError> {
    let problems = peppers.reload();
    passwords.add_peppers(peppers.all().into_iter().map(|(id, secret)| (id, *secret.as_bytes())));
    problems
}

/// A codec with the secrets for which `usable` is true. The newest of those that were made until `due` makes tokens; if
/// there is none, the oldest does. What is under one of the others is neither accepted nor refused.
pub(super) fn codec(
    secrets: &RefreshSecrets,
    usable: impl Fn(u8) -> bool,
    due: Timestamp,
) -> RefreshTokenCodec {
    let all = secrets.all();
    let usable: Vec<_> = all.into_iter().filter(|(id, _)| usable(*id)).collect();
    let is_due = |(id, _): &&(u8, _)| secrets.created(*id).is_some_and(|created| created <= due);
    let current = usable.iter().rfind(is_due).or_else(|| usable.first());
    let keys = current.cloned().map_or_else(MacKeys::of_nothing, |(current, newest)| {
        let older = usable.iter().map(|(id, secret)| (*id, Zeroizing::new(*secret.as_bytes())));
        MacKeys::new((current, newest.as_bytes()), older)
    });
    let unusable = secrets.listed().into_iter().filter(|id| !usable.iter().any(|(usable, _)| id == usable));
    RefreshTokenCodec::new(Arc::new(keys.beside_unusable(unusable)))
}
