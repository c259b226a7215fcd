//! A person's own pages: profile and password.

use askama::Template;

use super::{FormFields, Mistakes, Shell, Tab, rendered};

/// The page of the person's profile.
#[derive(Template)]
#[template(path = "profile.html")]
pub(in crate::http) struct ProfilePage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Fields that are sent: `display_name`, `email`.
    pub(in crate::http) form: FormFields<'a>,
    pub(in crate::http) username: &'a str,
    pub(in crate::http) display_name: &'a str,
    pub(in crate::http) email: &'a str,
    /// Whether people may sign in with their e-mail address.
    pub(in crate::http) with_email: bool,
    /// Whether the page follows a change.
    pub(in crate::http) is_saved: bool,
    pub(in crate::http) mistakes: Mistakes,
}

impl ProfilePage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }

    fn email_hint(&self) -> &str {
        if self.with_email { self.shell.texts.profile.email_signs_in.as_str() } else { "" }
    }
}

/// The page on which the person changes the password.
#[derive(Template)]
#[template(path = "password.html")]
pub(in crate::http) struct PasswordPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Fields that are sent: `old_password`, `new_password`.
    pub(in crate::http) form: FormFields<'a>,
    /// For the browser's password store.
    pub(in crate::http) username: &'a str,
    /// How long a password must be, in characters.
    pub(in crate::http) min_length: usize,
    /// Whether the page follows a change.
    pub(in crate::http) is_changed: bool,
    pub(in crate::http) mistakes: Mistakes,
}

impl PasswordPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }
}
