//! What a new password must be (NIST SP 800-63B-4 §3.1.1.2): long enough, and not easy to guess. No rules of
//! composition, no expiry.

use super::{Password, PasswordRefused};

/// The rules for new passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    min_chars: usize,
}

impl Policy {
    /// The fewest characters that any setting may ask for.
    pub const FEWEST: usize = 8;

    /// The most characters that a setting may ask for: NIST wants at least 64 to be possible.
    pub const MOST: usize = 64;

    /// At least `min_chars` characters (15 are recommended); `None` outside [`Policy::FEWEST`] to [`Policy::MOST`].
    #[must_use]
    pub fn new(min_chars: usize) -> Option<Self> {
        (Self::FEWEST..=Self::MOST).contains(&min_chars).then_some(Self { min_chars })
    }

    /// Whether `password` may be a new password of the person whom `about` describes (the name, an address, the
    /// product's name: words that are no secret).
    ///
    /// The strength is zxcvbn's estimate, which knows the 30,000 most common passwords, words and names, and patterns
    /// of keys, dates and repeats. The worst input costs 50 ms, more than a hash, so this belongs on the hashing threads:
    /// see [`HashingPool::hash_new`](super::pool::HashingPool::hash_new).
    ///
    /// # Errors
    /// [`PolicyRefused`], naming the rule.
    pub fn accept(&self, password: &Password, about: &[&str]) -> Result<(), PolicyRefused> {
        let text = password.as_str();
        if text.chars().count() < self.min_chars {
            return Err(PolicyRefused::TooShort { min_chars: self.min_chars });
        }
        if guessable(text, about) { Err(PolicyRefused::Guessable) } else { Ok(()) }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { min_chars: Self::FEWEST }
    }
}

/// Why a password was refused as a new one. The texts are fixed sentences that a client may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefused {
    /// It is no password at all.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// Fewer characters than the setting asks for.
    #[error("The password has fewer than {min_chars} characters.")]
    TooShort {
        /// How many it must have.
        min_chars: usize,
    },
    /// A common password, or one made of the name, of common words, dates, keys in a row, repeats.
    #[error("The password is easy to guess. Add a word or two that nobody would expect.")]
    Guessable,
}

/// How many characters the estimate looks at. It tries every reading of digits and signs as letters (`4` or `@` for `a`):
/// 100 of them take more than half a second, and what 32 characters hide is hidden well.
pub const LOOKED_AT: usize = 32;

/// More words about a person than this are not looked at, nor any longer one.
const WORDS: usize = 16;

fn guessable(text: &str, about: &[&str]) -> bool {
    let head: String = text.chars().take(LOOKED_AT).collect();
    // An address or a full name gives itself away in parts too.
    let words: Vec<&str> = about
        .iter()
        .flat_map(|words| std::iter::once(*words).chain(words.split(|c: char| !c.is_alphanumeric())))
        .filter(|word| (3..=LOOKED_AT).contains(&word.len()))
        .take(WORDS)
        .collect();
    zxcvbn::zxcvbn(&head, &words).score() < zxcvbn::Score::Two
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accept(text: &str, about: &[&str]) -> Result<(), PolicyRefused> {
        Policy::default().accept(&Password::parse(text)?, about)
    }

    #[test]
    fn short_ones_are_refused_by_characters_not_bytes() {
        assert_eq!(accept("q7#Vz!p", &[]), Err(PolicyRefused::TooShort { min_chars: 8 }));
        assert_eq!(accept("éèêàùçî", &[]), Err(PolicyRefused::TooShort { min_chars: 8 }));
        let strict = Policy::new(15).unwrap();
        let password = Password::parse("q7#Vz!pLw2").unwrap();
        assert_eq!(strict.accept(&password, &[]), Err(PolicyRefused::TooShort { min_chars: 15 }));
        assert_eq!(Policy::new(7), None);
        assert_eq!(Policy::new(65), None);
    }

    #[test]
    fn common_ones_and_the_own_name_are_refused() {
        for common in
            ["password", "iloveyou", "12345678", "qwertyuiop", "Passw0rd", "aaaaaaaaaaaa", "trustno1"]
        {
            assert_eq!(accept(common, &[]), Err(PolicyRefused::Guessable), "{common}");
        }
        assert_eq!(accept("threepwood", &[]), Ok(()));
        assert_eq!(accept("threepwood", &["guybrush.threepwood@example.com"]), Err(PolicyRefused::Guessable));
    }

    #[test]
    fn there_are_no_rules_of_composition() {
        for good in
            ["correct horse battery staple", "vkqzhtwm", "🐒 three-headed monkey", "한글은 어렵지 않다"]
        {
            assert_eq!(accept(good, &[]), Ok(()), "{good}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn no_input_makes_it_panic(text in "(.{0,80}|[ab]{0,80}|[0-9/.-]{0,80}|[a-z@$0!|]{0,80})", about in ".{0,20}") {
            let _ = accept(&text, &[&about]);
        }
    }
}
