//! Ids of signing keys (`kid`).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

/// A signing key's `kid`: its RFC 7638 thumbprint by SHA-256. Its text is base64url, 43 characters; stored are its 32
/// bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Kid(#[n(0)] minicbor::bytes::ByteArray<32>);

/// The text is not a `kid`: 43 characters of canonical base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 43 characters of base64url")]
pub struct NotAKid;

impl Kid {
    /// The `kid` that has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    /// The thumbprint's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The thumbprint of a public key. `jwk` must have only the required members of the JWK, in lexicographic order and
    /// without white space (RFC 7638 §3).
    pub(crate) fn thumbprint(jwk: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(digest(&SHA256, jwk.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
        Self::from_bytes(bytes)
    }

    /// The first eight hexadecimal digits, which tell keys apart in file names.
    pub(crate) fn short(&self) -> String {
        let [a, b, c, d, ..] = *self.as_bytes();
        format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kid({self})")
    }
}

impl FromStr for Kid {
    type Err = NotAKid;

    fn from_str(text: &str) -> Result<Self, NotAKid> {
        let mut bytes = [0; 32];
        // A longer text does not fit and is not decoded; base64url that is not canonical is refused.
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes);
        (len == Ok(32)).then(|| Self::from_bytes(bytes)).ok_or(NotAKid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7638_has_its_thumbprint() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
                 oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6\
                 qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJz\
                 KnqDKgw";
        let jwk = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#);
        let kid = Kid::thumbprint(&jwk);
        assert_eq!(kid.to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(format!("{kid:?}"), "Kid(NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs)");
        assert_eq!(kid.short(), "3736cbb1");
    }

    #[test]
    fn a_kid_survives_text_and_cbor_and_nothing_else_is_one() {
        let kid = Kid::from_bytes([7; 32]);
        assert_eq!(kid.to_string().parse(), Ok(kid));
        let cbor = minicbor::to_vec(kid).unwrap();
        assert_eq!(cbor.len(), 34);
        assert_eq!(minicbor::decode::<Kid>(&cbor).unwrap(), kid);
        let text = kid.to_string();
        let last_bit_set = format!("{}d", &text[..42]);
        for wrong in
            ["", "../../etc/passwd", &text[..42], &format!("{text}="), &last_bit_set, &"A".repeat(44)]
        {
            assert_eq!(wrong.parse::<Kid>(), Err(NotAKid), "{wrong}");
        }
    }
}
