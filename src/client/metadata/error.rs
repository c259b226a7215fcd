//! What is wrong with a field.

use std::fmt;

use super::field::Field;
use crate::oauth::word_list::{Word, did_you_mean, listed, one_of};

/// The most characters of a value that are repeated to whoever wrote it.
const LONGEST_SHOWN: usize = 64;

/// A field that is not what it must be. The texts are whole sentences; every door shows them as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataError {
    /// The field.
    pub field: Field,
    /// The item of the field's list that is wrong, from 0; none if the whole field is.
    pub item: Option<usize>,
    /// The rule that is broken, as a word that a program can read.
    pub rule: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub suggestion: Option<String>,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        self.suggestion.iter().try_for_each(|suggestion| write!(f, " {suggestion}"))
    }
}

impl MetadataError {
    /// A field that breaks a rule.
    #[must_use]
    pub fn new(field: Field, rule: &'static str, problem: impl Into<String>) -> Self {
        Self { field, item: None, rule, problem: problem.into(), suggestion: None }
    }

    /// A text that is none of a closed list of words.
    #[must_use]
    pub(super) fn not_one_of<W: Word>(field: Field, text: &str) -> Self {
        let known = || W::ALL.iter().map(|word| word.as_str());
        let near = did_you_mean(text, known());
        Self { suggestion: near, ..Self::new(field, "not_permitted", one_of(known())) }
    }

    /// A scope that no audience has.
    #[must_use]
    pub fn unknown_scope<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> Self {
        Self::new(Field::Scope, "unknown", format!("No audience has a scope {word}."))
            .suggesting(instead(word, known))
    }

    /// With what to do about it.
    #[must_use]
    pub(super) fn suggesting(self, suggestion: impl Into<String>) -> Self {
        Self { suggestion: Some(suggestion.into()), ..self }
    }

    /// About one item of the field's list.
    #[must_use]
    pub(super) fn at(self, item: usize) -> Self {
        Self { item: Some(item), ..self }
    }
}

/// The mistakes that were found so far.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<MetadataError>);

impl Faults {
    /// Adds one.
    pub(super) fn add(&mut self, error: MetadataError) {
        self.0.push(error);
    }

    /// Whether one of `fields` is wrong. What a rule says of two fields is not asked then.
    pub(super) fn any(&self, fields: &[Field]) -> bool {
        self.0.iter().any(|error| fields.contains(&error.field))
    }

    /// A word of a closed list; `usual` if it is left out or wrong.
    pub(super) fn word<W: Word>(&mut self, field: Field, text: Option<&str>, usual: W) -> W {
        let Some(text) = text else { return usual };
        W::of(text).unwrap_or_else(|| {
            self.add(MetadataError::not_one_of::<W>(field, text));
            usual
        })
    }
}

/// What to write instead of a word that is none of `known`.
pub(super) fn instead<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    did_you_mean(word, known.clone()).unwrap_or_else(|| {
        listed(known).map_or_else(|| "There is none.".to_owned(), |all| format!("There are: {all}."))
    })
}

/// A value as it can stand in a sentence.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A text of another error as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let (first, rest) = text.split_at_checked(1).unwrap_or((text, ""));
    format!("{}{rest}.", first.to_ascii_uppercase())
}
