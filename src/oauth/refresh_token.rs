//! The refresh token: what it contains, and how it is encoded and decoded.
//!
//! ```text
//! hrt_ base64url( key id: 1 ‖ session id: 16 ‖ generation: u32, big endian ‖ nonce: 16 ‖ MAC: 32 )
//! ```
//!
//! It is sealed as [`super::mac`] says. So a forged or damaged token is refused without reading the store, every
//! generation is recognised for ever although no token is stored, and the current token can be made again.

use std::fmt;
use std::sync::Arc;

use super::ids::SessionId;
use super::mac::{MacKeys, NotOpened, Seal};

const SEAL: Seal = Seal { prefix: "hrt_", label: "heirloom refresh token v1" };
const BODY: usize = 16 + 4 + 16;

/// How often the token of a session has been rotated; the one from the sign-in is 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct Generation(#[n(0)] pub u32);

impl Generation {
    /// The next generation; `None` after the last one, `u32::MAX`.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// 16 random bytes, fresh for each generation. Whoever has only a leaked refresh secret can't guess them.
#[derive(Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Nonce(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl Nonce {
    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Nonce {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(…)")
    }
}

/// What a refresh token contains, once its MAC has been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session. One session is one token family.
    pub session: SessionId,
    /// The generation within the family.
    pub generation: Generation,
    /// The generation's nonce.
    pub nonce: Nonce,
}

/// Encodes and decodes refresh tokens.
#[derive(Debug)]
pub struct RefreshTokenCodec {
    keys: Arc<MacKeys>,
}

impl RefreshTokenCodec {
    /// A codec that encodes and decodes under these keys.
    #[must_use]
    pub const fn new(keys: Arc<MacKeys>) -> Self {
        Self { keys }
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &Arc<MacKeys> {
        &self.keys
    }

    /// Whether it can make new tokens.
    #[must_use]
    pub fn makes_new(&self) -> bool {
        self.keys.can_seal()
    }

    /// The text of a token; `None` if there is no secret for new tokens. The same token under the same secret has the
    /// same text.
    #[must_use]
    pub fn encode(&self, token: &RefreshToken) -> Option<String> {
        let mut body = Vec::with_capacity(BODY);
        body.extend_from_slice(token.session.as_bytes());
        body.extend_from_slice(&token.generation.0.to_be_bytes());
        body.extend_from_slice(&token.nonce.0);
        self.keys.seal_text(SEAL, &body)
    }

    /// Decodes a token strictly: exact length, canonical base64url without padding (RFC 4648 §3.5), and nothing after
    /// it.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn decode(&self, text: &str) -> Result<RefreshToken, NotOpened> {
        if text.len() != SEAL.text_len(BODY) {
            return Err(NotOpened::Foreign);
        }
        let body = self.keys.open_text(SEAL, text)?;
        let (session, rest) = body.split_first_chunk::<16>().ok_or(NotOpened::Foreign)?;
        let (generation, nonce) = rest.split_first_chunk::<4>().ok_or(NotOpened::Foreign)?;
        Ok(RefreshToken {
            session: SessionId::from(*session),
            generation: Generation(u32::from_be_bytes(*generation)),
            nonce: Nonce(nonce.try_into().map_err(|_| NotOpened::Foreign)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn codec(current: u8, ids: &[u8]) -> RefreshTokenCodec {
        let older = ids.iter().map(|id| (*id, Zeroizing::new([*id; 32])));
        RefreshTokenCodec::new(Arc::new(MacKeys::new((current, &[current; 32]), older)))
    }

    fn token() -> RefreshToken {
        RefreshToken { session: SessionId::from([1; 16]), generation: Generation(258), nonce: Nonce([2; 16]) }
    }

    proptest! {
        #[test]
        fn a_token_is_read_back(session: [u8; 16], generation: u32, nonce: [u8; 16]) {
            let token = RefreshToken {
                session: session.into(), generation: Generation(generation), nonce: nonce.into(),
            };
            let codec = codec(1, &[1]);
            prop_assert_eq!(codec.decode(&codec.encode(&token).unwrap()), Ok(token));
        }

        #[test]
        fn no_text_makes_the_codec_fail(text: String) {
            prop_assert_eq!(codec(1, &[1]).decode(&text), Err(NotOpened::Foreign));
        }
    }

    /// A truncated token is refused: ZITADEL accepted shortened ones (CVE-2026-27840).
    #[test]
    fn each_flipped_bit_cut_and_addition_is_refused() {
        let codec = codec(1, &[1]);
        let text = codec.encode(&token()).unwrap();
        assert_eq!(text.len(), 96);
        assert_eq!(codec.decode(&text), Ok(token()));
        for index in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[index] ^= 1 << bit;
                if let Ok(flipped) = String::from_utf8(bytes) {
                    assert_eq!(codec.decode(&flipped), Err(NotOpened::Foreign), "byte {index}, bit {bit}");
                }
            }
            assert_eq!(codec.decode(&text[..index]), Err(NotOpened::Foreign), "cut at {index}");
        }
        for behind in ["=", "==", "A", " ", "\n", "\0", &text] {
            assert_eq!(codec.decode(&format!("{text}{behind}")), Err(NotOpened::Foreign), "{behind:?}");
        }
        let other_alphabet = text.replace('-', "+").replace('_', "/").replacen("hrt/", "hrt_", 1);
        assert!(other_alphabet == text || codec.decode(&other_alphabet).is_err());
    }

    #[test]
    fn a_new_secret_makes_the_tokens_and_the_old_one_still_reads_them_until_it_is_retired() {
        let old = codec(1, &[1]).encode(&token()).unwrap();
        let both = codec(2, &[1, 2]);
        assert_eq!(both.decode(&old), Ok(token()));
        assert_eq!((both.makes_new(), both.keys().ids()), (true, vec![1, 2]));
        let new = both.encode(&token()).unwrap();
        assert_ne!(new, old);
        let retired = codec(2, &[2]);
        assert_eq!(retired.decode(&old), Err(NotOpened::Foreign));
        assert_eq!(retired.decode(&new), Ok(token()));
    }

    #[test]
    fn without_a_secret_nothing_is_made_or_read() {
        let text = codec(1, &[1]).encode(&token()).unwrap();
        let nothing = RefreshTokenCodec::new(Arc::new(MacKeys::of_nothing()));
        assert!(!nothing.makes_new());
        assert_eq!((nothing.encode(&token()), nothing.decode(&text)), (None, Err(NotOpened::Foreign)));
    }

    #[test]
    fn debug_shows_no_secret_and_no_nonce() {
        assert_eq!(
            format!("{:?}", codec(7, &[1, 7])),
            "RefreshTokenCodec { keys: MacKeys { current: Some(7), .. } }"
        );
        assert_eq!(format!("{:?}", token().nonce), "Nonce(…)");
        assert_eq!(token().generation.to_string(), "258");
    }
}
