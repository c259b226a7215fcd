//! A person's own pages: what the JSON API at `/account` does, with the same rules and limits, for people.
//!
//! | Path | What it does |
//! |---|---|
//! | `/profile` | shows and changes the profile |
//! | `/password` | changes the password |
//! | `/devices` | lists the browsers and apps in which the person is signed in, and signs them out |
//! | `/devices/{id}` | tells what happened on one device |
//! | `/apps` | lists the apps that may use the account, and withdraws that |
//!
//! Who is not signed in is sent to `/login`, and comes back.

mod apps;
mod browsers;
mod device;
mod devices;
mod password;
mod person;
mod profile;

use poem::error::MethodNotAllowedError;
use poem::http::StatusCode;
use poem::{Endpoint, Request, RequestBody, Response, Route};

use self::person::Person;
use super::headers::redirect;
use super::render::Tab;
use super::render::error::{ErrorKind, Way};
use super::visit::{Refused, Visit, is_post};
use crate::session;

/// The paths, with their methods as `Allow` lists them.
pub(super) const PATHS: [(&str, &str); 5] = [
    ("/profile", METHODS),
    ("/password", METHODS),
    ("/devices", METHODS),
    ("/devices/{id}", "GET, HEAD"),
    ("/apps", METHODS),
];
const METHODS: &str = "GET, HEAD, POST";

/// Adds the paths.
pub(super) fn route(route: Route) -> Route {
    route
        .at("/profile", OwnPage(Tab::Profile))
        .at("/password", OwnPage(Tab::Password))
        .at("/devices", OwnPage(Tab::Devices))
        .at("/devices/:id", Device)
        .at("/apps", OwnPage(Tab::Apps))
}

/// A page with a form.
struct OwnPage(Tab);

impl Endpoint for OwnPage {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let is_post = is_post(request.method())?;
        let (request, body) = request.split();
        let mut visit = Visit::of(&request)?;
        let answered = answer(&mut visit, self.0, is_post.then_some(body)).await;
        Ok(visit.finished(answered))
    }
}

/// What happened on one device.
struct Device;

impl Endpoint for Device {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if is_post(request.method())? {
            return Err(MethodNotAllowedError.into());
        }
        let id = request.raw_path_param("id").unwrap_or_default().to_owned();
        let mut visit = Visit::of(&request)?;
        let answered = match Person::of(&mut visit, Tab::Devices).await {
            Ok(Some(person)) => device::show(&visit, &person, &id).await,
            Ok(None) => Ok(to_log_in(Tab::Devices)),
            Err(refused) => Err(refused),
        };
        Ok(visit.finished(answered))
    }
}

/// Answers a request; with a body if it was sent by POST.
async fn answer(visit: &mut Visit<'_>, tab: Tab, body: Option<RequestBody>) -> Result<Response, Refused> {
    let retry = || Refused::Foreign { retry: tab.word().to_owned() };
    if body.is_some() {
        visit.must_be_own(tab.word())?;
    }
    let Some(person) = Person::of(visit, tab).await? else { return Ok(to_log_in(tab)) };
    let Some(body) = body else {
        return match tab {
            Tab::Profile => profile::show(visit, &person).await,
            Tab::Password => password::show(visit, &person),
            Tab::Devices => devices::show(visit, &person).await,
            Tab::Apps => apps::show(visit, &person).await,
        };
    };
    let mut form = visit.form(body).await?;
    // A form of another login is refused too: somebody else has signed in meanwhile.
    if !person.has_sent(visit, &mut form) {
        return Err(retry());
    }
    match tab {
        Tab::Profile => profile::submit(visit, &person, form).await,
        Tab::Password => password::submit(visit, &person, form).await,
        Tab::Devices => devices::submit(visit, &person, form).await,
        Tab::Apps => apps::submit(visit, &person, form).await,
    }
}

/// Sends the browser to where the person signs in; afterwards it comes back.
fn to_log_in(tab: Tab) -> Response {
    redirect(&format!("/login?to={}", tab.word()))
}

/// Sends the browser back to the page, which then says what was done.
fn done(tab: Tab, what: &str) -> Response {
    redirect(&format!("/{}?done={what}", tab.word()))
}

/// An unknown device is answered like another person's.
fn unknown(visit: &Visit<'_>) -> Response {
    visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound, None, Some(Way::Account))
}

/// What the device calls itself, without a word of English in it.
fn readable(device: &session::Device) -> Option<String> {
    device.name().map(|name| name.replacen(" on ", " · ", 1))
}
