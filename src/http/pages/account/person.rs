//! The person who is signed in with the browser.

use crate::app::logins::CurrentLogin;
use crate::clock::Timestamp;
use crate::http::oauth::form::Form;
use crate::http::pages::form_token::Step;
use crate::http::pages::render::{Account, FormFields, Shell, Tab, When};
use crate::http::pages::visit::{Refused, Visit};

/// The person who is signed in with the browser, on one of the own pages.
pub(super) struct Person {
    pub(super) login: CurrentLogin,
    /// The name to sign in with.
    pub(super) name: String,
    tab: Tab,
    token: String,
    log_out_token: String,
}

impl Person {
    /// The person; `None` if nobody is signed in.
    pub(super) async fn of(visit: &mut Visit<'_>, tab: Tab) -> Result<Option<Self>, Refused> {
        let Some(login) = visit.login().await? else { return Ok(None) };
        let Some(name) = visit.app.accounts.name_of(login.user).await? else { return Ok(None) };
        let token = visit.form_token(Step::Account, &login.id.to_string())?;
        let log_out_token = visit.form_token(Step::Logout, "")?;
        Ok(Some(Self { login, name, tab, token, log_out_token }))
    }

    /// Whether a form comes from a page of this login in this browser.
    pub(super) fn has_sent(&self, visit: &Visit<'_>, form: &mut Form) -> bool {
        visit.has_token(form, Step::Account, &self.login.id.to_string())
    }

    /// What surrounds the page.
    pub(super) fn shell<'a>(&'a self, visit: &Visit<'a>) -> Shell<'a> {
        let account = Account { name: &self.name, tab: self.tab, log_out_token: &self.log_out_token };
        Shell { account: Some(account), ..visit.pages.shell(visit.texts()) }
    }

    /// What the page's forms carry on.
    pub(super) fn form(&self) -> FormFields<'_> {
        FormFields { action: self.tab.word(), request: None, to: None, token: &self.token }
    }

    /// A time, as it looks now.
    pub(super) fn when(visit: &Visit<'_>, at: Timestamp) -> When {
        When::new(at, visit.app.clock.now(), visit.texts())
    }

    /// Whether the page follows something that was done.
    pub(super) fn has_done(visit: &Visit<'_>, what: &str) -> Result<bool, Refused> {
        Ok(visit.own_parameter("done")?.is_some_and(|done| *done == what))
    }
}
