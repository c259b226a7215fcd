//! URLs of other servers: pages that people are shown links to, and endpoints of clients.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::ids::InvalidText;
use super::origin::Origin;

/// An `https` or `http` URL in its normal form, without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUrl(Box<str>);

impl WebUrl {
    /// The longest, in bytes.
    pub const MAX: usize = 512;

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// Its origin; every one has one.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        Origin::of(&self.0)
    }

    /// Whether it has a fragment.
    #[must_use]
    pub fn has_fragment(&self) -> bool {
        self.0.contains('#')
    }
}

impl FromStr for WebUrl {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        const WRONG: InvalidText = InvalidText::new(
            "it is no https URL in its normal form, without user name, of at most 512 characters",
        );
        let url = Url::parse(text).map_err(|_| WRONG)?;
        let is_normal = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
        let is_web = matches!(url.scheme(), "https" | "http");
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        let is_good = is_normal && is_web && !has_credentials && text.len() <= Self::MAX;
        if is_good { Ok(Self(text.into())) } else { Err(WRONG) }
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> minicbor::Encode<C> for WebUrl {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for WebUrl {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        // It was parsed before it was stored. A stricter rule of a later version must not make what is stored unreadable.
        Ok(Self(d.str()?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_the_web_is_normal_and_names_nobody() {
        for text in ["https://example.com", "https://example.com/legal#terms", "http://127.0.0.1:9/x?y"] {
            assert_eq!(text.parse::<WebUrl>().unwrap().as_str(), text);
        }
        let long = format!("https://example.com/{}", "a".repeat(493));
        for text in
            ["", "example.com", "https://me@example.com/", "javascript:1", "https://Example.com/", &long]
        {
            assert!(text.parse::<WebUrl>().is_err(), "{text}");
        }
        assert_eq!(
            "https://a.example/b".parse::<WebUrl>().unwrap().origin(),
            "https://a.example".parse().ok()
        );
    }
}
