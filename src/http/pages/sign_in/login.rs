//! `/login`: the person signs in, or confirms who they are.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{RequestBody, Response};

use super::visit::{Onward, Refused, Visit, name_of, user_agent};
use crate::app::TokenError;
use crate::app::authorize::{LogInReason, OpenRequest};
use crate::app::logins::{CurrentLogin, TypedPassword};
use crate::http::error::whole_seconds;
use crate::http::oauth::form::Form;
use crate::http::pages::form_token::Step;
use crate::http::pages::headers::{FormTarget, answer, redirect};
use crate::http::pages::render::FormFields;
use crate::http::pages::render::login::{LoginError, LoginPage};
use crate::oauth::ErrorCode;

/// What the page is about.
struct Subject {
    /// The client's request and its text, if a client began it.
    open: Option<(OpenRequest, String)>,
    /// On which of the person's own pages it ends.
    to: Option<&'static str>,
    reason: LogInReason,
}

/// What was typed before, and why it was not enough.
#[derive(Default)]
struct Before {
    username: String,
    keep: bool,
    error: Option<LoginError>,
}

/// The page, or what comes next if nobody needs to sign in.
pub(super) async fn show(visit: &mut Visit<'_>) -> Result<Response, Refused> {
    let text = visit.own_parameter("request")?;
    let to = visit.own_parameter("to")?.and_then(|to| own_page(&to));
    let Some(text) = text else {
        return match visit.login().await? {
            Some(_) => Ok(redirect(&format!("/{}", to.unwrap_or(HOME)))),
            None => {
                page(visit, &Subject { open: None, to, reason: LogInReason::Nobody }, None, Before::default())
                    .await
            }
        };
    };
    let open = visit.open(&text).await?;
    let login = visit.login().await?;
    match visit.go_on(&open, login.as_ref()).await? {
        Onward::LogIn(reason) => {
            let subject = Subject { open: Some((open, text.to_string())), to, reason };
            page(visit, &subject, login.as_ref(), Before::default()).await
        }
        Onward::Answer(response) => Ok(response),
    }
}

/// The form.
pub(super) async fn submit(visit: &mut Visit<'_>, body: RequestBody) -> Result<Response, Refused> {
    visit.must_be_own("login")?;
    let mut form = visit.form(body).await?;
    let to = form.take("to").and_then(|to| own_page(&to));
    let open = match form.take("request") {
        Some(text) => Some((visit.open(&text).await?, text.to_string())),
        None => None,
    };
    let login = visit.login().await?;
    let requests = &visit.app.authorization_requests;
    let reason = open.as_ref().and_then(|(open, _)| requests.why_log_in(open, login.as_ref()));
    let reason = reason.unwrap_or(LogInReason::Nobody);
    let subject = Subject { open, to, reason };
    let before = |form: &mut Form, error| Before {
        username: form.take("username").unwrap_or_default().to_string(),
        keep: form.has("keep"),
        error: Some(error),
    };
    let Some(form_id) = visit.form_id(&mut form, Step::Login, subject.about()) else {
        let before = before(&mut form, LoginError::Stale);
        return page(visit, &subject, login.as_ref(), before).await;
    };
    if form.take("action").is_some_and(|action| *action == "cancel") {
        return Ok(match &subject.open {
            Some((open, _)) => visit.answer_client(&open.denied()),
            None => redirect("/"),
        });
    }
    let agent = user_agent(visit.request);
    let (name, password) = (form.take("username"), form.take("password"));
    let persistent = form.has("keep") && visit.app.logins.may_persist();
    let typed = match (&name, &password) {
        (Some(name), Some(password)) => TypedPassword {
            name,
            password,
            persistent,
            form: Some(form_id.into()),
            current: login.as_ref(),
            client: subject.open.as_ref().map(|(open, _)| &open.client.id),
            peer: visit.peer(),
            user_agent: agent.as_deref(),
        },
        (name, _) => {
            let error = if name.is_none() { LoginError::Username } else { LoginError::Password };
            let username = name.as_ref().map(|name| name.to_string()).unwrap_or_default();
            let before = Before { username, keep: persistent, error: Some(error) };
            return page(visit, &subject, login.as_ref(), before).await;
        }
    };
    match visit.app.logins.log_in(typed).await {
        Ok((login, cookie)) => {
            visit.signed_in(&login, &cookie);
            signed_in(visit, subject.open.as_ref().map(|(open, _)| open), subject.to, &login).await
        }
        Err(error) => {
            let username = name.map(|name| name.to_string()).unwrap_or_default();
            refused(visit, &subject, login.as_ref(), (username, persistent, &error)).await
        }
    }
}

