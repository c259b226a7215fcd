//! User names, normalised so that all spellings of one name are one account.
//!
//! A name is normalised by the PRECIS profile `UsernameCaseMapped` (RFC 8265 §3.3), so that `Ann`, `ａｎｎ` and ` ANN `
//! are one account with one counter. heirloom adds two steps, because the profile alone keeps some spellings apart:
//!
//! - Canonical composition (NFC) is done first as well as last. The profile checks code points before it composes, and
//!   would refuse the conjoining jamo of a Korean name typed in decomposed form.
//! - Lower case is Unicode's `toLowercase` (which RFC 8265 §3.3.2 prefers) with its rule for the final sigma, not a
//!   mapping of single letters: `ΟΔΥΣΣΕΥΣ` and `Οδυσσευς` are one name.

use std::fmt;
use std::str::FromStr;

use precis_core::profile::{Profile, Rules};
use precis_profiles::UsernameCaseMapped;

/// A normalised name of 1 to [`Username::MAX`] bytes. Only `FromStr` makes one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(Box<str>);

/// The version of the normalisation. It is stored beside every name, because a later Unicode version may normalise
/// differently. Version 1: RFC 8265 `UsernameCaseMapped` over Unicode 17.
pub const PROFILE_VERSION: u8 = 1;

impl Username {
    /// The longest normalised name, in bytes.
    pub const MAX: usize = 128;

    /// The longest name as typed, in bytes, with the white space around it. A longer one is refused before it is
    /// normalised.
    pub const MAX_TYPED: usize = 512;

    /// The normalised name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Username {
    type Err = NameRefused;

    fn from_str(typed: &str) -> Result<Self, NameRefused> {
        if typed.len() > Self::MAX_TYPED {
            return Err(NameRefused::TooLong);
        }
        let name = normalise(typed)?;
        if name.len() > Self::MAX { Err(NameRefused::TooLong) } else { Ok(Self(name.into_boxed_str())) }
    }
}

/// Why a name was refused. The messages are fixed, may be sent to a client, and repeat nothing of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    /// An empty text, or only white space.
    #[error("The name is empty.")]
    Empty,
    /// Longer than [`Username::MAX`] bytes, or than [`Username::MAX_TYPED`] as typed.
    #[error("The name is too long.")]
    TooLong,
    /// A character that RFC 8265 §3.3 does not permit: inner white space, a control character, a symbol.
    #[error("The name has a character that is not permitted.")]
    Character,
    /// The characters are permitted, but not in this order (right-to-left and left-to-right text mixed, RFC 5893 §2).
    #[error("The name is not permitted.")]
    BidiRule,
}

/// Normalises a name. Nothing else in the crate uses the profile.
pub(super) fn normalise(typed: &str) -> Result<String, NameRefused> {
    let mut name = enforce(typed.trim())?;
    // RFC 8264 §7: applying the rules once may not give a stable string. So they are applied again, and a name that
    // still changes is refused.
    for _ in 0..3 {
        let again = enforce(&name)?;
        if again == name {
            return Ok(name);
        }
        name = again;
    }
    Err(NameRefused::Character)
}

fn enforce(name: &str) -> Result<String, NameRefused> {
    if name.is_empty() {
        return Err(NameRefused::Empty);
    }
    let profile = UsernameCaseMapped::new();
    let composed = profile.normalization_rule(name)?;
    // RFC 8265 §3.3.1, preparation: width, then permitted code points. §3.3.2, enforcement: width, case, NFC, direction.
    let prepared = profile.prepare(composed)?;
    Ok(profile.enforce(prepared.to_lowercase())?.into_owned())
}

impl From<precis_core::Error> for NameRefused {
    fn from(error: precis_core::Error) -> Self {
        match error {
            precis_core::Error::Invalid => Self::BidiRule,
            precis_core::Error::BadCodepoint(_) | precis_core::Error::Unexpected(_) => Self::Character,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(typed: &str) -> Result<String, NameRefused> {
        typed.parse::<Username>().map(|name| name.to_string())
    }

    /// In Authelia each spelling of a name had its own counter of failed sign-ins (CVE-2026-47203).
    #[test]
    fn spellings_of_one_name_are_one_account() {
        let spellings: [(&str, &[&str]); 6] = [
            ("josé@example.com", &["JOSÉ@EXAMPLE.COM", "jose\u{301}@example.com", " \tJosé@Example.com\r\n"]),
            ("ann", &["Ann", "ａｎｎ", "\u{3000}ＡＮＮ\u{a0}", "ann"]),
            ("한글", &["\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"]),
            ("ガ", &["ｶﾞ", "カ\u{3099}"]),
            ("οδυσσευς", &["ΟΔΥΣΣΕΥΣ", "Οδυσσευς"]),
            ("å", &["\u{212b}", "A\u{30a}", "Å"]),
        ];
        for (one, others) in spellings {
            for other in others {
                assert_eq!(name(other).as_deref(), Ok(one), "{other:?}");
            }
        }
    }

    #[test]
    fn names_that_differ_stay_apart() {
        assert_ne!(name("ann"), name("anna"));
        assert_ne!(name("strasse"), name("straße"));
        assert_ne!(name("jose"), name("josé"));
    }

    #[test]
    fn control_characters_inner_spaces_and_invisible_characters_are_refused() {
        for bad in [
            "a\0b",
            "a\nb",
            "a\u{1b}[31m",
            "a b",
            "a\u{3000}b",
            "a\u{200b}b",
            "a\u{202e}b",
            "\u{feff}ann",
            "a♥",
        ] {
            assert_eq!(name(bad), Err(NameRefused::Character), "{bad:?}");
        }
        assert_eq!(name("\u{5d0}a"), Err(NameRefused::BidiRule));
    }

    #[test]
    fn lengths_are_limited_before_and_after() {
        assert_eq!(name(""), Err(NameRefused::Empty));
        assert_eq!(name(" \u{3000} "), Err(NameRefused::Empty));
        assert_eq!(name(&"a".repeat(128)), Ok("a".repeat(128)));
        assert_eq!(name(&"a".repeat(129)), Err(NameRefused::TooLong));
        assert_eq!(name(&format!("{:512}", "a")).as_deref(), Ok("a"));
        assert_eq!(name(&format!("{:513}", "a")), Err(NameRefused::TooLong));
        assert_eq!(name(&format!("{:1000}", "a")), Err(NameRefused::TooLong));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn a_normalised_name_is_its_own_normal_form(typed in ".{0,24}") {
            if let Ok(once) = name(&typed) {
                prop_assert_eq!(name(&once), Ok(once));
            }
        }

        #[test]
        fn any_case_of_a_latin_or_cyrillic_name_is_one(typed in "[a-zà-öа-я]{1,12}", upper in any::<u16>()) {
            let mixed = typed.chars().enumerate().flat_map(|(at, c)| {
                if upper >> at & 1 == 1 { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] }
            });
            prop_assert_eq!(name(&mixed.collect::<String>()), Ok(typed));
        }

        #[test]
        fn no_input_makes_it_panic(bytes in proptest::collection::vec(any::<char>(), 0..40)) {
            let _ = name(&bytes.into_iter().collect::<String>());
        }
    }

    #[test]
    fn every_code_point_alone_and_in_company_comes_to_rest_or_is_refused() {
        for c in '\0'..=char::MAX {
            for typed in [c.to_string(), format!("a{c}\u{301}")] {
                if let Ok(once) = name(&typed) {
                    assert_eq!(name(&once), Ok(once), "{typed:?}");
                }
            }
        }
    }
}
