//! `/oauth/logout`, where clients send the browser (OpenID Connect RP-Initiated Logout 1.0 §2), and `/logout`, where the
//! person is asked and told.

use poem::http::StatusCode;
use poem::{RequestBody, Response};

use crate::app::authorize::log_out::{Logout, LogoutRefused, destination, logout};
use crate::app::logins::CurrentLogin;
use crate::http::pages::form_token::Step;
use crate::http::pages::headers::{FormTarget, answer, redirect};
use crate::http::pages::render::FormFields;
use crate::http::pages::render::error::{ErrorKind, Way};
use crate::http::pages::render::logout::{LogoutPage, LogoutState};
use crate::http::pages::visit::{Refused, Visit};
use crate::login::LogoutReason;
use crate::oauth::{LogoutRequest, Parameters};

/// A client's request in the URL.
pub(super) async fn begin(visit: &mut Visit<'_>) -> Result<Response, Refused> {
    let parameters = visit.query()?;
    let request = match checked(visit, &parameters).await {
        Ok(request) => request,
        Err(refused) => return refusal(visit, refused),
    };
    let login = visit.login().await?;
    go_on(visit, request, login).await
}

/// A client's request in a form. A browser does not send our cookies with a form of another site, so it is led to a page
/// by a redirect, with which it does.
pub(super) async fn begin_by_form(visit: &mut Visit<'_>, body: RequestBody) -> Result<Response, Refused> {
    let parameters = visit.body(body).await?;
    match checked(visit, &parameters).await {
        Ok(request) => to_page(visit, request.as_ref()),
        Err(refused) => refusal(visit, refused),
    }
}

/// The page: a question, or what comes after it.
pub(super) async fn show(visit: &mut Visit<'_>) -> Result<Response, Refused> {
    let text = visit.own_parameter("request")?;
    let request = text.and_then(|text| visit.app.authorization_requests.open_logout(&text));
    let login = visit.login().await?;
    match (logout(request.as_ref(), login.as_ref()), login) {
        (Logout::Ask, Some(login)) => question(visit, request.as_ref(), &login).await,
        (_, login) => go_on(visit, request, login).await,
    }
}

/// The form.
pub(super) async fn submit(visit: &mut Visit<'_>, body: RequestBody) -> Result<Response, Refused> {
    visit.must_be_own("logout")?;
    let mut form = visit.form(body).await?;
    let text = form.take("request");
    let request = text.as_ref().and_then(|text| visit.app.authorization_requests.open_logout(text));
    let Some(login) = visit.login().await? else { return Ok(done(visit, request.as_ref())) };
    let about = text.as_ref().map_or("", |text| text);
    if !visit.has_token(&mut form, Step::Logout, about) {
        return question(visit, request.as_ref(), &login).await;
    }
    end(visit, &login).await?;
    Ok(done(visit, request.as_ref()))
}

async fn checked(
    visit: &mut Visit<'_>,
    parameters: &Parameters,
) -> Result<Option<LogoutRequest>, LogoutRefused> {
    visit.ui_locales = parameters.get("ui_locales").map(Into::into);
    visit.app.authorization_requests.logout_request(parameters).await
}

/// What is done about a request, if nobody needs to be asked.
async fn go_on(
    visit: &mut Visit<'_>,
    request: Option<LogoutRequest>,
    login: Option<CurrentLogin>,
) -> Result<Response, Refused> {
    match (logout(request.as_ref(), login.as_ref()), login) {
        (Logout::Ask, _) => to_page(visit, request.as_ref()),
        (Logout::End, Some(login)) => {
            end(visit, &login).await?;
            Ok(done(visit, request.as_ref()))
        }
        (Logout::Nobody | Logout::End, _) => Ok(done(visit, request.as_ref())),
    }
}

fn to_page(visit: &Visit<'_>, request: Option<&LogoutRequest>) -> Result<Response, Refused> {
    let Some(request) = request else { return Ok(redirect("/logout")) };
    let sealed = visit.app.authorization_requests.seal_logout(request)?;
    Ok(redirect(&format!("/logout?request={sealed}")))
}

async fn end(visit: &mut Visit<'_>, login: &CurrentLogin) -> Result<(), Refused> {
    visit.app.logins.log_out(login.id, LogoutReason::Logout, None).await?;
    visit.logged_out();
    Ok(())
}

/// The client's page, or one that says that it is done.
fn done(visit: &Visit<'_>, request: Option<&LogoutRequest>) -> Response {
    if let Some(to) = request.and_then(destination) {
        return redirect(&to);
    }
    let shell = visit.pages.shell(visit.texts());
    let page = LogoutPage { shell, state: LogoutState::Done { app: None } };
    answer(StatusCode::OK, page.html(), FormTarget::Own)
}

async fn question(
    visit: &mut Visit<'_>,
    request: Option<&LogoutRequest>,
    login: &CurrentLogin,
) -> Result<Response, Refused> {
    let sealed = request.map(|request| visit.app.authorization_requests.seal_logout(request)).transpose()?;
    let name = visit.app.accounts.name_of(login.user).await?.unwrap_or_default();
    let token = visit.form_token(Step::Logout, sealed.as_deref().unwrap_or_default())?;
    let form = FormFields { action: "logout", request: sealed.as_deref(), to: None, token: &token };
    let shell = visit.pages.shell(visit.texts());
    let page = LogoutPage { shell, state: LogoutState::Question { form, name: &name } };
    let target = request.and_then(|request| request.redirect_uri.as_deref());
    Ok(answer(StatusCode::OK, page.html(), target.map_or(FormTarget::Own, FormTarget::Client)))
}

/// A page, never a redirect: the person can log out by our own page.
fn refusal(visit: &Visit<'_>, refused: LogoutRefused) -> Result<Response, Refused> {
    if let LogoutRefused::Failed(error) = refused {
        return Err(error.into());
    }
    let (details, way) = (refused.to_string(), Way::Retry("logout"));
    Ok(visit.error(StatusCode::BAD_REQUEST, ErrorKind::Request, Some(&details), Some(way)))
}
