//! What a person has said of themselves. Kept in the vault, never in an event.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use precis_core::profile::{Profile as _, Rules as _};
use precis_profiles::Nickname;

use super::email::Email;
use crate::encoding::{self, DecodeError};

const FORMAT: u8 = 1;

/// A person's profile. `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Where mail reaches the person, as they say.
    pub email: Option<Email>,
    /// What the person likes to be called.
    pub display_name: Option<DisplayName>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile(…)")
    }
}

/// A profile as it is kept.
#[derive(Encode, Decode)]
struct Kept {
    #[n(0)]
    email: Option<String>,
    #[n(1)]
    display_name: Option<String>,
}

impl Profile {
    /// The profile as a store keeps it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let email = self.email.as_ref().map(|email| email.as_str().to_owned());
        let display_name = self.display_name.as_ref().map(|name| name.as_str().to_owned());
        encoding::encode(FORMAT, &Kept { email, display_name })
    }

    /// The profile as a store kept it. What would not be accepted today is left out, rather than locking its owner out.
    ///
    /// # Errors
    /// A newer format, or bytes that are no profile.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Kept { email, display_name } = encoding::decode(FORMAT, bytes)?;
        let email = email.and_then(|email| email.parse().ok());
        Ok(Self { email, display_name: display_name.and_then(|name| name.parse().ok()) })
    }
}

/// What somebody likes to be called: the PRECIS profile `Nickname` (RFC 8266 §2), from 1 to [`DisplayName::MAX`] bytes,
/// without white space around it and with single spaces inside. Case is kept; not unique.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(Box<str>);

impl DisplayName {
    /// The longest, in bytes, normalised as well as typed.
    pub const MAX: usize = 256;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(…)")
    }
}

/// Why a text is nothing to be called by. Fixed sentences, fit for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisplayNameRefused {
    /// Nothing, or nothing but white space.
    #[error("The display name is empty.")]
    Empty,
    /// Longer than [`DisplayName::MAX`] bytes.
    #[error("The display name is too long.")]
    TooLong,
    /// A character that RFC 8266 §2 does not permit, such as a control character.
    #[error("The display name has a character that is not permitted.")]
    Character,
}

impl FromStr for DisplayName {
    type Err = DisplayNameRefused;

    fn from_str(typed: &str) -> Result<Self, DisplayNameRefused> {
        if typed.trim().is_empty() {
            return Err(DisplayNameRefused::Empty);
        }
        if typed.len() > Self::MAX {
            return Err(DisplayNameRefused::TooLong);
        }
        let profile = Nickname::new();
        let refused = |_| DisplayNameRefused::Character;
        // As with other names, composition comes first as well as last: decomposed Korean is refused otherwise.
        let composed = profile.normalization_rule(typed).map_err(refused)?;
        // Enforcement applies the rules until they change nothing more (RFC 8266 §2.3), and refuses what never rests.
        let name = profile.enforce(composed).map_err(refused)?;
        if name.len() > Self::MAX { Err(DisplayNameRefused::TooLong) } else { Ok(Self(name.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(typed: &str) -> Result<String, DisplayNameRefused> {
        typed.parse::<DisplayName>().map(|name| name.as_str().to_owned())
    }

    #[test]
    fn a_display_name_is_tidied_and_keeps_its_case_and_symbols() {
        assert_eq!(name("  Ann   Lee ♥ ").as_deref(), Ok("Ann Lee ♥"));
        assert_eq!(name("José\u{a0}다"), name("Jose\u{301} \u{1103}\u{1161}"));
        for bad in ["a\0b", "a\u{1b}[31mb", "a\nb", "a\u{202e}b"] {
            assert_eq!(name(bad), Err(DisplayNameRefused::Character), "{bad:?}");
        }
        assert_eq!(name(" \u{3000} "), Err(DisplayNameRefused::Empty));
        assert_eq!(name(&"a".repeat(257)), Err(DisplayNameRefused::TooLong));
    }

    #[test]
    fn a_profile_survives_its_encoding_and_debug_shows_nothing_of_it() {
        let email = Some("Ann@example.com".parse().unwrap());
        let profile = Profile { email, display_name: Some("Ann Lee".parse().unwrap()) };
        assert_eq!(Profile::decode(&profile.encode()), Ok(profile.clone()));
        assert_eq!(Profile::decode(&Profile::default().encode()), Ok(Profile::default()));
        assert!(!format!("{profile:?}").contains("Ann"));
    }
}
