//! What a running server makes of its keys folder.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::TokenError;
use super::key_checks::CheckedSecrets;
use super::{Repository, Settings};
use crate::clock::Clock;
use crate::oauth::{Kid, RefreshTokenCodec};
use crate::token::{KeyError, KeysFolder, RefreshSecrets, SigningKey, SigningKeys};

/// What the keys are used for now, and what is wrong with the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysNow {
    /// The key that signs; none if a tombstone has taken the last one.
    pub signer: Option<Kid>,
    /// The keys whose tokens are good.
    pub published: Vec<Kid>,
    /// The refresh secrets whose tokens are good; the last one makes new ones.
    pub refresh_secrets: Vec<u8>,
    /// What can't be used, for the operator.
    pub problems: Vec<String>,
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

    /// The key that signs new tokens, if new refresh tokens can be made as well. Asked before anything is decided: what
    /// is recorded is to be answered.
    pub(super) fn signer(&self) -> Result<Arc<SigningKey>, TokenError> {
        if self.codec().makes_new() { Ok(self.signing.signer()?) } else { Err(TokenError::NoKey) }
    }

    /// Looks at the keys folder at once, and says what follows.
    pub async fn look(&self) -> KeysNow {
        let (keys, secrets) = (Arc::clone(&self.signing), Arc::clone(&self.refresh_secrets));
        let looked = tokio::task::spawn_blocking(move || {
            // What is wrong is remembered by both.
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
            refresh_secrets: self.codec().secrets(),
            problems: self.problems(),
        }
    }

    /// What could not be used when the keys folder was last looked at, for the operator.
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

    /// Takes in what changes in the keys folder, looking at it once in `every`; never returns.
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

    /// Takes in the refresh secrets as they are now, but for those that are another secret than the data knows.
    ///
    /// # Errors
    /// [`TokenError`] if the data can't tell: then what is gone is dropped, and what is new is not used.
    pub(super) async fn take_in(&self, secrets: &RefreshSecrets) -> Result<(), TokenError> {
        let checked = self.check_refresh_secrets().await;
        let CheckedSecrets { good, foreign } = checked.as_ref().ok().cloned().unwrap_or_default();
        // By what the secrets are under the lock: somebody else may have taken in newer ones.
        let mut current = self.codec.write().unwrap_or_else(PoisonError::into_inner);
        let before = current.secrets();
        let usable = |id| (before.contains(&id) || good.contains(&id)) && !foreign.contains(&id);
        *current = Arc::new(codec(secrets, usable));
        checked.map(drop)
    }
}

/// The codec with those secrets that are usable.
pub(super) fn codec(secrets: &RefreshSecrets, usable: impl Fn(u8) -> bool) -> RefreshTokenCodec {
    let usable: Vec<_> = secrets.all().into_iter().filter(|(id, _)| usable(*id)).collect();
    let Some((current, newest)) = usable.last().cloned() else { return RefreshTokenCodec::of_nothing() };
    let older = usable.into_iter().map(|(id, secret)| (id, Zeroizing::new(*secret.as_bytes())));
    RefreshTokenCodec::new((current, newest.as_bytes()), older)
}
