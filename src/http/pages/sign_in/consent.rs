//! `/consent`: the person allows a client what it asks for.

use poem::http::StatusCode;
use poem::{RequestBody, Response};

use super::visit::{Refused, Visit, name_of, user_agent};
use crate::app::ScopeCatalogue;
use crate::app::authorize::{Device, Next, NotOpen, OpenRequest};
use crate::app::logins::CurrentLogin;
use crate::http::pages::form_token::Step;
use crate::http::pages::headers::{FormTarget, answer, redirect};
use crate::http::pages::render::FormFields;
use crate::http::pages::render::consent::{ConsentClient, ConsentPage, Returns, ScopeLine};
use crate::oauth::{Audience, PageError, WebUrl};

/// The page, or what comes next if the person need not be asked.
pub(super) async fn show(visit: &mut Visit<'_>) -> Result<Response, Refused> {
    let text = visit.own_parameter("request")?.ok_or(NotOpen::Page(PageError::Expired))?;
    let open = visit.open(&text).await?;
    let login = visit.login().await?;
    ask(visit, &open, login, &text).await
}

/// The form.
pub(super) async fn submit(visit: &mut Visit<'_>, body: RequestBody) -> Result<Response, Refused> {
    visit.must_be_own("profile")?;
    let mut form = visit.form(body).await?;
    let text = form.take("request").ok_or(NotOpen::Page(PageError::Expired))?;
    let open = visit.open(&text).await?;
    let login = visit.login().await?;
    // The person who agrees must be the one who was asked.
    let Some(login) = login else { return ask(visit, &open, None, &text).await };
    if !visit.has_token(&mut form, Step::Consent, &about(&text, &login, &open)) {
        return ask(visit, &open, Some(login), &text).await;
    }
    match form.take("action").as_ref().map(|action| action.as_str()) {
        Some("allow") => {
            let agent = user_agent(visit.request);
            let device = Device { user_agent: agent.as_deref() };
            let requests = &visit.app.authorization_requests;
            // They may have to sign in again before they can agree.
            match requests.why_log_in(&open, Some(&login)) {
                Some(reason) => visit.to_log_in(&open, reason),
                None => Ok(visit.answer_client(&requests.allow(&open, &login, device).await?)),
            }
        }
        Some("switch") => {
            let request = visit.app.authorization_requests.with_another_account(&open)?;
            Ok(redirect(&format!("/login?request={request}")))
        }
        Some(_) | None => Ok(visit.answer_client(&open.denied())),
    }
}

/// What the form's token is about: the request, who is asked, and what for. The client's registration may change before the
/// person answers.
fn about(text: &str, login: &CurrentLogin, open: &OpenRequest) -> String {
    let resource = open.grant.audience.as_ref().map(Audience::as_str).unwrap_or_default();
    format!("{text} {} {resource} {}", login.id, open.grant.scope)
}

async fn ask(
    visit: &mut Visit<'_>,
    open: &OpenRequest,
    login: Option<CurrentLogin>,
    text: &str,
) -> Result<Response, Refused> {
    let agent = user_agent(visit.request);
    let device = Device { user_agent: agent.as_deref() };
    let next = visit.app.authorization_requests.next(open, login.as_ref(), device).await?;
    match (next, login) {
        (Next::Answer(answered), _) => Ok(visit.answer_client(&answered)),
        (Next::LogIn(reason), _) => visit.to_log_in(open, reason),
        (Next::Consent, Some(login)) => page(visit, open, &login, text).await,
        (Next::Consent, None) => visit.to("login", open),
    }
}

async fn page(
    visit: &mut Visit<'_>,
    open: &OpenRequest,
    login: &CurrentLogin,
    text: &str,
) -> Result<Response, Refused> {
    let name = visit.app.accounts.name_of(login.user).await?.unwrap_or_default();
    let token = visit.form_token(Step::Consent, &about(text, login, open))?;
    let metadata = &open.client.metadata;
    let resource = open.grant.audience.as_ref().map(Audience::as_str);
    let page = ConsentPage {
        shell: visit.pages.shell(visit.texts()),
        form: FormFields { action: "consent", request: Some(text), to: None, token: &token },
        client: ConsentClient {
            name: name_of(&open.client),
            logo: visit.pages.logo_of(&open.client),
            website: metadata.client_uri.as_ref().map(WebUrl::as_str),
            privacy: metadata.policy_uri.as_ref().map(WebUrl::as_str),
            terms: metadata.tos_uri.as_ref().map(WebUrl::as_str),
        },
        resource: resource.filter(|_| is_only_asked_for(open)),
        scopes: lines(open, resource),
        returns: if open.redirect_uri.has_private_scheme() || open.redirect_uri.is_loopback() {
            Returns::Device
        } else {
            Returns::Host(open.redirect_uri.host())
        },
        account_name: &name,
        may_switch: open.sealed.hinted.is_none(),
    };
    let target = FormTarget::Client(&open.sealed.request.redirect_uri);
    Ok(answer(StatusCode::OK, page.html(), target))
}

/// Whether the client asks for a resource server and for none of its scopes: a token for it may still open something there.
fn is_only_asked_for(open: &OpenRequest) -> bool {
    let is_asked_for =
        open.sealed.request.resources.iter().any(|asked| open.grant.audience.as_ref() == Some(asked));
    is_asked_for && open.grant.scope.words().all(ScopeCatalogue::is_own)
}

/// One line for each scope.
fn lines<'a>(open: &'a OpenRequest, resource: Option<&'a str>) -> Vec<ScopeLine<'a>> {
    let words = open.grant.scope.words();
    words
        .map(|scope| {
            let is_own = ScopeCatalogue::is_own(scope);
            ScopeLine { scope, resource: resource.filter(|_| !is_own) }
        })
        .collect()
}
