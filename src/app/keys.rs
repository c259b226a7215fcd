//! The keys of a running server, and how it follows its keys folder.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::TokenError;
use super::{Repository, Settings};
use crate::clock::Clock;
use crate::oauth::{Kid, MacKeys, RefreshTokenCodec};
use crate::token::{KeyError, KeysFolder, RefreshSecrets, SigningKey, SigningKeys};

/// Which keys are in use, and what is wrong with the folder.
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

/// The keys folder of a running server, and what tokens are made with.
pub struct TokenKeys {
    /// The signing keys.
    pub signing: Arc<SigningKeys>,
    /// The secrets under which refresh tokens are made.
    pub refresh_secrets: Arc<RefreshSecrets>,
    /// Where keys and secrets lie.
    pub(super) folder: KeysFolder,
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

    /// Reads the keys folder now, and reports the keys in use.
    pub async fn look(&self) -> KeysNow {
        let (keys, secrets) = (Arc::clone(&self.signing), Arc::clone(&self.refresh_secrets));
        let looked = tokio::task::spawn_blocking(move || {
            // Both remember their problems.
            drop((keys.reload(), secrets.reload()));
        });
        if let Err(error) = looked.await {
            tracing::error!(error = %error, "the keys folder could not be looked at");
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

    /// The problems that the last reading of the keys folder found, for the operator.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.signing.problems();
        problems.extend(self.refresh_secrets.problems());
        problems.sort();
        problems.dedup();
        problems
    }

    /// Whether tokens can be made.
    #[must_use]
    pub fn can_make_tokens(&self) -> bool {
        self.signer().is_ok()
    }

    /// Reads the keys folder whenever it has changed, checking it once in `every`; never returns.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let signing = Arc::clone(&self.signing).watch(every);
        let secrets = Arc::clone(&self.refresh_secrets);
        let (keys, runtime) = (Arc::clone(&self), tokio::runtime::Handle::current());
        let reloaded = move |secrets: &RefreshSecrets| {
            let taken_in = runtime.block_on(keys.take_in(secrets));
            taken_in.err().map(|error| KeyError::Unchecked(error.to_string()))
        };
        tokio::join!(signing, secrets.watch(every, reloaded));
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
        *current = Arc::new(codec(secrets, usable));
        checked.map(drop)
    }
}

/// A codec with the secrets for which `usable` is true.
pub(super) fn codec(secrets: &RefreshSecrets, usable: impl Fn(u8) -> bool) -> RefreshTokenCodec {
    let usable: Vec<_> = secrets.all().into_iter().filter(|(id, _)| usable(*id)).collect();
    let keys = usable.last().cloned().map_or_else(MacKeys::of_nothing, |(current, newest)| {
        let older = usable.iter().map(|(id, secret)| (*id, Zeroizing::new(*secret.as_bytes())));
        MacKeys::new((current, newest.as_bytes()), older)
    });
    RefreshTokenCodec::new(Arc::new(keys))
}
