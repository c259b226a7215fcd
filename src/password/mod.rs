//! Passwords: parsing them, the rules for new ones, how they are stored, and the threads that hash them.
//!
//! - [`Password`]: a typed password, normalised and bounded.
//! - [`policy`]: the rules for new passwords. They don't apply to existing ones, whose owners can still sign in.
//! - [`hash`]: Argon2id over the password's HMAC under a pepper, and the record that stores it.
//! - [`pool`]: a few threads that hash, so that many sign-ins at once slow nothing else.

use std::fmt;

use precis_core::profile::{Profile, Rules};
use precis_profiles::OpaqueString;
use zeroize::Zeroizing;

pub mod hash;
mod peppers;
pub mod policy;
pub mod pool;

/// A typed password after the PRECIS profile `OpaqueString` (RFC 8265 §4.2): composed (NFC), every kind of space
/// replaced by the ASCII one, nothing trimmed, case kept. Zeroed when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The longest password as typed, in bytes.
    pub const MAX: usize = 1024;

    /// Parses a password as it was typed.
    ///
    /// As with names, canonical composition is done first as well as last: otherwise the profile refuses decomposed
    /// Korean.
    ///
    /// # Errors
    /// [`PasswordRefused`]; a text that is too long is refused before it is processed.
    pub fn parse(typed: &str) -> Result<Self, PasswordRefused> {
        if typed.is_empty() {
            return Err(PasswordRefused::Empty);
        }
        if typed.len() > Self::MAX {
            return Err(PasswordRefused::TooLong);
        }
        let profile = OpaqueString::new();
        let composed = Zeroizing::new(profile.normalization_rule(typed)?.into_owned());
        Ok(Self(Zeroizing::new(profile.enforce(composed.as_str())?.into_owned())))
    }

    /// The normalised password's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a text can't be a password. The messages are fixed and may be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// The text is empty.
    #[error("The password is empty.")]
    Empty,
    /// More than [`Password::MAX`] bytes.
    #[error("The password is longer than 1024 bytes.")]
    TooLong,
    /// A character that RFC 8265 §4.2 does not permit: a control character, an unassigned code point.
    #[error("The password has a character that is not permitted.")]
    Character,
}

impl From<precis_core::Error> for PasswordRefused {
    fn from(_: precis_core::Error) -> Self {
        Self::Character
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(typed: &str) -> Result<String, PasswordRefused> {
        Password::parse(typed).map(|password| password.as_str().to_owned())
    }

    #[test]
    fn more_than_1024_bytes_are_refused() {
        assert!(Password::parse(&"é".repeat(512)).is_ok());
        assert_eq!(parsed(&"a".repeat(1025)), Err(PasswordRefused::TooLong));
        // This text has characters that are not permitted too; its length is checked first.
        assert_eq!(parsed(&"\0".repeat(1025)), Err(PasswordRefused::TooLong));
    }

    /// RFC 8265 §4.
    #[test]
    fn nfc_and_nfd_are_equal_and_spaces_and_case_are_kept() {
        assert_eq!(
            parsed("caf\u{e9} 한글"),
            parsed("cafe\u{301} \u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}")
        );
        assert_eq!(parsed("  two  Words ").as_deref(), Ok("  two  Words "));
        assert_eq!(parsed("two\u{3000}words"), parsed("two words"));
        assert_ne!(parsed("two words"), parsed("twowords"));
        assert_ne!(parsed("Two"), parsed("two"));
    }

    #[test]
    fn empty_and_control_characters_are_refused() {
        assert_eq!(parsed(""), Err(PasswordRefused::Empty));
        assert_eq!(parsed("a\0b"), Err(PasswordRefused::Character));
        assert_eq!(parsed("a\nb"), Err(PasswordRefused::Character));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Password::parse("hunter2").unwrap()), "Password(…)");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn no_input_makes_it_panic_and_what_is_parsed_is_stable(chars in proptest::collection::vec(any::<char>(), 0..40)) {
            if let Ok(once) = parsed(&chars.into_iter().collect::<String>()) {
                prop_assert_eq!(parsed(&once), Ok(once));
            }
        }
    }
}
