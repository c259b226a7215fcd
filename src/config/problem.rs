//! Configuration errors: all are collected, each with its place and a suggestion.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of a file, from 1.
    Line {
        /// The file's path as it was given.
        file: Arc<str>,
        /// The line number, from 1.
        line: usize,
    },
    /// A file as a whole: something is missing in it, or it can't be read.
    File(Arc<str>),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Place {
    /// Whether the setting is in the file. A value from an environment variable or a flag is always text.
    pub(super) const fn is_in_file(&self) -> bool {
        matches!(self, Self::Line { .. } | Self::File(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{}:{line}", file.escape_debug()),
            Self::File(file) => write!(f, "{}", file.escape_debug()),
            Self::Environment(name) => write!(f, "{}", name.escape_debug()),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One error. Its messages never contain a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where the error is.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// How to fix it; empty if the message says that.
    pub suggestion: String,
}

/// All errors of a configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// The errors, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{}: {}", problem.place, problem.message)?;
            if !problem.suggestion.is_empty() {
                writeln!(f, "    {}", problem.suggestion)?;
            }
        }
        match self.0.len() {
            1 => f.write_str("1 mistake in the configuration; nothing was started"),
            count => write!(f, "{count} mistakes in the configuration; nothing was started"),
        }
    }
}

/// Collects errors and warnings while a configuration is read.
#[derive(Default)]
pub(super) struct Problems {
    found: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
    /// Whether the file itself contains a secret.
    inline_secret: Cell<bool>,
}

impl Problems {
    /// Reports an error.
    pub(super) fn note(&self, place: &Place, message: impl Into<String>, suggestion: impl Into<String>) {
        let problem =
            Problem { place: place.clone(), message: message.into(), suggestion: suggestion.into() };
        self.found.borrow_mut().push(problem);
    }

    /// Reports a warning.
    pub(super) fn warn(&self, text: String) {
        self.warnings.borrow_mut().push(text);
    }

    /// Records that a secret is written at this place.
    pub(super) fn note_secret(&self, place: &Place) {
        if place.is_in_file() {
            self.inline_secret.set(true);
        }
    }

    /// Whether the file itself contains a secret.
    pub(super) const fn has_inline_secret(&self) -> bool {
        self.inline_secret.get()
    }

    /// Takes the warnings out.
    pub(super) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// The number of errors so far.
    pub(super) fn count(&self) -> usize {
        self.found.borrow().len()
    }

    /// All errors. The first `syntax` ones are syntax errors; other errors on the same lines, and those about missing
    /// settings, follow from them and are dropped.
    pub(super) fn into_errors(self, syntax: usize) -> ConfigErrors {
        let mut rest = self.found.into_inner();
        let mut all: Vec<Problem> = rest.drain(..syntax.min(rest.len())).collect();
        if !all.is_empty() {
            let follows = |problem: &Problem| {
                matches!(problem.place, Place::File(_))
                    || all.iter().any(|first| first.place == problem.place)
            };
            rest.retain(|problem| !follows(problem));
        }
        all.append(&mut rest);
        all.sort();
        all.dedup();
        ConfigErrors(all)
    }
}
