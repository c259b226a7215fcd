//! The browsers on `/devices`: lists them, and signs one out.

use poem::Response;

use super::person::Person;
use super::{done, readable, to_log_in, unknown};
use crate::app::TokenError;
use crate::app::browsers::{ListedLogin, LoginsPage};
use crate::app::devices::ListedSession;
use crate::http::oauth::form::Form;
use crate::http::pages::render::Tab;
use crate::http::pages::render::devices::BrowserItem;
use crate::http::pages::visit::{Refused, Visit};
use crate::oauth::LoginId;

/// How many browsers are on one page.
const PAGE: usize = 50;

/// The browsers, and the one after which the next page begins. `sessions` are those on the same page.
pub(super) async fn list(
    visit: &Visit<'_>,
    person: &Person,
    sessions: &[ListedSession],
) -> Result<(Vec<BrowserItem>, Option<String>), Refused> {
    let after = visit.own_parameter("browsers_after")?.and_then(|after| after.parse().ok());
    let page = LoginsPage { after, limit: PAGE };
    let (listed, next) = visit.app.sessions.logins(person.login.user, page).await?;
    let mut browsers: Vec<_> = listed.iter().map(|listed| item(visit, person, (listed, sessions))).collect();
    // The newest first, and this one before all.
    browsers.reverse();
    browsers.sort_by_key(|browser| !browser.is_current);
    Ok((browsers, next.map(|next| next.to_string())))
}

/// Signs one out. The answer is an error where the page tells it.
pub(super) async fn end(
    visit: &mut Visit<'_>,
    person: &Person,
    form: &mut Form,
) -> Result<Response, TokenError> {
    let id = form.take("browser").and_then(|id| id.parse::<LoginId>().ok());
    let Some(id) = id else { return Ok(unknown(visit)) };
    if !visit.app.sessions.end_own_login(person.login.user, id).await? {
        return Ok(unknown(visit));
    }
    if id == person.login.id {
        visit.logged_out();
        return Ok(to_log_in(Tab::Devices));
    }
    Ok(done(Tab::Devices, "browser"))
}

fn item(
    visit: &Visit<'_>,
    person: &Person,
    (listed, sessions): (&ListedLogin, &[ListedSession]),
) -> BrowserItem {
    let began_from_it = |session: &&ListedSession| {
        session.session.started.login.as_ref().is_some_and(|login| login.id == listed.id)
    };
    let mut apps: Vec<_> = sessions.iter().filter(began_from_it).map(|app| app.client_name.clone()).collect();
    apps.sort();
    apps.dedup();
    let begun = &listed.login.begun;
    BrowserItem {
        id: listed.id.to_string(),
        name: readable(&listed.device)
            .unwrap_or_else(|| visit.texts().devices.unknown_browser.as_str().to_owned()),
        since: Person::when(visit, begun.at),
        keeps: listed.login.life().persistent,
        apps,
        is_current: listed.id == person.login.id,
    }
}
