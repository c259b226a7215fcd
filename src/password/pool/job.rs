//! What the pool is asked, and what it answers.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::password::Password;
use crate::password::hash::{HashRefused, PasswordRecord};
use crate::password::policy::{Policy, PolicyRefused};
use crate::random::NoRandomness;

/// What a new password is measured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPassword {
    /// The rules.
    pub policy: Policy,
    /// Words about the person that are no secret: the name, an address.
    pub about: Vec<String>,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is the right one. Never for a person without a record.
    pub matches: bool,
    /// On a match with a record of another cost or pepper: the same password hashed anew, to be stored in its place.
    pub rehashed: Option<PasswordRecord>,
}

/// Why the pool has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The queue is full; nothing was hashed.
    #[error("the password hashing queue is full")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// One account or one network has too many passwords hashed at once; this one was not.
    #[error("too many passwords of one account or network are hashed at once")]
    TooManyAtOnce {
        /// When to come back.
        retry_after: Duration,
    },
    /// The stored record cannot be computed.
    #[error(transparent)]
    Refused(#[from] HashRefused),
    /// There is no salt.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The new password is not good enough. The one case that is the client's to read.
    #[error(transparent)]
    NotAccepted(#[from] PolicyRefused),
    /// The hashing thread gave no answer: a defect, or the process is ending.
    #[error("the password hashing pool gave no answer")]
    Lost,
}

pub(super) enum Job {
    Hash {
        password: Password,
        rules: Option<NewPassword>,
        answer: oneshot::Sender<Result<PasswordRecord, PoolError>>,
    },
    Judge {
        password: Password,
        rules: NewPassword,
        answer: oneshot::Sender<Result<(), PoolError>>,
    },
    Verify {
        password: Password,
        record: Option<PasswordRecord>,
        answer: oneshot::Sender<Result<Verdict, PoolError>>,
    },
}

impl Job {
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { answer, .. } => answer.is_closed(),
            Self::Judge { answer, .. } => answer.is_closed(),
            Self::Verify { answer, .. } => answer.is_closed(),
        }
    }

    /// Answers without any work. Who has gone meanwhile has no use for it.
    pub(super) fn refuse(self, error: PoolError) {
        match self {
            Self::Hash { answer, .. } => drop(answer.send(Err(error))),
            Self::Judge { answer, .. } => drop(answer.send(Err(error))),
            Self::Verify { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

impl NewPassword {
    pub(super) fn accept(&self, password: &Password) -> Result<(), PoolError> {
        let about: Vec<&str> = self.about.iter().map(String::as_str).collect();
        Ok(self.policy.accept(password, &about)?)
    }
}
