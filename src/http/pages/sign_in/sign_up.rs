//! `/signup`: people make an account, where they may, and are signed in.

use poem::http::StatusCode;
use poem::{RequestBody, Response};
use zeroize::Zeroizing;

use super::login::{own_page, signed_in};
use super::visit::{Refused, Visit, name_of, user_agent};
use crate::app::authorize::OpenRequest;
use crate::app::sign_up::NewAccount;
use crate::http::pages::form_token::Step;
use crate::http::pages::headers::{FormTarget, answer};
use crate::http::pages::refused::{mistakes, status_of, with_retry};
use crate::http::pages::render::sign_up::{SignUpPage, SignUpTyped};
use crate::http::pages::render::{FormFields, Mistakes};

/// What the page carries on.
struct Subject {
    /// The client's request and its text, if a client began it.
    open: Option<(OpenRequest, String)>,
    /// On which of the person's own pages it ends.
    to: Option<&'static str>,
}

/// What was typed.
#[derive(Default)]
struct Typed {
    username: Zeroizing<String>,
    email: Zeroizing<String>,
    display_name: Zeroizing<String>,
    invitation: Zeroizing<String>,
}

/// The page.
pub(super) async fn show(visit: &mut Visit<'_>) -> Result<Response, Refused> {
    let to = visit.own_parameter("to")?.and_then(|to| own_page(&to));
    let open = match visit.own_parameter("request")? {
        Some(text) => Some((visit.open(&text).await?, text.to_string())),
        None => None,
    };
    let subject = Subject { open, to };
    let status = if visit.may_sign_up() { StatusCode::OK } else { StatusCode::FORBIDDEN };
    page(visit, &subject, &Typed::default(), (status, Mistakes::default()))
}

/// The form.
pub(super) async fn submit(visit: &mut Visit<'_>, body: RequestBody) -> Result<Response, Refused> {
    visit.must_be_own("signup")?;
    let mut form = visit.form(body).await?;
    let to = form.take("to").and_then(|to| own_page(&to));
    let open = match form.take("request") {
        Some(text) => Some((visit.open(&text).await?, text.to_string())),
        None => None,
    };
    let subject = Subject { open, to };
    let mut take = |name: &str| form.take(name).unwrap_or_default();
    let typed = Typed {
        username: take("username"),
        email: take("email"),
        display_name: take("display_name"),
        invitation: take("invitation"),
    };
    let password = take("password");
    let Some(form_id) = visit.form_id(&mut form, Step::SignUp, subject.about()) else {
        let stale = Mistakes::one("", visit.texts().login_error.stale.as_str());
        return page(visit, &subject, &typed, (StatusCode::FORBIDDEN, stale));
    };
    if password.is_empty() {
        let missing = Mistakes::one("password", visit.texts().refused.password_empty.as_str());
        return page(visit, &subject, &typed, (StatusCode::UNPROCESSABLE_ENTITY, missing));
    }
    let new = NewAccount {
        name: typed.username.to_string(),
        // As at the JSON API, an address is needed.
        email: Some(typed.email.to_string()),
        display_name: Some(typed.display_name.to_string()).filter(|name| !name.is_empty()),
        password: password.clone(),
        invitation: Some(typed.invitation.clone()).filter(|code| !code.is_empty()),
    };
    match visit.app.accounts.sign_up(new, visit.peer()).await {
        Ok(user) => {
            let before = visit.login().await?;
            let (agent, form) = (user_agent(visit.request), Some(form_id.into()));
            let made = visit.app.logins.log_in_after_sign_up(user, form, before.as_ref(), agent.as_deref());
            let (login, cookie) = made.await?;
            visit.signed_in(&login, &cookie);
            signed_in(visit, subject.open.as_ref().map(|(open, _)| open), subject.to, &login).await
        }
        Err(error) => {
            // The form was sent twice, and the first one has made the account.
            let again =
                visit.app.logins.log_in_again(form_id.into(), (&typed.username, &password), visit.peer());
            if let Some((login, cookie)) = again.await? {
                visit.signed_in(&login, &cookie);
                let open = subject.open.as_ref().map(|(open, _)| open);
                return signed_in(visit, open, subject.to, &login).await;
            }
            let wrong = mistakes(&error, visit.texts(), "password");
            let response = page(visit, &subject, &typed, (status_of(&error), wrong))?;
            Ok(with_retry(response, &error))
        }
    }
}

fn page(
    visit: &mut Visit<'_>,
    subject: &Subject,
    typed: &Typed,
    (status, mistakes): (StatusCode, Mistakes),
) -> Result<Response, Refused> {
    let open = subject.open.as_ref().map(|(open, _)| open);
    let token = visit.form_token(Step::SignUp, subject.about())?;
    let settings = &visit.app.settings;
    let page = SignUpPage {
        shell: visit.pages.shell(visit.texts()),
        form: FormFields {
            action: "signup",
            request: subject.open.as_ref().map(|(_, text)| text.as_str()),
            to: subject.to,
            token: &token,
        },
        client_name: open.map(|open| name_of(&open.client)),
        typed: SignUpTyped {
            username: &typed.username,
            email: &typed.email,
            display_name: &typed.display_name,
            invitation: &typed.invitation,
        },
        is_closed: !visit.may_sign_up(),
        needs_invitation: settings.needs_invitation(),
        min_length: settings.password_policy.min_chars(),
        mistakes,
    };
    let target = open.map_or(FormTarget::Own, |open| FormTarget::Client(&open.sealed.request.redirect_uri));
    Ok(answer(status, page.html(), target))
}

impl Subject {
    /// What the form's token is about.
    fn about(&self) -> &str {
        self.open.as_ref().map_or("", |(_, text)| text)
    }
}
