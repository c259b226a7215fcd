//! The page that asks whether to log out, and the one that says that it is done.

use askama::Template;

use super::{FormFields, Shell, Tab, rendered};
use crate::http::pages::texts::Part;

/// The page that asks whether to log out, or says that it is done.
#[derive(Template)]
#[template(path = "logout.html")]
pub(in crate::http) struct LogoutPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Question or answer.
    pub(in crate::http) state: LogoutState<'a>,
}

/// Question or answer.
pub(in crate::http) enum LogoutState<'a> {
    /// Whether to log out.
    Question {
        /// The form; no further field is sent.
        form: FormFields<'a>,
        /// Who is signed in.
        name: &'a str,
    },
    /// The person is logged out.
    Done {
        /// Where to go on.
        app: Option<AppLink<'a>>,
    },
}

/// A link to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct AppLink<'a> {
    pub(in crate::http) name: &'a str,
    pub(in crate::http) url: &'a str,
}

impl LogoutPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }

    fn question(&self) -> Vec<Part<'_>> {
        match &self.state {
            LogoutState::Question { name, .. } => {
                let service = ("service", self.shell.brand.name.as_str());
                self.shell.texts.logout.question.around(("name", name), service)
            }
            LogoutState::Done { .. } => Vec::new(),
        }
    }
}
