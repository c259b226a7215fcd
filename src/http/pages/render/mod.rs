//! The pages as HTML: one struct a page, each with its template in `templates/`. Everything that they show is escaped
//! where it stands.

pub(in crate::http) mod apps;
pub(in crate::http) mod consent;
pub(in crate::http) mod devices;
pub(in crate::http) mod drawing;
pub(in crate::http) mod error;
pub(in crate::http) mod form_post;
pub(in crate::http) mod login;
pub(in crate::http) mod logout;
pub(in crate::http) mod own;
pub(in crate::http) mod sign_up;

use askama::Template;

use super::brand::Brand;
use super::texts::Texts;
use crate::clock::Timestamp;

/// What surrounds each page.
pub(in crate::http) struct Shell<'a> {
    /// The texts in the person's language.
    pub(in crate::http) texts: &'a Texts,
    /// Whose pages they are.
    pub(in crate::http) brand: &'a Brand,
    /// On a person's own pages: who it is, for the navigation.
    pub(in crate::http) account: Option<Account<'a>>,
}

/// The navigation of a person's own pages.
pub(in crate::http) struct Account<'a> {
    /// The person's name.
    pub(in crate::http) name: &'a str,
    /// The page.
    pub(in crate::http) tab: Tab,
    /// The form token of the button that logs out.
    pub(in crate::http) log_out_token: &'a str,
}

/// A person's own page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Tab {
    /// `/profile`.
    Profile,
    /// `/password`.
    Password,
    /// `/devices`.
    Devices,
    /// `/apps`.
    Apps,
}

impl Tab {
    /// Its path, without the slash.
    pub(in crate::http) const fn word(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Password => "password",
            Self::Devices => "devices",
            Self::Apps => "apps",
        }
    }
}

impl Shell<'_> {
    const fn has_links(&self) -> bool {
        self.brand.imprint.is_some() || self.brand.privacy.is_some() || self.brand.help.is_some()
    }
}

/// What a form carries on.
#[derive(Clone, Copy)]
pub(in crate::http) struct FormFields<'a> {
    /// Where it is sent, below the pages' path.
    pub(in crate::http) action: &'a str,
    /// The sealed request, if a client began it.
    pub(in crate::http) request: Option<&'a str>,
    /// On which of the person's own pages it ends, as a word of a closed list.
    pub(in crate::http) to: Option<&'a str>,
    /// The form token.
    pub(in crate::http) token: &'a str,
}

impl FormFields<'_> {
    /// The query by which a link carries on the same.
    fn query(&self) -> String {
        // Both are words without characters that a query escapes.
        match (self.request, self.to) {
            (Some(request), _) => format!("?request={request}"),
            (None, Some(to)) => format!("?to={to}"),
            (None, None) => String::new(),
        }
    }
}

/// A time, in words and exactly.
pub(in crate::http) struct When {
    at: Timestamp,
    /// How long ago it was, or in how long it will be.
    pub(in crate::http) words: String,
}

impl When {
    /// A time, as it looks from `now`.
    pub(in crate::http) fn new(at: Timestamp, now: Timestamp, texts: &Texts) -> Self {
        Self { at, words: texts.relative(at, now) }
    }

    /// For programs: RFC 3339.
    fn iso(&self) -> String {
        self.at.to_string()
    }

    /// For people: to the second, in UTC.
    fn exact(&self) -> String {
        let text = self.at.to_string();
        match (text.get(..10), text.get(11..19)) {
            (Some(day), Some(time)) => format!("{day} {time} UTC"),
            (_, _) => text,
        }
    }
}

/// What is wrong with a form, for the summary above it and beside the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Mistakes(Vec<Mistake>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Mistake {
    /// The field; empty if it is about the whole form.
    pub(in crate::http) field: &'static str,
    /// What is wrong.
    pub(in crate::http) text: String,
}

impl Mistakes {
    /// Adds what is wrong with a field.
    pub(in crate::http) fn add(&mut self, field: &'static str, text: impl Into<String>) {
        self.0.push(Mistake { field, text: text.into() });
    }

    /// One thing that is wrong.
    pub(in crate::http) fn one(field: &'static str, text: impl Into<String>) -> Self {
        Self(vec![Mistake { field, text: text.into() }])
    }

    /// Whether anything is wrong.
    pub(in crate::http) const fn any(&self) -> bool {
        !self.0.is_empty()
    }

    fn all(&self) -> &[Mistake] {
        &self.0
    }

    /// What is wrong with a field; empty if nothing is.
    fn of(&self, field: &str) -> &str {
        self.0.iter().find(|mistake| mistake.field == field).map_or("", |mistake| &mistake.text)
    }
}

/// A page's HTML.
fn rendered(page: &impl Template) -> String {
    page.render().unwrap_or_else(|error| {
        // Only writing into the text could fail, and that can't.
        tracing::error!(error = %error, "a page was not rendered");
        String::new()
    })
}

#[cfg(test)]
mod tests;