/// Where somebody goes who has just signed in.
pub(super) async fn signed_in(
    visit: &mut Visit<'_>,
    open: Option<&OpenRequest>,
    to: Option<&'static str>,
    login: &CurrentLogin,
) -> Result<Response, Refused> {
    let Some(open) = open else {
        return Ok(redirect(&format!("/{}", to.unwrap_or(HOME))));
    };
    let open = open.authenticated_by(login);
    match visit.go_on(&open, Some(login)).await? {
        Onward::LogIn(reason) => visit.to_log_in(&open, reason),
        Onward::Answer(response) => Ok(response),
    }
}

/// The page again, with what went wrong.
async fn refused(
    visit: &mut Visit<'_>,
    subject: &Subject,
    login: Option<&CurrentLogin>,
    (username, keep, error): (String, bool, &TokenError),
) -> Result<Response, Refused> {
    let wait = error.retry_after();
    let said = match wait {
        _ if matches!(error, TokenError::Credentials) => LoginError::Credentials,
        Some(wait) if error.code() == ErrorCode::SlowDown => LoginError::Throttled(wait),
        Some(_) => LoginError::Busy,
        None => LoginError::Failed,
    };
    if !error.is_about_a_secret() && error.should_log() {
        tracing::error!(error = %error, "nobody could sign in");
    }
    let mut response = page(visit, subject, login, Before { username, keep, error: Some(said) }).await?;
    if wait.is_some()
        && let Ok(seconds) = HeaderValue::try_from(whole_seconds(wait))
    {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}

async fn page(
    visit: &mut Visit<'_>,
    subject: &Subject,
    login: Option<&CurrentLogin>,
    before: Before,
) -> Result<Response, Refused> {
    let present = match login {
        Some(login) => visit.app.accounts.name_of(login.user).await?,
        None => None,
    };
    let open = subject.open.as_ref().map(|(open, _)| open);
    let token = visit.form_token(Step::Login, subject.about())?;
    let hint = open.and_then(|open| open.sealed.request.login_hint.as_deref());
    // The person confirms who they are only where the client means just that person.
    let is_named = open.is_some_and(|open| open.sealed.hinted.is_some());
    let again = present.as_deref().filter(|_| is_named && subject.reason == LogInReason::Again);
    let username = match (before.username.as_str(), subject.reason) {
        ("", LogInReason::Again | LogInReason::SelectAccount) => {
            present.as_deref().or(hint).unwrap_or_default()
        }
        ("", _) => hint.unwrap_or_default(),
        (typed, _) => typed,
    };
    let page = LoginPage {
        shell: visit.pages.shell(visit.texts()),
        form: FormFields {
            action: "login",
            request: subject.open.as_ref().map(|(_, text)| text.as_str()),
            to: subject.to,
            token: &token,
        },
        client_name: open.map(|open| name_of(&open.client)),
        client_logo: open.and_then(|open| visit.pages.logo_of(&open.client)),
        username,
        with_email: visit.app.settings.accounts.login_with_email,
        keep: before.keep,
        error: before.error,
        may_sign_up: visit.may_sign_up(),
        reauthenticate: again,
    };
    let target = open.map_or(FormTarget::Own, |open| FormTarget::Client(&open.sealed.request.redirect_uri));
    Ok(answer(before.error.map_or(StatusCode::OK, status), page.html(), target))
}

const fn status(error: LoginError) -> StatusCode {
    match error {
        LoginError::Username | LoginError::Password | LoginError::Credentials => StatusCode::BAD_REQUEST,
        LoginError::Stale => StatusCode::FORBIDDEN,
        LoginError::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
        LoginError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        LoginError::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Subject {
    /// What the form's token is about.
    fn about(&self) -> &str {
        self.open.as_ref().map_or("", |(_, text)| text)
    }
}

/// The page of a person who has nothing else to do.
const HOME: &str = "profile";

/// One of the person's own pages: a word of a closed list, never a URL.
pub(super) fn own_page(word: &str) -> Option<&'static str> {
    ["profile", "password", "devices", "apps"].into_iter().find(|page| *page == word)
}
