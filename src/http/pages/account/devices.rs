//! `/devices`: lists the browsers and the apps in which the person is signed in, and signs them out.

use poem::Response;
use poem::http::StatusCode;

use super::person::Person;
use super::{browsers, done, readable, to_log_in, unknown};
use crate::app::devices::{ListedSession, SessionOwner, SessionsPage};
use crate::app::users::UserError;
use crate::http::oauth::form::Form;
use crate::http::pages::headers::{FormTarget, answer};
use crate::http::pages::refused::{mistakes, status_of, with_retry};
use crate::http::pages::render::devices::{DeviceDone, DeviceItem, DevicesPage};
use crate::http::pages::render::{Mistakes, Tab};
use crate::http::pages::visit::{Refused, Visit};
use crate::oauth::SessionId;

/// How many devices are on one page.
const PAGE: usize = 50;

/// The page.
pub(super) async fn show(visit: &Visit<'_>, person: &Person) -> Result<Response, Refused> {
    let html = page(visit, person, Mistakes::default()).await?;
    Ok(answer(StatusCode::OK, html, FormTarget::Own))
}

/// The forms.
pub(super) async fn submit(
    visit: &mut Visit<'_>,
    person: &Person,
    mut form: Form,
) -> Result<Response, Refused> {
    let (sessions, user) = (&visit.app.sessions, person.login.user);
    let action = form.take("action");
    let ended = match action.as_deref().map(String::as_str) {
        Some("end") => {
            let id = form.take("device").and_then(|id| id.parse::<SessionId>().ok());
            let Some(id) = id else { return Ok(unknown(visit)) };
            match sessions.end_own_session(user, id).await {
                Ok(true) => Ok("ended"),
                Ok(false) => return Ok(unknown(visit)),
                Err(error) => Err(UserError::from(error)),
            }
        }
        Some("end_browser") => match browsers::end(visit, person, &mut form).await {
            Ok(response) => return Ok(response),
            Err(error) => Err(UserError::from(error)),
        },
        Some("end_others") => sessions.end_all_but_login(&person.login).await.map(|()| "others"),
        Some("end_all") => match sessions.end_all_sessions(user, None).await {
            Ok(()) => {
                visit.logged_out();
                return Ok(to_log_in(Tab::Devices));
            }
            Err(error) => Err(error),
        },
        Some(_) | None => return Ok(unknown(visit)),
    };
    match ended {
        Ok(what) => Ok(done(Tab::Devices, what)),
        Err(error) => {
            let html = page(visit, person, mistakes(&error, visit.texts(), "")).await?;
            Ok(with_retry(answer(status_of(&error), html, FormTarget::Own), &error))
        }
    }
}

async fn page(visit: &Visit<'_>, person: &Person, mistakes: Mistakes) -> Result<String, Refused> {
    // A value that is no device begins with the first one.
    let after = visit.own_parameter("after")?.and_then(|after| after.parse().ok());
    let owner = SessionOwner::User(person.login.user);
    let (listed, next) = visit.app.sessions.sessions(&owner, SessionsPage { after, limit: PAGE }).await?;
    let (browsers, next_browser) = browsers::list(visit, person, &listed).await?;
    let mut devices: Vec<_> = listed.iter().map(|listed| item(visit, person, listed)).collect();
    // What was used last comes first, and this browser before all.
    devices.reverse();
    devices.sort_by_key(|device| !device.is_current);
    let done = match visit.own_parameter("done")?.as_deref().map(String::as_str) {
        Some("ended") => Some(DeviceDone::Ended),
        Some("browser") => Some(DeviceDone::EndedBrowser),
        Some("others") => Some(DeviceDone::EndedOthers),
        Some(_) | None => None,
    };
    let page = DevicesPage {
        shell: person.shell(visit),
        form: person.form(),
        browsers,
        next_browser,
        devices,
        next: next.map(|next| next.to_string()),
        done: done.filter(|_| !mistakes.any()),
        mistakes,
    };
    Ok(page.html())
}

/// A session as a device.
pub(super) fn item(visit: &Visit<'_>, person: &Person, listed: &ListedSession) -> DeviceItem {
    let started = &listed.session.started;
    let device = listed.device.label().map(str::to_owned).or_else(|| readable(&listed.device));
    let texts = &visit.texts().devices;
    DeviceItem {
        id: listed.id.to_string(),
        name: device.unwrap_or_else(|| texts.unknown.as_str().to_owned()),
        app: listed.client_name.clone(),
        since: Person::when(visit, started.at),
        used: Person::when(visit, listed.session.last_seen()),
        is_current: started.login.as_ref().is_some_and(|login| login.id == person.login.id),
    }
}
