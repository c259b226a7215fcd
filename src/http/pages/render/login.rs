//! The page on which people sign in.

use std::time::Duration;

use askama::Template;

use super::{FormFields, Mistakes, Shell, Tab, rendered};

/// The page on which people sign in, or confirm their password.
#[derive(Template)]
#[template(path = "login.html")]
pub(in crate::http) struct LoginPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Fields that are sent: `username`, `password`, `keep` (`yes`), `action` (`log_in` or `cancel`).
    pub(in crate::http) form: FormFields<'a>,
    /// The client that the person goes on to; then there is a button to cancel.
    pub(in crate::http) client_name: Option<&'a str>,
    /// The path of the client's logo.
    pub(in crate::http) client_logo: Option<&'a str>,
    /// What stands in the field of the name: what was typed before, or the client's hint.
    pub(in crate::http) username: &'a str,
    /// Whether people may sign in with their e-mail address.
    pub(in crate::http) with_email: bool,
    /// Whether "Keep me signed in" is ticked.
    pub(in crate::http) keep: bool,
    /// What is wrong.
    pub(in crate::http) error: Option<LoginError>,
    /// Whether there is a link to make an account.
    pub(in crate::http) may_sign_up: bool,
    /// The name of who is signed in and must confirm the password.
    pub(in crate::http) reauthenticate: Option<&'a str>,
}

/// Why nobody was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum LoginError {
    /// The name is missing.
    Username,
    /// The password is missing.
    Password,
    /// Name or password is wrong.
    Credentials,
    /// Too many attempts; how long to wait.
    Throttled(Duration),
    /// The form is not of this browser, or of another request.
    Stale,
    /// The server is busy.
    Busy,
    /// The server failed.
    Failed,
}

impl LoginPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }

    fn title(&self) -> String {
        let texts = &self.shell.texts;
        let title = if self.reauthenticate.is_some() { &texts.login.again_title } else { &texts.login.title };
        if self.error.is_some() { texts.shell.error.with("title", title) } else { title.as_str().to_owned() }
    }

    fn name_label(&self) -> &str {
        let texts = &self.shell.texts.login;
        if self.with_email { texts.username_or_email.as_str() } else { texts.username.as_str() }
    }

    fn mistakes(&self) -> Mistakes {
        let texts = &self.shell.texts;
        let (own, refused) = (&texts.login_error, &texts.refused);
        // Where the name can't be typed, the password is what can be corrected.
        let first = if self.reauthenticate.is_some() { "password" } else { "username" };
        match self.error {
            None => Mistakes::default(),
            Some(LoginError::Username) => Mistakes::one(first, own.username.as_str()),
            Some(LoginError::Password) => Mistakes::one("password", own.password.as_str()),
            Some(LoginError::Credentials) => Mistakes::one(first, own.credentials.as_str()),
            Some(LoginError::Throttled(wait)) => {
                Mistakes::one("", own.throttled.with("time", texts.duration(wait)))
            }
            Some(LoginError::Stale) => Mistakes::one("", own.stale.as_str()),
            Some(LoginError::Busy) => Mistakes::one("", refused.busy.as_str()),
            Some(LoginError::Failed) => Mistakes::one("", refused.failed.as_str()),
        }
    }
}
