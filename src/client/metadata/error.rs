//! Errors about single fields of client metadata.

use std::fmt;

use super::field::Field;
use crate::oauth::word_list::{Word, did_you_mean, listed, one_of};

/// The most characters of a wrong value that an error message repeats.
const LONGEST_SHOWN: usize = 64;

/// A field breaks a rule. The messages are whole sentences, which the configuration, the admin API and the command line
/// show unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataError {
    /// The wrong field.
    pub field: Field,
    /// The index of the wrong item in the field's list, from 0; `None` if the whole field is wrong.
    pub item: Option<usize>,
    /// The broken rule, as a fixed word for programs.
    pub rule: &'static str,
    /// What is wrong: a sentence.
    pub problem: String,
    /// How to fix it: a sentence.
    pub suggestion: Option<String>,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        self.suggestion.iter().try_for_each(|suggestion| write!(f, " {suggestion}"))
    }
}

impl MetadataError {
    /// An error about the whole field, without a suggestion.
    #[must_use]
    pub fn new(field: Field, rule: &'static str, problem: impl Into<String>) -> Self {
        Self { field, item: None, rule, problem: problem.into(), suggestion: None }
    }

    /// The error about a text that is not in a closed list of words.
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

    /// Adds a suggestion.
    #[must_use]
    pub(super) fn suggesting(self, suggestion: impl Into<String>) -> Self {
        Self { suggestion: Some(suggestion.into()), ..self }
    }

    /// Makes it an error about one item of the field's list.
    #[must_use]
    pub(super) fn at(self, item: usize) -> Self {
        Self { item: Some(item), ..self }
    }
}

/// The errors found so far.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<MetadataError>);

impl Faults {
    /// Adds an error.
    pub(super) fn add(&mut self, error: MetadataError) {
        self.0.push(error);
    }

    /// Whether one of `fields` is wrong. Then rules that compare it with another field are not checked.
    pub(super) fn any(&self, fields: &[Field]) -> bool {
        self.0.iter().any(|error| fields.contains(&error.field))
    }

    /// Parses a word of a closed list; `usual` if it is missing or wrong.
    pub(super) fn word<W: Word>(&mut self, field: Field, text: Option<&str>, usual: W) -> W {
        let Some(text) = text else { return usual };
        W::of(text).unwrap_or_else(|| {
            self.add(MetadataError::not_one_of::<W>(field, text));
            usual
        })
    }
}

/// The suggestion for a word that is not in `known`.
pub(super) fn instead<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    did_you_mean(word, known.clone()).unwrap_or_else(|| {
        listed(known).map_or_else(|| "There is none.".to_owned(), |all| format!("There are: {all}."))
    })
}

/// A value from outside, shortened and escaped so that it fits into a sentence.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The error about an item that its list has already.
pub(super) fn twice(field: Field, item: usize, value: &str) -> MetadataError {
    let problem = format!("{value} is listed twice.");
    MetadataError::new(field, "repeated", problem).suggesting("Leave one of them out.").at(item)
}

/// Turns the message of another error into a sentence.
pub(super) fn sentence(text: &str) -> String {
    let (first, rest) = text.split_at_checked(1).unwrap_or((text, ""));
    format!("{}{rest}.", first.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_with_what_to_do_about_it() {
        let error = MetadataError::new(Field::Reuse, "not_permitted", "It is wrong.");
        assert_eq!(error.to_string(), "It is wrong.");
        assert_eq!(error.suggesting("Mend it.").to_string(), "It is wrong. Mend it.");
    }
}
