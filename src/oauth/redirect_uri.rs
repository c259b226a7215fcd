//! Redirect URIs (RFC 6749 §3.1.2), as clients register them and authorization requests name them.

use std::fmt;
use std::str::FromStr;

use url::{Url, form_urlencoded};

/// A redirect URI: `https`, plain `http` on this machine's loopback, or an app's own scheme (RFC 8252 §7). It is written
/// in its normal form, so a browser goes where its text says, and two that mean the same have the same text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedirectUri(Box<str>);

/// Why a text is no redirect URI. The messages are fixed and may be sent to a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// It is empty or too long.
    #[error("a redirect URI has 1 to {} characters", RedirectUri::MAX)]
    Length,
    /// It has a character that no URI has (RFC 3986 §2).
    #[error(
        "a redirect URI has no space, backslash, quote, bracket, control character or letter beyond ASCII"
    )]
    Characters,
    /// It has a `%` without two hexadecimal digits, or one that hides a control character.
    #[error(
        "a percent sign in a redirect URI stands before two hexadecimal digits, and hides no control character"
    )]
    PercentEncoding,
    /// It has a fragment (RFC 6749 §3.1.2).
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// It has a `*`.
    #[error("a redirect URI has no wildcard: it is compared character by character")]
    Wildcard,
    /// It has a user name or a password.
    #[error("a redirect URI has no user name or password")]
    Credentials,
    /// It is relative, or its scheme is not followed by a slash.
    #[error(
        "a redirect URI is absolute, with slashes: https://app.example.com/callback, com.example.app:/callback"
    )]
    Relative,
    /// It has a scheme on which browsers and systems act themselves.
    #[error("the scheme {0} opens no client")]
    Scheme(String),
    /// Its host has a character that no domain name has, or ends with a dot.
    #[error("the host of a redirect URI has letters, digits, hyphens and dots, and no dot at the end")]
    Host,
    /// It is plain `http` and not on a loopback address.
    #[error(
        "a redirect URI is https, or plain http on 127.0.0.1, [::1] or localhost, or has an app's scheme with a dot"
    )]
    NotHttps,
    /// A browser would go to another place than the text says. Has the normal form, if there is one.
    #[error("the redirect URI is not written in its normal form")]
    NotNormal(Option<String>),
    /// Its query has a parameter that answers have.
    #[error("the parameter {0} in a redirect URI is one of the answer's own")]
    Parameter(String),
}

impl InvalidRedirectUri {
    /// What to write instead, as a sentence.
    #[must_use]
    pub fn suggestion(&self) -> String {
        match self {
            Self::NotNormal(Some(normal)) => format!("Write {normal}, as the client sends it."),
            Self::Wildcard => "List every redirect URI.".to_owned(),
            Self::NotHttps => "Use https.".to_owned(),
            Self::Parameter(_) => "Leave the parameter out.".to_owned(),
            Self::Length
            | Self::Characters
            | Self::PercentEncoding
            | Self::Fragment
            | Self::Credentials
            | Self::Relative
            | Self::Scheme(_)
            | Self::Host
            | Self::NotNormal(None) => "Write for example https://app.example.com/callback.".to_owned(),
        }
    }
}

