//! Keys, secrets and access tokens.
//!
//! Everything that opens something lies in the keys folder ([`folder`]) and nowhere else: keys that sign access
//! tokens, secrets that make refresh tokens, peppers for passwords. A file's name ([`name`]) tells what it is and when
//! it was made; what a signing key may do at a moment follows from those names alone ([`life`]).
//!
//! - [`keys::SigningKeys`]: the signing keys as they are now, watched while the server runs; [`jwks`]: their public halves.
//! - [`signing::SigningKey`]: one key, parsed once, and the signing itself; [`claims`]: what it signs.
//! - [`secrets`]: the refresh secrets and the peppers.
//! - [`known`]: what the store keeps of them, so that those of other data are noticed.
//! - [`verify`]: our own access tokens, presented to our own API.
//! - [`rotate`]: what the command line does to the folder.

pub mod claims;
pub mod error;
pub mod folder;
mod jwk;
pub mod jwks;
pub mod keys;
pub mod known;
pub mod life;
mod locked_folder;
pub mod name;
mod pair;
pub mod rotate;
mod secret_files;
pub mod secrets;
pub mod signing;
pub mod verify;

pub use crate::oauth::{Kid, SigningAlgorithm};
pub use claims::AccessTokenClaims;
pub use error::KeyError;
pub use folder::{IfMissing, KeysFolder};
pub use jwks::JwksDocument;
pub use keys::SigningKeys;
pub use known::{KnownSecret, SecretsInUse};
pub use life::{KeyLife, KeyState};
pub use pair::NotAKey;
pub use rotate::{KeyInfo, NewKey, SecretInfo, SecretState};
pub use secret_files::Secret;
pub use secrets::{Peppers, RefreshSecrets};
pub use signing::{SignError, SigningKey, TokenType};
pub use verify::{AccessToken, Verifier, VerifyError};
