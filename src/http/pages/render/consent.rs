//! The page that asks whether a client may use the account.

use askama::Template;

use super::{FormFields, Shell, Tab, rendered};
use crate::http::pages::texts::{Part, Texts};
use crate::oauth::Scope;

/// The page that asks whether a client may use the account.
#[derive(Template)]
#[template(path = "consent.html")]
pub(in crate::http) struct ConsentPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Field that is sent: `action` (`allow`, `deny` or `switch`).
    pub(in crate::http) form: FormFields<'a>,
    /// The client.
    pub(in crate::http) client: ConsentClient<'a>,
    /// What it asks for.
    pub(in crate::http) scopes: Vec<ScopeLine<'a>>,
    /// The resource server that it asks for, unless a scope tells it already.
    pub(in crate::http) resource: Option<&'a str>,
    /// Where the person returns to.
    pub(in crate::http) returns: Returns<'a>,
    /// The person's name.
    pub(in crate::http) account_name: &'a str,
    /// Whether there is a button to use another account.
    pub(in crate::http) may_switch: bool,
}

/// A client, as it describes itself.
#[derive(Clone, Copy, Default)]
pub(in crate::http) struct ConsentClient<'a> {
    pub(in crate::http) name: &'a str,
    /// The path of its logo.
    pub(in crate::http) logo: Option<&'a str>,
    pub(in crate::http) website: Option<&'a str>,
    pub(in crate::http) privacy: Option<&'a str>,
    pub(in crate::http) terms: Option<&'a str>,
}

/// A scope on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct ScopeLine<'a> {
    pub(in crate::http) scope: &'a str,
    /// The resource server that it belongs to; none for heirloom's own.
    pub(in crate::http) resource: Option<&'a str>,
}

/// Where the person returns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Returns<'a> {
    /// To a web page on this host.
    Host(&'a str),
    /// To a program on the person's device.
    Device,
}

impl ConsentPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }

    fn intro(&self) -> Vec<Part<'_>> {
        let text = &self.shell.texts.consent.intro;
        text.around(("app", self.client.name), ("name", self.account_name))
    }
}

impl ConsentClient<'_> {
    const fn has_links(&self) -> bool {
        self.website.is_some() || self.privacy.is_some() || self.terms.is_some()
    }
}

impl Texts {
    /// What a scope permits, in words.
    pub(in crate::http) fn scope_text(&self, line: &ScopeLine<'_>) -> String {
        let texts = &self.scope;
        let known = match line.scope {
            "openid" => &texts.openid,
            "profile" => &texts.profile,
            "email" => &texts.email,
            Scope::OFFLINE_ACCESS => &texts.offline_access,
            "account" => &texts.account,
            "admin" => &texts.admin,
            other => {
                return match line.resource {
                    Some(resource) => {
                        let parts = texts.other_at.around(("scope", other), ("resource", resource));
                        parts.iter().map(|part| part.text).collect()
                    }
                    None => texts.other.with("scope", other),
                };
            }
        };
        known.as_str().to_owned()
    }
}
