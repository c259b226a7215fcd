//! A person's profile: what they entered about themselves. It is kept in the vault, never in an event.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use precis_core::profile::{Profile as _, Rules as _};
use precis_profiles::Nickname;

use super::email::Email;
use crate::encoding::{self, DecodeError};

const FORMAT: u8 = 1;

/// A person's profile, as the person entered it. `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The e-mail address; nobody has verified it.
    pub email: Option<Email>,
    /// The name by which the person wants to be called.
    pub display_name: Option<DisplayName>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile(…)")
    }
}

/// The stored form of a profile.
#[derive(Encode, Decode)]
struct StoredProfile {
    #[n(0)]
    email: Option<String>,
    #[n(1)]
    display_name: Option<String>,
}

impl Profile {
    /// The profile as stored bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let email = self.email.as_ref().map(|email| email.as_str().to_owned());
        let display_name = self.display_name.as_ref().map(|name| name.as_str().to_owned());
        encoding::encode(FORMAT, &StoredProfile { email, display_name })
    }

    /// The profile from stored bytes. A field that today's rules would refuse is left out, so that its owner is not
    /// locked out.
    ///
    /// # Errors
    /// A newer format, or bytes that are not a profile.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let StoredProfile { email, display_name } = encoding::decode(FORMAT, bytes)?;
        let email = email.and_then(|email| email.parse().ok());
        Ok(Self { email, display_name: display_name.and_then(|name| name.parse().ok()) })
    }
}

/// A display name, by the PRECIS profile `Nickname` (RFC 8266 §2): 1 to [`DisplayName::MAX`] bytes, no white space
/// around it and single spaces inside. Case is kept, and two people may have the same one.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(Box<str>);

impl DisplayName {
    /// The longest display name, in bytes, as typed and as normalised.
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

/// Why a text is not a display name. The messages are fixed and may be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisplayNameRefused {
    /// An empty text, or only white space.
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
        // As with user names, composition is done first as well as last: otherwise decomposed Korean is refused.
        let composed = profile.normalization_rule(typed).map_err(refused)?;
        // Enforcement applies the rules until the name is stable (RFC 8266 §2.3), and refuses one that never is.
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
        assert_eq!(name(&"a".repeat(256)), Ok("a".repeat(256)));
        assert_eq!(name(&"a".repeat(257)), Err(DisplayNameRefused::TooLong));
        assert_eq!(name(&format!("{:300}", "a")), Err(DisplayNameRefused::TooLong), "as typed");
        // One character that is eighteen.
        assert_eq!(name(&"\u{FDFA}".repeat(9)), Err(DisplayNameRefused::TooLong), "as kept");
    }

    #[test]
    fn a_profile_survives_its_encoding_and_debug_shows_nothing_of_it() {
        let email = Some("Ann@example.com".parse().unwrap());
        let profile = Profile { email, display_name: Some("Ann Lee".parse().unwrap()) };
        assert_eq!(Profile::decode(&profile.encode()), Ok(profile.clone()));
        assert_eq!(Profile::decode(&Profile::default().encode()), Ok(Profile::default()));
        assert_eq!(format!("{profile:?} {:?}", profile.display_name), "Profile(…) Some(DisplayName(…))");
    }
}
