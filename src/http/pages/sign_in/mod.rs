//! The pages that lead a person through a client's request: signing in, making an account, allowing the client, logging
//! out; and the endpoints where clients send the browser.
//!
//! | Path | What it does |
//! |---|---|
//! | `/oauth/authorize` | takes a client's request (RFC 6749 §3.1) and sends the browser on |
//! | `/login`, `/signup` | the person proves who they are |
//! | `/consent` | the person allows the client what it asks for |
//! | `/oauth/logout` | takes a client's request to log out (OpenID Connect RP-Initiated Logout 1.0 §2) |
//! | `/logout` | the person logs out |
//!
//! A request under way is in the URL and in the form, sealed: nothing is stored before somebody signs in.

use poem::error::MethodNotAllowedError;
use poem::http::Method;
use poem::{Endpoint, Request, RequestBody, Response, Route};

use self::visit::{Visit, is_post};
use super::visit;

mod authorize;
mod consent;
mod login;
mod logout;
mod sign_up;

/// The paths, with their methods as `Allow` lists them.
pub(super) const PATHS: [(&str, &str); 6] = [
    ("/oauth/authorize", METHODS),
    ("/login", METHODS),
    ("/signup", METHODS),
    ("/consent", METHODS),
    ("/oauth/logout", METHODS),
    ("/logout", METHODS),
];
/// No `HEAD`: whoever asks by it must change nothing (RFC 9110 §9.2.1), but here `GET` gives out codes and ends logins.
const METHODS: &str = "GET, POST";

/// Adds the paths.
pub(super) fn route(route: Route) -> Route {
    PATHS.iter().fold(route, |route, (path, _)| route.at(*path, SignIn))
}

/// All of these paths.
struct SignIn;

impl Endpoint for SignIn {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if request.method() == Method::HEAD {
            return Err(MethodNotAllowedError.into());
        }
        let is_post = is_post(request.method())?;
        let (request, body) = request.split();
        Ok(answer(Visit::of(&request)?, is_post.then_some(body)).await)
    }
}

/// Answers a request; with a body if it was sent by POST.
async fn answer(mut visit: Visit<'_>, body: Option<RequestBody>) -> Response {
    let answered = match (visit.request.uri().path(), body) {
        ("/oauth/authorize", None) => authorize::begin(&mut visit).await,
        ("/oauth/authorize", Some(body)) => authorize::begin_by_form(&mut visit, body).await,
        ("/consent", None) => consent::show(&mut visit).await,
        ("/consent", Some(body)) => consent::submit(&mut visit, body).await,
        ("/oauth/logout", None) => logout::begin(&mut visit).await,
        ("/oauth/logout", Some(body)) => logout::begin_by_form(&mut visit, body).await,
        ("/logout", None) => logout::show(&mut visit).await,
        ("/logout", Some(body)) => logout::submit(&mut visit, body).await,
        ("/signup", None) => sign_up::show(&mut visit).await,
        ("/signup", Some(body)) => sign_up::submit(&mut visit, body).await,
        (_, None) => login::show(&mut visit).await,
        (_, Some(body)) => login::submit(&mut visit, body).await,
    };
    visit.finished(answered)
}
