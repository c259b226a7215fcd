//! `/signup`: a person makes an account, is signed in with it, and goes on.

use std::sync::Arc;

use poem::error::MethodNotAllowedError;
use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request, RequestBody, Response};
use zeroize::Zeroizing;

use super::Pages;
use super::form_token::Step;
use super::headers::{FormTarget, answer, redirect};
use super::refused::{mistakes, status_of, with_retry};
use super::render::sign_up::{SignUpPage, SignUpTyped};
use super::render::{FormFields, Mistakes};
use super::visit::{Onward, Refused, Visit, name_of};
use crate::app::SignUp;
use crate::app::authorize::OpenRequest;
use crate::app::sign_up::NewAccount;
use crate::app::users::UserError;
use crate::http::service;

/// The path, with its methods as `Allow` lists them.
pub(super) const PATHS: [(&str, &str); 1] = [("/signup", "GET, HEAD, POST")];

/// The page.
pub(super) struct SignUpEndpoint;

impl Endpoint for SignUpEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let is_post = match *request.method() {
            Method::GET | Method::HEAD => false,
            Method::POST => true,
            _ => return Err(MethodNotAllowedError.into()),
        };
        let (request, body) = request.split();
        let pages = request.data::<Arc<Pages>>();
        let pages = pages.ok_or_else(|| poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR))?;
        let mut visit = Visit::new(&request, service::app(&request)?, pages);
        let answered = if is_post { submit(&mut visit, body).await } else { show(&mut visit).await };
        let mut response = answered.unwrap_or_else(|refused| visit.refuse(refused));
        visit.finish(&mut response);
        Ok(response)
    }
}

/// The client's request and its text, if a client began it.
type Open = Option<(OpenRequest, String)>;

/// What was typed; empty where nothing was.
#[derive(Default)]
struct Typed {
    username: String,
    email: String,
    display_name: String,
    invitation: String,
}

async fn show(visit: &mut Visit<'_>) -> Result<Response, Refused> {
    let open = opened(visit, visit.own_parameter("request")?).await?;
    page(visit, open.as_ref(), &Typed::default(), Mistakes::default(), StatusCode::OK)
}

async fn submit(visit: &mut Visit<'_>, body: RequestBody) -> Result<Response, Refused> {
    visit.must_be_own("signup")?;
    let mut form = visit.form(body).await?;
    let open = opened(visit, form.take("request")).await?;
    let mut text = |name: &str| form.take(name).map(|value| value.to_string()).unwrap_or_default();
    let typed = Typed {
        username: text("username"),
        email: text("email"),
        display_name: text("display_name"),
        invitation: text("invitation"),
    };
    if !visit.has_token(&mut form, Step::SignUp, about(open.as_ref())) {
        let stale = Mistakes::one("", visit.texts().login_error.stale.as_str());
        return page(visit, open.as_ref(), &typed, stale, StatusCode::FORBIDDEN);
    }
    let password = form.take("password").unwrap_or_default();
    match make(visit, &typed, password).await {
        Ok(user) => {
            let before = visit.login().await?;
            let (login, cookie) = visit.app.logins.log_in_after_sign_up(user, before.as_ref()).await?;
            visit.signed_in(&login, &cookie);
            let Some((open, _)) = &open else { return Ok(redirect("/profile")) };
            match visit.go_on(open, Some(&login), false).await? {
                Onward::LogIn(reason) => visit.to_log_in(open, reason),
                Onward::Answer(response) => Ok(response),
            }
        }
        Err(error) => {
            let wrong = mistakes(&error, visit.texts(), "password");
            let answer = page(visit, open.as_ref(), &typed, wrong, status_of(&error))?;
            Ok(with_retry(answer, &error))
        }
    }
}

async fn make(
    visit: &Visit<'_>,
    typed: &Typed,
    password: Zeroizing<String>,
) -> Result<crate::oauth::UserId, UserError> {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let new = NewAccount {
        name: typed.username.clone(),
        // As at the JSON API, an address is needed.
        email: Some(typed.email.clone()),
        display_name: given(&typed.display_name),
        password,
        invitation: given(&typed.invitation).map(Zeroizing::new),
    };
    visit.app.accounts.sign_up(new, visit.peer()).await
}

async fn opened(visit: &mut Visit<'_>, text: Option<Zeroizing<String>>) -> Result<Open, Refused> {
    Ok(match text {
        Some(text) => Some((visit.open(&text).await?, text.to_string())),
        None => None,
    })
}

/// What the form's token is about.
fn about(open: Option<&(OpenRequest, String)>) -> &str {
    open.map_or("", |(_, text)| text)
}

fn page(
    visit: &mut Visit<'_>,
    open: Option<&(OpenRequest, String)>,
    typed: &Typed,
    mistakes: Mistakes,
    status: StatusCode,
) -> Result<Response, Refused> {
    let token = visit.form_token(Step::SignUp, about(open))?;
    let settings = &visit.app.settings;
    let page = SignUpPage {
        shell: visit.pages.shell(visit.texts()),
        form: FormFields {
            action: "signup",
            request: open.map(|(_, text)| text.as_str()),
            to: None,
            token: &token,
        },
        client_name: open.map(|(open, _)| name_of(&open.client)),
        typed: SignUpTyped {
            username: &typed.username,
            email: &typed.email,
            display_name: &typed.display_name,
            invitation: &typed.invitation,
        },
        is_closed: settings.accounts.registration == SignUp::Closed,
        needs_invitation: settings.accounts.registration == SignUp::Invite,
        min_length: settings.password_policy.min_chars(),
        mistakes,
    };
    let target =
        open.map_or(FormTarget::Own, |(open, _)| FormTarget::Client(&open.sealed.request.redirect_uri));
    Ok(answer(status, page.html(), target))
}
