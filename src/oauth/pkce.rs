//! Proof Key for Code Exchange (RFC 7636): who redeems a code shows that it is the program that asked for it. Only S256;
//! `plain` protects from nobody who can read the request (RFC 9700 §2.1.1).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::ids::InvalidText;

/// A `code_challenge` by S256: the SHA-256 of a verifier (RFC 7636 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct CodeChallenge(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl CodeChallenge {
    /// Whether it was made of this verifier (RFC 7636 §4.6).
    #[must_use]
    pub fn is_met_by(&self, verifier: &CodeVerifier) -> bool {
        digest(&SHA256, verifier.0.as_bytes()).as_ref() == self.0
    }
}

impl From<[u8; 32]> for CodeChallenge {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for CodeChallenge {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let invalid =
            InvalidText::new("a code_challenge is the base64url text of a SHA-256, of 43 characters");
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(invalid)
    }
}

/// A `code_verifier`: 43 to 128 unreserved characters (RFC 7636 §4.1).
#[derive(Clone)]
pub struct CodeVerifier(Zeroizing<String>);

impl FromStr for CodeVerifier {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        // RFC 7636 §4.1: "unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"".
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&text.len()) || !text.bytes().all(unreserved) {
            return Err(InvalidText::new("a code_verifier has 43 to 128 letters, digits and -._~"));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// The example of RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_met_by_its_verifier_alone() {
        let challenge: CodeChallenge = CHALLENGE.parse().unwrap();
        assert!(challenge.is_met_by(&VERIFIER.parse().unwrap()));
        assert!(!challenge.is_met_by(&CHALLENGE.parse().unwrap()), "plain");
        assert!(!challenge.is_met_by(&VERIFIER.replace('d', "D").parse().unwrap()));
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for text in ["a".repeat(43), "Z9-._~".repeat(8), "a".repeat(128)] {
            assert!(text.parse::<CodeVerifier>().is_ok(), "{text}");
        }
        let odd = ["+", "/", "=", " ", "%", "ä", "\0"].map(|odd| format!("{}{odd}", "a".repeat(43)));
        for text in ["a".repeat(42), "a".repeat(129), String::new()].into_iter().chain(odd) {
            assert!(text.parse::<CodeVerifier>().is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", VERIFIER.parse::<CodeVerifier>().unwrap()), "CodeVerifier(…)");
    }

    #[test]
    fn a_challenge_is_the_one_text_of_32_bytes() {
        for text in
            ["", &CHALLENGE[..42], &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+"), VERIFIER.trim()]
        {
            assert_eq!(text.parse::<CodeChallenge>().is_ok(), text == VERIFIER, "{text}");
        }
        // The last character has two bits too many: they must be zero (RFC 4648 §3.5).
        assert!(CHALLENGE.replace("-cM", "-cN").parse::<CodeChallenge>().is_err());
    }
}
