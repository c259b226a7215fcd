//! What the cookie of a login contains, and how it is sealed.
//!
//! ```text
//! hli_ base64url( key id: 1 ‖ login id: 16 ‖ nonce: 16 ‖ last use, in seconds: u64, big endian ‖ MAC: 32 )
//! ```
//!
//! It is sealed as [`crate::oauth::mac`] says.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::oauth::mac::{NotOpened, Seal};
use crate::oauth::{LoginId, MacKeys, Nonce};

const SEAL: Seal = Seal { prefix: "hli_", label: "heirloom login cookie v1" };
const BODY: usize = 16 + 16 + 8;

/// A cookie whose last use is longer ago is replaced.
pub const RENEWED_EVERY: Duration = Duration::from_mins(1);

/// The content of a login's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginCookie {
    /// The login.
    pub login: LoginId,
    /// Its nonce.
    pub nonce: Nonce,
    /// When the login was last used, to the second.
    pub used: Timestamp,
}

impl LoginCookie {
    /// The cookie's text; `None` if there is no secret to seal it with.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        let used = self.used.seconds().to_be_bytes();
        let body = [self.login.as_bytes().as_slice(), self.nonce.as_bytes(), &used].concat();
        keys.seal_text(SEAL, &body)
    }

    /// The content of a cookie's text.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(keys: &MacKeys, text: &str) -> Result<Self, NotOpened> {
        if text.len() != SEAL.text_len(BODY) {
            return Err(NotOpened::Foreign);
        }
        let body = keys.open_text(SEAL, text)?;
        let (login, rest) = body.split_first_chunk::<16>().ok_or(NotOpened::Foreign)?;
        let (nonce, used) = rest.split_first_chunk::<16>().ok_or(NotOpened::Foreign)?;
        let used = used.try_into().map_err(|_| NotOpened::Foreign)?;
        let used = Timestamp::from_seconds(u64::from_be_bytes(used));
        Ok(Self { login: LoginId::from(*login), nonce: Nonce::from(*nonce), used })
    }

    /// Whether it should be replaced by one with a later use.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.used) >= RENEWED_EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(id: u8) -> MacKeys {
        MacKeys::new((id, &[id; 32]), [])
    }

    proptest! {
        #[test]
        fn a_cookie_is_read_back_by_its_own_keys_only(login: [u8; 16], nonce: [u8; 16], used in 0..u64::MAX / 1000) {
            let used = Timestamp::from_seconds(used);
            let cookie = LoginCookie { login: login.into(), nonce: nonce.into(), used };
            let text = cookie.seal(&keys(1)).unwrap();
            prop_assert_eq!(LoginCookie::open(&keys(1), &text), Ok(cookie));
            prop_assert_eq!(LoginCookie::open(&keys(2), &text), Err(NotOpened::Foreign));
            prop_assert_eq!(LoginCookie::open(&keys(1), &text.replacen("hli_", "hrt_", 1)), Err(NotOpened::Foreign));
        }

        #[test]
        fn no_text_is_taken_for_a_cookie(text: String) {
            prop_assert_eq!(LoginCookie::open(&keys(1), &text), Err(NotOpened::Foreign));
        }
    }

    #[test]
    fn a_cookie_is_due_a_minute_after_its_last_use() {
        let used = Timestamp::from_seconds(1_000);
        let cookie = LoginCookie { login: [1; 16].into(), nonce: [2; 16].into(), used };
        assert!(
            !cookie.is_due(Timestamp::from_seconds(1_059)) && cookie.is_due(Timestamp::from_seconds(1_060))
        );
        assert!(!cookie.is_due(Timestamp::from_seconds(1)));
        assert_eq!(cookie.seal(&MacKeys::of_nothing()), None);
    }
}
