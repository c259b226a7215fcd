//! The page of the apps that may use the account.

use askama::Template;

use super::{FormFields, Shell, Tab, When, rendered};

/// The page of the apps that may use the account.
#[derive(Template)]
#[template(path = "apps.html")]
pub(in crate::http) struct AppsPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Field that is sent: `client`.
    pub(in crate::http) form: FormFields<'a>,
    pub(in crate::http) apps: Vec<AppItem>,
    /// Whether the page follows a withdrawal.
    pub(in crate::http) is_withdrawn: bool,
}

/// An app in the list.
pub(in crate::http) struct AppItem {
    /// The client's id.
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    /// What it may do, in words.
    pub(in crate::http) scopes: Vec<String>,
    /// Since when.
    pub(in crate::http) since: When,
}

impl AppsPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }
}
