//! The origins of web pages (RFC 6454).

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use super::ids::InvalidText;

/// The origin of a web page, in the form in which a browser sends it (RFC 6454 §6.2): `https://app.example.com`, with a
/// port only if it is not the scheme's default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// The origin of an http or https URL; `None` for any other URL.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        matches!(url.scheme(), "https" | "http").then(|| Self(url.origin().ascii_serialization().into()))
    }

    /// The text, as in the header `Origin`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Whether its host is this machine: `localhost`, a name under `.localhost`, or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let url = Url::parse(&self.0).ok();
        match url.as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

impl FromStr for Origin {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Self::of(text).filter(|origin| origin.as_str() == text).ok_or(InvalidText::new(
            "an origin is a scheme, a host and, unless it is the usual one, a port: https://app.example.com",
        ))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> minicbor::Encode<C> for Origin {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Origin {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_sends_is_an_origin() {
        for text in
            ["https://app.example.com", "http://localhost:3000", "https://[::1]:8443", "http://127.0.0.1"]
        {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "null",
            "*",
            "https://app.example.com/",
            "https://app.example.com:443",
            "https://App.example.com",
            "https://app.example.com/login",
            "https://user@app.example.com",
            "https://app.example.com?x",
            "app.example.com",
            "file:///tmp",
            "https://",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_of_this_machine_is_known() {
        let is_loopback = |text: &str| text.parse::<Origin>().unwrap().is_loopback();
        assert!(
            is_loopback("http://localhost:3000")
                && is_loopback("http://[::1]:1")
                && is_loopback("http://127.1.2.3")
        );
        assert!(!is_loopback("http://10.0.0.1") && !is_loopback("https://localhost.example.com"));
        assert_eq!(Origin::of("https://id.example.com/tenant").unwrap().as_str(), "https://id.example.com");
    }
}
