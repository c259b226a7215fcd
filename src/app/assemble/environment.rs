//! What the services are assembled in, and why that can fail.

use std::io;
use std::sync::Arc;

use crate::clock::Clock;
use crate::oauth::ids::InvalidText;
use crate::password::hash::Cost;
use crate::random::{NoRandomness, Random};
use crate::store::{Cluster, Exchange, Store};
use crate::token::{KeyError, Keyring};

/// What the services need besides the configuration.
pub struct Environment {
    /// Streams and records.
    pub store: Arc<dyn Store>,
    /// Keys and secrets.
    pub keyring: Keyring,
    /// The nodes that share them; `None` if there is only this process.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// How nodes tell each other of attempts to sign in and of frequent requests; `None` if there is one node.
    pub exchange: Option<Arc<dyn Exchange>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// The cost of a password's hash.
    pub cost: Cost,
}

/// Why the services can't be assembled. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A key or a secret can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The hashing threads can't be started.
    #[error("the password hashing threads can't be started: {0}")]
    Threads(#[from] io::Error),
    /// There is no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A name in the configuration can't be used.
    #[error(transparent)]
    Word(#[from] InvalidText),
}
