//! What the device of a session or login sent about itself at sign-in. These are personal data, so no event has them:
//! they are in one record a session or login in the store's vault, written with its first events and deleted with it or
//! its user.
//!
//! | key | value |
//! |---|---|
//! | `s`, user's id, session's or login's id | the [`Device`] |

use std::fmt;

use minicbor::{Decode, Encode};

use crate::encoding::{self, DecodeError};
use crate::oauth::{KeptId, UserId};
use crate::store::RecordKey;

const FORMAT: u8 = 1;
/// The longest stored user agent, in bytes.
const MAX_USER_AGENT: usize = 256;
/// The longest stored label, in bytes.
const MAX_LABEL: usize = 64;

/// What a device sent about itself.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Device {
    /// Its `User-Agent` header.
    #[n(0)]
    user_agent: Option<String>,
    /// The client's name for the device.
    #[n(1)]
    label: Option<String>,
}

impl Device {
    /// The texts without control and direction characters, cut where they are too long.
    #[must_use]
    pub fn new(user_agent: Option<&str>, label: Option<&str>) -> Self {
        let tidy = |text: Option<&str>, longest| text.and_then(|text| tidied(text, longest));
        Self { user_agent: tidy(user_agent, MAX_USER_AGENT), label: tidy(label, MAX_LABEL) }
    }

    /// Whether it sent nothing.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.user_agent.is_none() && self.label.is_none()
    }

    /// The client's name for the device.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// A name derived from the user agent, such as `Firefox on Windows 10`, or else only the program's name. The device
    /// can claim anything: it is no proof.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let agent = self.user_agent.as_deref()?;
        let known = woothee::parser::Parser::new().parse(agent).filter(|found| {
            // The library only classifies these as programs; the user agent's own product name is better.
            found.name != UNKNOWN && !matches!(found.category, "misc" | UNKNOWN)
        });
        match known {
            Some(found) if found.os == UNKNOWN => Some(found.name.to_owned()),
            Some(found) => Some(format!("{} on {}", found.name, found.os)),
            None => product(agent).map(str::to_owned),
        }
    }

    /// The device as a store keeps it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The device as a store kept it.
    ///
    /// # Errors
    /// A newer format, or bytes that are not a device.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}

impl fmt::Debug for Device {
    /// Prints nothing of it, because it has personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(…)")
    }
}

/// The device of a session or login.
#[must_use]
pub fn record(user: UserId, id: impl Into<KeptId>) -> RecordKey {
    RecordKey::vault(&[b"s", user.as_bytes(), id.into().as_bytes()])
}

/// The devices of all sessions and logins of a user.
#[must_use]
pub fn records_of(user: UserId) -> RecordKey {
    RecordKey::vault(&[b"s", user.as_bytes()])
}

/// The library's name for something it does not know.
const UNKNOWN: &str = "UNKNOWN";

/// The first product of a user agent (RFC 9110 §10.1.5), without its version.
fn product(agent: &str) -> Option<&str> {
    let first = agent.split([' ', '/', '(', ';']).next()?;
    (!first.is_empty() && first != "Mozilla").then_some(first)
}

fn tidied(text: &str, longest: usize) -> Option<String> {
    let mut tidy = String::new();
    for character in text.trim().chars().filter(|character| !is_unseen(*character)) {
        if tidy.len().saturating_add(character.len_utf8()) > longest {
            break;
        }
        tidy.push(character);
    }
    (!tidy.is_empty()).then_some(tidy)
}

