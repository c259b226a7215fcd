//! Digests of client secrets.

use std::fmt;

use ring::digest;
use subtle::ConstantTimeEq as _;

/// The SHA-256 of a client secret. Generated secrets have 256 bits, so they can't be guessed from a fast hash, and a
/// slow hash would delay every token request.
#[derive(Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct SecretDigest(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl SecretDigest {
    /// The digest of `secret`.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        let digest = digest::digest(&digest::SHA256, secret.as_bytes());
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Whether both are digests of the same secret; compared in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl From<[u8; 32]> for SecretDigest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_matches() {
        assert!(SecretDigest::of("s:e%c/r-t").matches(&SecretDigest::of("s:e%c/r-t")));
        assert!(!SecretDigest::of("s:e%c/r-t").matches(&SecretDigest::of("s:e%c/r-T")));
    }

    #[test]
    fn debug_shows_nothing_of_a_digest() {
        assert_eq!(format!("{:?}", SecretDigest::of("s:e%c/r-t")), "SecretDigest(…)");
    }
}
