//! The page that says what went wrong.

use askama::Template;

use super::{Shell, Tab, rendered};

/// The page that says what went wrong, and how to go on.
#[derive(Template)]
#[template(path = "error.html")]
pub(in crate::http) struct ErrorPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// What went wrong.
    pub(in crate::http) kind: ErrorKind,
    /// The same for the developers of the client, in English.
    pub(in crate::http) details: Option<&'a str>,
    /// How to go on.
    pub(in crate::http) way_forward: Option<Way<'a>>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum ErrorKind {
    /// The client is unknown or switched off.
    Client,
    /// The redirect URI is none of the client's.
    RedirectUri,
    /// The request is malformed.
    Request,
    /// The sealed request is too old.
    Expired,
    /// The form is not from our own page in this browser.
    Form,
    /// There is nothing at this path.
    NotFound,
    /// The path takes another method.
    Method,
    /// The server is busy.
    Busy,
    /// The server failed.
    Failed,
}

/// How to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Way<'a> {
    /// To the person's own pages.
    Account,
    /// To the page at this path below the pages' base.
    Retry(&'a str),
    /// To the client.
    App {
        /// Its name.
        name: &'a str,
        /// Its page.
        url: &'a str,
    },
}

impl ErrorPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }

    fn texts(&self) -> (&str, &str) {
        let texts = &self.shell.texts.error;
        let (title, message) = match self.kind {
            ErrorKind::Client => (&texts.client_title, &texts.client),
            ErrorKind::RedirectUri => (&texts.redirect_title, &texts.redirect),
            ErrorKind::Request => (&texts.request_title, &texts.request),
            ErrorKind::Expired => (&texts.expired_title, &texts.expired),
            ErrorKind::Form => (&texts.form_title, &texts.form),
            ErrorKind::NotFound => (&texts.not_found_title, &texts.not_found),
            ErrorKind::Method => (&texts.method_title, &texts.method),
            ErrorKind::Busy => (&texts.busy_title, &texts.busy),
            ErrorKind::Failed => (&texts.failed_title, &texts.failed),
        };
        (title.as_str(), message.as_str())
    }
}
