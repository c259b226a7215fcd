//! What is wrong with a configuration: all of it at once, each with its place and a way out.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of a file, from 1.
    Line {
        /// The file, as it was named.
        file: Arc<str>,
        /// The line.
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
    /// Whether it was written in the file. What comes from elsewhere is always text.
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

/// One mistake. Its texts never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty if the message says that already.
    pub suggestion: String,
}

/// Every mistake of a configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// The mistakes.
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

/// Collects mistakes while a configuration is read.
#[derive(Default)]
pub(super) struct Problems {
    found: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
    /// Whether a secret stands in the file itself.
    inline_secret: Cell<bool>,
}

impl Problems {
    /// Notes a mistake.
    pub(super) fn note(&self, place: &Place, message: impl Into<String>, suggestion: impl Into<String>) {
        let problem =
            Problem { place: place.clone(), message: message.into(), suggestion: suggestion.into() };
        self.found.borrow_mut().push(problem);
    }

    /// Notes what the operator should know, though it is no mistake.
    pub(super) fn warn(&self, text: String) {
        self.warnings.borrow_mut().push(text);
    }

    /// Notes that a secret stands at a place.
    pub(super) fn note_secret(&self, place: &Place) {
        if place.is_in_file() {
            self.inline_secret.set(true);
        }
    }

    /// Whether a secret stands in the file itself.
    pub(super) const fn has_inline_secret(&self) -> bool {
        self.inline_secret.get()
    }

    /// What the operator should know.
    pub(super) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.found.borrow().len()
    }

    /// All of them. The first `syntax` ones are about the file's syntax: what else was found on their lines, or found
    /// missing, only follows from them.
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
