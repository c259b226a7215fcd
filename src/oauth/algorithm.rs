//! The algorithms by which heirloom signs access tokens and ID tokens.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use super::word_list::Word;

/// The algorithm of a signing key (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3): every resource server knows it.
    #[default]
    #[n(0)]
    Rs256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4): a fraction of the work of RS256, and a quarter of its signature's
    /// length.
    #[n(1)]
    Es256,
}

/// The text does not name an algorithm by which heirloom signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the algorithm must be RS256 or ES256")]
pub struct NotAnAlgorithm;

impl SigningAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// The name, as in the `alg` of a token's header (RFC 7515 §4.1.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl Word for SigningAlgorithm {
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SigningAlgorithm {
    type Err = NotAnAlgorithm;

    fn from_str(text: &str) -> Result<Self, NotAnAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(NotAnAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_read_by_its_name_alone() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(algorithm.to_string(), algorithm.as_str());
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        for other in ["", "rs256", "HS256", "none"] {
            assert_eq!(other.parse::<SigningAlgorithm>(), Err(NotAnAlgorithm), "{other}");
        }
    }
}