/// Whether a character is invisible or changes how the text around it looks: control characters, Unicode's
/// `Default_Ignorable_Code_Point` and `Bidi_Control`, line separators, annotations and noncharacters. Joiners and
/// variation selectors are among them: an emoji then falls into its parts, and no label contains anything that it does
/// not show.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}'..='\u{FFFF}'
                | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(agent: &str) -> Option<String> {
        Device::new(Some(agent), None).name()
    }

    #[test]
    fn common_devices_have_names_that_people_know() {
        const WINDOWS: &str =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, expected) in [
            (format!("{WINDOWS} Chrome/126.0.0.0 Safari/537.36"), "Chrome on Windows 10"),
            (format!("{WINDOWS} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87"), "Edge on Windows 10"),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned(),
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Safari/605.1.15"
                    .to_owned(),
                "Safari on Mac OSX",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 \
                 Mobile Safari/537.36"
                    .to_owned(),
                "Chrome on Android",
            ),
            ("curl/8.5.0".to_owned(), "curl"),
            ("NotesApp/3.1 (build 7)".to_owned(), "NotesApp"),
            ("python-requests/2.32".to_owned(), "python-requests"),
        ] {
            assert_eq!(name(&agent).as_deref(), Some(expected), "{agent}");
        }
        assert_eq!(name(""), None);
        assert_eq!(name("Mozilla/5.0"), None);
        assert_eq!(Device::default().name(), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_can_be_seen() {
        let device = Device::new(Some(&"ä".repeat(500)), Some("\u{1b}[31m\u{202e}my\r\nphone\0 "));
        assert_eq!(device.user_agent.as_ref().map(String::len), Some(MAX_USER_AGENT));
        assert_eq!(device.label(), Some("[31mmyphone"));
        let label = |bytes| Device::new(None, Some(&"a".repeat(bytes))).label.unwrap().len();
        assert_eq!([label(63), label(64), label(65)], [63, 64, 64]);
        let two_bytes = format!("{}ä", "a".repeat(63));
        assert_eq!(Device::new(None, Some(&two_bytes)).label(), Some(&*"a".repeat(63)), "no half character");
        assert!(Device::new(Some(" \r\n"), Some("")).is_unknown());
        for unseen in [
            '\u{AD}',
            '\u{61C}',
            '\u{180E}',
            '\u{200D}',
            '\u{202E}',
            '\u{2066}',
            '\u{2069}',
            '\u{2800}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{FFF9}',
            '\u{1D173}',
            '\u{E0001}',
            '\u{E0041}',
            '\u{E007F}',
            '\u{E01EF}',
            '\u{E0FFF}',
        ] {
            assert!(Device::new(None, Some(&unseen.to_string())).is_unknown(), "{unseen:?}");
            let label = format!("my{unseen} phone");
            assert_eq!(Device::new(None, Some(&label)).label(), Some("my phone"), "{unseen:?}");
        }
        assert_eq!(Device::new(None, Some("Zoë’s 手机 \u{1F4F1}")).label(), Some("Zoë’s 手机 \u{1F4F1}"));
        assert_eq!(Device::decode(&device.encode()), Ok(device.clone()));
        assert_eq!(format!("{device:?}"), "Device(…)");
    }

    proptest::proptest! {
        #[test]
        fn no_user_agent_can_do_harm(agent in ".{0,300}", bytes: Vec<u8>) {
            let mixed = format!("{agent} Mozilla/5.0 (Windows {agent}; MSIE {agent}) {}", String::from_utf8_lossy(&bytes));
            for agent in [agent, mixed] {
                let device = Device::new(Some(&agent), Some(&agent));
                let name = device.name().unwrap_or_default();
                proptest::prop_assert!(name.len() <= MAX_USER_AGENT + 64 && !name.chars().any(is_unseen));
            }
        }
    }

    #[test]
    fn a_device_that_tells_one_thing_is_not_unknown() {
        let is_unknown = |agent, label| Device::new(agent, label).is_unknown();
        assert!(is_unknown(None, None));
        assert!(!is_unknown(Some("curl/8.5.0"), None) && !is_unknown(None, Some("my phone")));
    }

    #[test]
    fn a_known_program_on_no_known_system_has_its_own_name() {
        const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        assert_eq!(name(GOOGLEBOT).as_deref(), Some("Googlebot"));
    }
}
