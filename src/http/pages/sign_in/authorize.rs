//! `GET|POST /oauth/authorize` (RFC 6749 §3.1: the server MUST support GET and MAY support POST; OpenID Connect Core
//! §3.1.2.1 wants both).

use poem::{RequestBody, Response};

use super::visit::{Onward, Refused, Visit};

/// A request in the URL.
pub(super) async fn begin(visit: &mut Visit<'_>) -> Result<Response, Refused> {
    let parameters = visit.query()?;
    let open = visit.app.authorization_requests.begin(&parameters).await?;
    visit.speaks(&open);
    let login = visit.login().await?;
    match visit.go_on(&open, login.as_ref()).await? {
        Onward::LogIn(reason) => visit.to_log_in(&open, reason),
        Onward::Answer(response) => Ok(response),
    }
}

/// A request in a form. A browser does not send our cookies with a form of another site, so it is led to a page by a
/// redirect, with which it does.
pub(super) async fn begin_by_form(visit: &mut Visit<'_>, body: RequestBody) -> Result<Response, Refused> {
    let parameters = visit.body(body).await?;
    let open = visit.app.authorization_requests.begin(&parameters).await?;
    visit.to("login", &open)
}