/// Schemes on which browsers and systems act themselves, or which are no app's.
const NO_APP: [&str; 22] = [
    "about",
    "blob",
    "chrome",
    "content",
    "data",
    "file",
    "filesystem",
    "ftp",
    "geo",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "resource",
    "sms",
    "ssh",
    "tel",
    "urn",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// The parameters of an answer to an authorization request (RFC 6749 §4.1.2, RFC 9207).
const OF_ANSWERS: [&str; 6] = ["code", "state", "iss", "error", "error_description", "error_uri"];

/// Where plain `http` goes: to this machine (RFC 8252 §7.3, §8.3).
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://[::1]", LOCALHOST];
const LOCALHOST: &str = "http://localhost";

impl RedirectUri {
    /// The longest, in bytes.
    pub const MAX: usize = 512;

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request with the redirect URI `presented` is answered there, if this one is registered. They are compared
    /// as strings (RFC 9700 §2.1), but the port of a loopback URI is free (RFC 8252 §7.3): of an address for every
    /// client, and of `localhost` for a public one.
    #[must_use]
    pub fn matches(&self, presented: &Self, is_public: bool) -> bool {
        if self == presented {
            return true;
        }
        match (self.loopback(), presented.loopback()) {
            (Some((own, own_rest)), Some((other, other_rest))) => {
                own == other && own_rest == other_rest && (is_public || own != LOCALHOST)
            }
            (Some(_) | None, _) => false,
        }
    }

    /// Whether an app on the device receives it by a scheme of its own (RFC 8252 §7.1).
    #[must_use]
    pub fn has_private_scheme(&self) -> bool {
        !self.0.starts_with("https://") && !self.0.starts_with("http://")
    }

    /// Whether it is plain `http` on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback().is_some()
    }

    /// Whether it is a loopback URI that names its port.
    #[must_use]
    pub fn has_loopback_port(&self) -> bool {
        self.loopback()
            .is_some_and(|(origin, _)| self.0.get(origin.len()..).is_some_and(|rest| rest.starts_with(':')))
    }

    /// The host, for people, and to remember what they allowed: of `https` with its port, of a loopback URI without one,
    /// since it changes; of an app's own scheme the scheme with its colon.
    #[must_use]
    pub fn host(&self) -> &str {
        if let Some((origin, _)) = self.loopback() {
            return origin.trim_start_matches("http://");
        }
        match self.0.split_once("://").filter(|_| !self.has_private_scheme()) {
            Some((_, rest)) => authority(rest),
            None => self.0.split_inclusive(':').next().unwrap_or_default(),
        }
    }

    /// Scheme and host of a loopback URI, and what comes behind the port.
    fn loopback(&self) -> Option<(&'static str, &str)> {
        LOOPBACK.into_iter().find_map(|origin| {
            let rest = self.0.strip_prefix(origin)?;
            let port = rest.strip_prefix(':');
            let rest =
                port.map_or(rest, |port| port.trim_start_matches(|digit: char| digit.is_ascii_digit()));
            (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((origin, rest))
        })
    }
}

impl FromStr for RedirectUri {
    type Err = InvalidRedirectUri;

    fn from_str(text: &str) -> Result<Self, InvalidRedirectUri> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once(':').ok_or(InvalidRedirectUri::Relative)?;
        if !is_scheme(scheme) || !rest.starts_with('/') {
            // So that somebody who wrote `javascript:…` reads of the scheme, not of slashes.
            let known = NO_APP.into_iter().find(|known| scheme.eq_ignore_ascii_case(known));
            let refused = |known: &str| InvalidRedirectUri::Scheme(known.to_owned());
            return Err(known.map_or(InvalidRedirectUri::Relative, refused));
        }
        let behind = rest.strip_prefix("//");
        let authority = behind.map(authority);
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(InvalidRedirectUri::Credentials);
        }
        let url = Url::parse(text).ok();
        let normal = url.as_ref().map_or("", Url::as_str);
        // The normal form has a slash behind a host without a path; clients send it with and without.
        let is_normal = normal == text || normal.strip_suffix('/') == Some(text);
        if !is_normal {
            return Err(InvalidRedirectUri::NotNormal(url.map(String::from)));
        }
        if authority.is_some_and(|authority| !is_host(authority)) {
            return Err(InvalidRedirectUri::Host);
        }
        let uri = Self(text.into());
        match scheme {
            "https" => {}
            "http" if uri.is_loopback() => {}
            "http" => return Err(InvalidRedirectUri::NotHttps),
            scheme if NO_APP.contains(&scheme) => return Err(InvalidRedirectUri::Scheme(scheme.to_owned())),
            // RFC 8252 §7.1: a scheme is a domain name backwards. Some apps have one without a dot, with a host behind it.
            scheme if scheme.contains('.') || authority.is_some_and(|host| !host.is_empty()) => {}
            _ => return Err(InvalidRedirectUri::NotHttps),
        }
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let taken = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| OF_ANSWERS.contains(&&**name));
        taken.map_or(Ok(uri), |(name, _)| Err(InvalidRedirectUri::Parameter(name.into_owned())))
    }
}

/// Checks what can be said of single characters (RFC 3986 §2).
fn check_characters(text: &str) -> Result<(), InvalidRedirectUri> {
    if text.is_empty() || text.len() > RedirectUri::MAX {
        return Err(InvalidRedirectUri::Length);
    }
    let of_uris = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if !text.bytes().all(of_uris) {
        return Err(InvalidRedirectUri::Characters);
    }
    if text.contains('*') {
        return Err(InvalidRedirectUri::Wildcard);
    }
    // RFC 6749 §3.1.2: "The endpoint URI MUST NOT include a fragment component."
    if text.contains('#') {
        return Err(InvalidRedirectUri::Fragment);
    }
    let encoded =
        text.split('%').skip(1).map(|rest| rest.get(..2).filter(|digits| digits.bytes().all(is_hex)));
    let byte =
        |digits: Option<&str>| u8::from_str_radix(digits?, 16).ok().filter(|byte| !byte.is_ascii_control());
    let path = text.split_once('?').map_or(text, |(path, _)| path).to_ascii_lowercase();
    // An encoded slash, backslash or dot in a path is read as one thing here and as another there.
    let is_ambiguous = ["%2f", "%5c", "%2e"].iter().any(|hidden| path.contains(hidden));
    if is_ambiguous || encoded.map(byte).any(|byte| byte.is_none()) {
        return Err(InvalidRedirectUri::PercentEncoding);
    }
    Ok(())
}

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Host and port, from what stands behind `//`.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// Whether it can be a host with its port: a name as registrars know it, an address, or what an app has in its place.
fn is_host(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    !host.ends_with('.')
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> minicbor::Encode<C> for RedirectUri {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for RedirectUri {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        // It was parsed before it was stored. A stricter rule of a later version must not make what is stored unreadable.
        Ok(Self(d.str()?.into()))
    }
}

#[cfg(test)]
#[path = "redirect_uri_tests.rs"]
mod tests;
