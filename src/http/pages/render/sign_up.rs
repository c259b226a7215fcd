//! The page on which people make an account.

use askama::Template;

use super::{FormFields, Mistakes, Shell, Tab, rendered};

/// The page on which people make an account.
#[derive(Template)]
#[template(path = "sign_up.html")]
pub(in crate::http) struct SignUpPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Fields that are sent: `username`, `email`, `display_name`, `password`, `invitation`.
    pub(in crate::http) form: FormFields<'a>,
    /// The client that the person goes on to.
    pub(in crate::http) client_name: Option<&'a str>,
    /// What was typed before.
    pub(in crate::http) typed: SignUpTyped<'a>,
    /// Whether nobody may make an account.
    pub(in crate::http) is_closed: bool,
    /// Whether an invitation is needed.
    pub(in crate::http) needs_invitation: bool,
    /// How long a password must be, in characters.
    pub(in crate::http) min_length: usize,
    /// What is wrong.
    pub(in crate::http) mistakes: Mistakes,
}

/// What was typed into the form; not the password.
#[derive(Clone, Copy, Default)]
pub(in crate::http) struct SignUpTyped<'a> {
    pub(in crate::http) username: &'a str,
    pub(in crate::http) email: &'a str,
    pub(in crate::http) display_name: &'a str,
    pub(in crate::http) invitation: &'a str,
}

impl SignUpPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }
}
