//! The page that carries an answer to a client by a form (OAuth 2.0 Form Post Response Mode).

use askama::Template;

use super::{Shell, Tab, rendered};

/// The page that carries an answer to a client by a form. It works without a script, so there is a button.
#[derive(Template)]
#[template(path = "form_post.html")]
pub(in crate::http) struct FormPostPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// The client.
    pub(in crate::http) client_name: &'a str,
    /// The redirect URI.
    pub(in crate::http) action: &'a str,
    /// The parameters of the answer.
    pub(in crate::http) fields: &'a [(&'a str, &'a str)],
}

impl FormPostPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }
}
