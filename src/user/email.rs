//! E-mail addresses: contact data, and sign-in names where the operator configured that.
//!
//! The rule is that of the web's own `<input type=email>` (WHATWG HTML §4.10.5.1.5). It leaves out what RFC 5322
//! permits and nobody uses: comments, quoted parts, IP addresses as domains. Two things are added, because people have
//! such addresses: letters of any script before the `@` (RFC 6531), and internationalised domains, which the `url`
//! crate converts to their ASCII form (UTS 46). A domain must have a dot. heirloom does not check whether mail arrives
//! there.

use std::fmt;
use std::str::FromStr;

use url::Host;

use super::name;

/// An e-mail address. Only `FromStr` makes one. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    address: Box<str>,
    key: Box<str>,
}

impl Email {
    /// The longest address, in bytes (RFC 5321 §4.5.3.1.3).
    pub const MAX: usize = 254;
    /// The longest part before the `@`, in bytes (RFC 5321 §4.5.3.1.1).
    pub const MAX_LOCAL: usize = 64;

    /// The address that mail is sent to: before the `@` as it was typed, since case may matter to the receiver (RFC
    /// 5321 §2.4); the domain in ASCII and lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// The key that all spellings of one address share: before the `@`, the normal form of a name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// Why a text is not an e-mail address. The message is fixed, may be sent to a client, and repeats nothing of the
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailRefused {
    /// An empty text, or only white space.
    #[error("The e-mail address is empty.")]
    Empty,
    /// Longer than [`Email::MAX`], or [`Email::MAX_LOCAL`] before the `@`.
    #[error("The e-mail address is too long.")]
    TooLong,
    /// Not `name@domain`.
    #[error("The e-mail address is not of the form name@example.com.")]
    Malformed,
}

impl FromStr for Email {
    type Err = EmailRefused;

    fn from_str(typed: &str) -> Result<Self, EmailRefused> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(EmailRefused::Empty);
        }
        if typed.len() > Self::MAX {
            return Err(EmailRefused::TooLong);
        }
        let (local, domain) = typed.rsplit_once('@').ok_or(EmailRefused::Malformed)?;
        if local.len() > Self::MAX_LOCAL {
            return Err(EmailRefused::TooLong);
        }
        if !local.split('.').all(is_atom) {
            return Err(EmailRefused::Malformed);
        }
        let normal = name::normalise(local).map_err(|_| EmailRefused::Malformed)?;
        let domain = ascii_domain(domain).ok_or(EmailRefused::Malformed)?;
        let (address, key) = (format!("{local}@{domain}"), format!("{normal}@{domain}"));
        if address.len() > Self::MAX || key.len() > Self::MAX {
            return Err(EmailRefused::TooLong);
        }
        Ok(Self { address: address.into(), key: key.into() })
    }
}

/// Whether `part`, one of the parts between dots before the `@`, has only `atext` of RFC 5322 §3.2.3 and characters
/// beyond ASCII (RFC 6531 §3.3). The name profile decides which characters beyond ASCII are permitted.
fn is_atom(part: &str) -> bool {
    let permitted = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c) || !c.is_ascii();
    !part.is_empty() && part.chars().all(permitted)
}

