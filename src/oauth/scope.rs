//! Scope: a set of scope tokens (RFC 6749 §3.3).

use std::fmt;
use std::str::FromStr;

/// A set of scope tokens, here called words. Its text is sorted and has single spaces between words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(Box<str>);

/// Why a text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Longer than [`Scope::MAX_BYTES`] or more than [`Scope::MAX_WORDS`] words.
    #[error("a scope has at most 1024 bytes and 64 words")]
    TooLong,
    /// A character that RFC 6749 §3.3 does not allow.
    #[error("a scope has words of printable ASCII without quotes and backslashes, separated by spaces")]
    Characters,
}

impl Scope {
    /// The longest text, in bytes.
    pub const MAX_BYTES: usize = 1024;
    /// The most words.
    pub const MAX_WORDS: usize = 64;

    /// The scope that asks for an ID token (OpenID Connect Core §3.1.2.1).
    pub const OPENID: &'static str = "openid";

    /// The scope that asks for the user's names and roles (OpenID Connect Core §5.4).
    pub const PROFILE: &'static str = "profile";

    /// The scope that asks for the user's e-mail address (OpenID Connect Core §5.4).
    pub const EMAIL: &'static str = "email";

    /// The scope that asks for a refresh token (OpenID Connect Core §11).
    pub const OFFLINE_ACCESS: &'static str = "offline_access";

    /// No scope at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The words, sorted and separated by one space.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no word in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `word` is in it.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.words().any(|own| own == word)
    }

    /// Whether every word of this scope is in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.words().all(|word| other.contains(word))
    }

    /// The words that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.filtered(|word| other.contains(word))
    }

    /// The words that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.words().chain(other.words()).collect()
    }

    /// The words for which `keep` is true.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut text = String::with_capacity(self.0.len());
        for word in self.words().filter(|word| keep(word)) {
            push(&mut text, word);
        }
        Self(text.into())
    }

    fn of_words<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, ScopeError> {
        // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
        let token = |word: &str| word.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E));
        words.map(|word| token(word).then_some(word).ok_or(ScopeError::Characters)).collect()
    }

    /// The words, sorted.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|word| !word.is_empty())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ScopeError::TooLong);
        }
        // RFC 6749 §3.3 has one space between words; clients that build the text by hand send doubled ones.
        let words = text.split(' ').filter(|word| !word.is_empty());
        if words.clone().nth(Self::MAX_WORDS).is_some() {
            return Err(ScopeError::TooLong);
        }
        Self::of_words(words)
    }
}

impl<'a> FromIterator<&'a str> for Scope {
    /// Only for words that are known to be scope tokens.
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        let mut words: Vec<&str> = words.into_iter().collect();
        words.sort_unstable();
        words.dedup();
        Self(words.join(" ").into())
    }
}

fn push(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> minicbor::Encode<C> for Scope {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Scope {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        // The limits apply to requests only. A client may be registered for a longer scope.
        let words = d.str()?.split(' ').filter(|word| !word.is_empty());
        Self::of_words(words).map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_scope_is_sorted_and_without_repeats() {
        let scope: Scope = "write  read read ".parse().unwrap();
        assert_eq!(scope.to_string(), "read write");
        assert!(scope.contains("read") && !scope.contains("rea"));
    }

    /// Keycloak could be stopped by one long `scope` (CVE-2026-4634).
    #[test]
    fn a_scope_that_is_too_long_is_refused() {
        let words = vec!["w"; 65].join(" ");
        assert_eq!(words.parse::<Scope>(), Err(ScopeError::TooLong));
        assert_eq!("w".repeat(1025).parse::<Scope>(), Err(ScopeError::TooLong));
        assert!("w".repeat(1024).parse::<Scope>().is_ok());
        assert!(vec!["w"; 64].join(" ").parse::<Scope>().is_ok());
    }

    #[test]
    fn characters_outside_the_rfc_are_refused() {
        for text in ["a\"b", "a\\b", "ä", "a\tb", "a\0"] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError::Characters), "{text:?}");
        }
    }

    #[test]
    fn scopes_are_joined_and_an_empty_one_is_known() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        assert_eq!(scope("write read").union(&scope("admin read")), scope("admin read write"));
        assert!(Scope::empty().is_empty() && scope("").is_empty() && !scope("read").is_empty());
    }
}
