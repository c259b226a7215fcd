//! Keys, secrets, access tokens, ID tokens and logout tokens.
//!
//! All secrets are in one place ([`keyring`]), the keys folder or a table of the database in which they are sealed, and
//! nowhere else: keys that sign access tokens, secrets for refresh tokens, peppers for passwords. A file's name ([`name`])
//! says what it is and when it was made; what a signing key does at a moment depends on those names alone ([`life`]).
//!
//! - [`keys::SigningKeys`]: the current signing keys, watched while the server runs; [`jwks`]: their public halves.
//! - [`signing::SigningKey`]: one key and how it signs; [`claims`], [`id_token`] and [`logout_token`]: what it signs.
//! - [`secrets`]: the refresh secrets and the peppers.
//! - [`known`]: check values of those, by which a start notices the keys of other data.
//! - [`verify`]: verifies heirloom's access tokens for its own API.
//! - [`rotate`]: the changes that the command line makes.

pub mod claims;
pub mod error;
mod folder;
pub mod id_token;
pub mod id_token_hint;
mod jwk;
pub mod jwks;
mod key_copy;
mod key_files;
pub mod keyring;
pub mod keys;
pub mod known;
pub mod life;
mod locked_folder;
pub mod logout_token;
pub mod name;
mod pair;
pub mod rotate;
mod sealed_keys;
mod sealing;
mod secret_files;
pub mod secrets;
pub mod signing;
pub mod verify;

pub use crate::oauth::{Kid, SigningAlgorithm};
pub use claims::AccessTokenClaims;
pub use error::KeyError;
pub use id_token::IdTokenClaims;
pub use jwks::JwksDocument;
pub use keyring::{IfMissing, Keyring};
pub use keys::SigningKeys;
pub use known::{KnownSecret, SecretsInUse};
pub use life::{KeyLife, KeyState};
pub use logout_token::{LogoutEvents, LogoutTokenClaims};
pub use pair::NotAKey;
pub use rotate::{KeyInfo, NewKey, SecretInfo, SecretState};
pub use sealed_keys::SealedKeys;
pub use sealing::{KeyEncryptionKey, KeyEncryptionKeys};
pub use secret_files::Secret;
pub use secrets::{Peppers, RefreshSecrets};
pub use signing::{SignError, SigningKey, TokenType};
pub use verify::{AccessToken, Verifier, VerifyError};
