//! What a running server makes of its keys folder.

use super::App;
use crate::oauth::Kid;

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

impl App {
    /// Looks at the keys folder at once, and says what follows.
    pub async fn look_at_keys(&self) -> KeysNow {
        let (keys, secrets) =
            (std::sync::Arc::clone(&self.keys), std::sync::Arc::clone(&self.refresh_secrets));
        let looked = tokio::task::spawn_blocking(move || {
            // What is wrong is remembered by both.
            drop((keys.reload(), secrets.reload()));
        });
        if let Err(error) = looked.await {
            tracing::error!(error = %error, "the keys folder could not be looked at");
        }
        if let Err(error) = self.take_in(&self.refresh_secrets).await {
            let problem = crate::token::KeyError::Unchecked(error.to_string());
            tracing::error!(keys.problem = %problem, "new refresh secrets are not used yet");
        }
        KeysNow {
            signer: self.keys.signer().ok().map(|key| key.kid()),
            published: self.keys.published(),
            refresh_secrets: self.codec().secrets(),
            problems: self.key_problems(),
        }
    }

    /// What could not be used when the keys folder was last looked at, for the operator.
    #[must_use]
    pub fn key_problems(&self) -> Vec<String> {
        let mut problems = self.keys.problems();
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
}
