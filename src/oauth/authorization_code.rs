//! The authorization code (RFC 6749 §1.3.1): what it contains, and how it is encoded and decoded.
//!
//! ```text
//! hac_ base64url( key id: 1 ‖ session id: 16 ‖ nonce: 16 ‖ MAC: 32 )
//! ```
//!
//! It is sealed as [`super::mac`] says: a forged or damaged code is refused without reading the store, and no code is
//! stored. The session is the one that begins when the code is redeemed.

use super::ids::SessionId;
use super::mac::{MacKeys, NotOpened, Seal};
use super::refresh_token::Nonce;

const SEAL: Seal = Seal { prefix: "hac_", label: "heirloom authorization code v1" };
const BODY: usize = 16 + 16;

/// What a code contains, once its MAC has been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// The session that it begins.
    pub session: SessionId,
    /// 16 random bytes, which whoever has only a leaked secret can't guess.
    pub nonce: Nonce,
}

impl AuthorizationCode {
    /// The code's text; `None` if there is no secret for new ones. The same code under the same secret has the same text.
    #[must_use]
    pub fn encode(&self, keys: &MacKeys) -> Option<String> {
        let body = [&self.session.as_bytes()[..], &self.nonce.as_bytes()[..]].concat();
        keys.seal_text(SEAL, &body)
    }

    /// Decodes a code strictly: exact length, canonical base64url without padding (RFC 4648 §3.5), and nothing after it.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn decode(keys: &MacKeys, text: &str) -> Result<Self, NotOpened> {
        if text.len() != SEAL.text_len(BODY) {
            return Err(NotOpened::Foreign);
        }
        let body = keys.open_text(SEAL, text)?;
        let (session, nonce) = body.split_first_chunk::<16>().ok_or(NotOpened::Foreign)?;
        let nonce: [u8; 16] = nonce.try_into().map_err(|_| NotOpened::Foreign)?;
        Ok(Self { session: SessionId::from(*session), nonce: nonce.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{Generation, RefreshToken, RefreshTokenCodec};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn keys() -> MacKeys {
        MacKeys::new((1, &[1; 32]), [])
    }

    proptest! {
        #[test]
        fn a_code_is_read_back_and_nothing_else_is(session: [u8; 16], nonce: [u8; 16], text: String) {
            let code = AuthorizationCode { session: session.into(), nonce: nonce.into() };
            let encoded = code.encode(&keys()).unwrap();
            prop_assert_eq!(AuthorizationCode::decode(&keys(), &encoded), Ok(code));
            prop_assert_eq!(AuthorizationCode::decode(&keys(), &text), Err(NotOpened::Foreign));
        }
    }

    #[test]
    fn each_flipped_bit_cut_and_addition_is_refused() {
        let code = AuthorizationCode { session: SessionId::from([1; 16]), nonce: Nonce::from([2; 16]) };
        let text = code.encode(&keys()).unwrap();
        assert_eq!(text.len(), 91);
        for index in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[index] ^= 1 << bit;
                let flipped = String::from_utf8(bytes).unwrap_or_default();
                assert_eq!(
                    AuthorizationCode::decode(&keys(), &flipped),
                    Err(NotOpened::Foreign),
                    "{index}, {bit}"
                );
            }
            assert_eq!(
                AuthorizationCode::decode(&keys(), &text[..index]),
                Err(NotOpened::Foreign),
                "cut at {index}"
            );
        }
        for behind in ["=", "A", " ", "\n", "\0", &text] {
            assert_eq!(
                AuthorizationCode::decode(&keys(), &format!("{text}{behind}")),
                Err(NotOpened::Foreign)
            );
        }
        assert_eq!(code.encode(&MacKeys::of_nothing()), None);
    }

    #[test]
    fn a_code_is_no_refresh_token_and_none_is_a_code() {
        let (session, nonce) = (SessionId::from([1; 16]), Nonce::from([2; 16]));
        let codec = RefreshTokenCodec::new(Arc::new(keys()));
        let token =
            codec.encode(&RefreshToken { session, generation: Generation::default(), nonce }).unwrap();
        let code = AuthorizationCode { session, nonce }.encode(&keys()).unwrap();
        assert!(codec.decode(&code.replacen("hac_", "hrt_", 1)).is_err());
        assert!(AuthorizationCode::decode(&keys(), &token.replacen("hrt_", "hac_", 1)).is_err());
    }
}