/// A domain in its ASCII form; `None` unless it has two or more labels, each of up to 63 letters, digits and inner
/// hyphens.
fn ascii_domain(domain: &str) -> Option<String> {
    // The URL parser would decode a `%`.
    if domain.contains('%') {
        return None;
    }
    let Ok(Host::Domain(ascii)) = Host::parse(domain) else { return None };
    let is_label = |label: &str| {
        let permitted = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let inner = !label.starts_with('-') && !label.ends_with('-');
        (1..=63).contains(&label.len()) && inner && label.bytes().all(permitted)
    };
    (ascii.contains('.') && ascii.split('.').all(is_label)).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(typed: &str) -> Result<(String, String), EmailRefused> {
        typed.parse::<Email>().map(|email| (email.as_str().to_owned(), email.key().to_owned()))
    }

    #[test]
    fn an_address_is_kept_as_mail_needs_it_and_has_one_key_for_all_its_spellings() {
        for (typed, address, key) in [
            (" Ann.Lee+x@Example.COM ", "Ann.Lee+x@example.com", "ann.lee+x@example.com"),
            ("JOSE\u{301}@bücher.example", "JOSE\u{301}@xn--bcher-kva.example", "josé@xn--bcher-kva.example"),
            ("josé@xn--bcher-kva.example", "josé@xn--bcher-kva.example", "josé@xn--bcher-kva.example"),
            ("o'neil_1@a-b.co.uk", "o'neil_1@a-b.co.uk", "o'neil_1@a-b.co.uk"),
        ] {
            assert_eq!(parsed(typed), Ok((address.to_owned(), key.to_owned())), "{typed}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for typed in [
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "ann@example..com",
            "ann@.example.com",
            "ann@example.com.",
            "ann@-example.com",
            "ann@ex_ample.com",
            "ann@192.0.2.1",
            "ann@[192.0.2.1]",
            "ann@[::1]",
            "ann@ex%61mple.com",
            ".ann@example.com",
            "ann.@example.com",
            "a..n@example.com",
            "a n@example.com",
            "a@n@example.com",
            "\"ann\"@example.com",
            "ann(x)@example.com",
            "ann@example.com\r\nBcc: eve@example.com",
            "ann\0@example.com",
            "a\u{200b}nn@example.com",
            "ann@exa mple.com",
            "<ann@example.com>",
        ] {
            assert_eq!(parsed(typed), Err(EmailRefused::Malformed), "{typed:?}");
        }
        assert_eq!(parsed(" "), Err(EmailRefused::Empty));
        assert_eq!(parsed(&format!("{}@example.com", "a".repeat(65))), Err(EmailRefused::TooLong));
        assert_eq!(parsed(&format!("a@{}example.com", "a.".repeat(150))), Err(EmailRefused::TooLong));
    }

    #[test]
    fn the_longest_address_is_taken_and_no_longer_one() {
        let ascii = |local: usize, domain: usize| {
            let labels = [63, 63, domain.saturating_sub(128 + 4)].map(|len| "d".repeat(len)).join(".");
            format!("{}@{labels}.com", "a".repeat(local))
        };
        assert_eq!(ascii(64, 189).len(), Email::MAX);
        assert!(parsed(&ascii(64, 189)).is_ok());
        assert_eq!(parsed(&ascii(64, 190)), Err(EmailRefused::TooLong));
        assert_eq!(parsed(&"a".repeat(255)), Err(EmailRefused::TooLong));
        assert_eq!(parsed(&"a".repeat(300)), Err(EmailRefused::TooLong), "it is not looked at");
        // `Ⱥ` has two bytes, and its lower case three: the address would do, its key would not.
        let grows = ascii(64, 189).replace(&"a".repeat(64), &"\u{23A}".repeat(32));
        assert_eq!((grows.len(), parsed(&grows)), (Email::MAX, Err(EmailRefused::TooLong)));
        // The domain grows when it becomes ASCII, and the key is shorter than the address.
        let labels = format!("{}{}", "b\u{FC}cher.".repeat(10), "d".repeat(56));
        let shrinks = format!("{}@{labels}.com", "e\u{301}".repeat(21));
        assert_eq!((shrinks.len(), parsed(&shrinks)), (204, Err(EmailRefused::TooLong)));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", "ann@example.com".parse::<Email>().unwrap()), "Email(…)");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn what_is_kept_is_an_address_again_with_the_same_key(typed in "(.{0,20}@.{0,20}|[a-zÀ-ö.+]{1,8}@[a-zß-ö.-]{1,12}\\.[a-z]{2,3})") {
            if let Ok((address, key)) = parsed(&typed) {
                prop_assert_eq!(parsed(&address), Ok((address, key.clone())));
                prop_assert_eq!(parsed(&key), Ok((key.clone(), key)));
            }
        }
    }
}
