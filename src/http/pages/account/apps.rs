//! `/apps`: lists the apps that may use the account, and withdraws that.

use poem::Response;
use poem::http::StatusCode;

use super::person::Person;
use super::{done, unknown};
use crate::app::consents::ListedConsent;
use crate::consent::ConsentId;
use crate::http::oauth::form::Form;
use crate::http::pages::headers::{FormTarget, answer};
use crate::http::pages::render::Tab;
use crate::http::pages::render::apps::{AppItem, AppsPage};
use crate::http::pages::render::consent::ScopeLine;
use crate::http::pages::visit::{Refused, Visit};
use crate::oauth::{Actor, ClientId};

/// The page.
pub(super) async fn show(visit: &Visit<'_>, person: &Person) -> Result<Response, Refused> {
    let listed = visit.app.consents.all_of(person.login.user).await?;
    let page = AppsPage {
        shell: person.shell(visit),
        form: person.form(),
        apps: listed.into_iter().map(|consent| item(visit, consent)).collect(),
        is_withdrawn: Person::has_done(visit, "withdrawn")?,
    };
    Ok(answer(StatusCode::OK, page.html(), FormTarget::Own))
}

/// The form.
pub(super) async fn submit(visit: &Visit<'_>, person: &Person, mut form: Form) -> Result<Response, Refused> {
    let user = person.login.user;
    let client = form.take("client").and_then(|client| client.parse::<ClientId>().ok());
    let Some(client) = client else { return Ok(unknown(visit)) };
    // Only what is on the list: the page promises nothing for other clients.
    let listed = visit.app.consents.all_of(user).await?;
    if !listed.iter().any(|consent| consent.client == client) {
        return Ok(unknown(visit));
    }
    visit.app.consents.withdraw(&ConsentId { user, client }, Some(Actor::User(user))).await?;
    Ok(done(Tab::Apps, "withdrawn"))
}

fn item(visit: &Visit<'_>, consent: ListedConsent) -> AppItem {
    let words = consent.scope.words();
    let scopes = words.map(|scope| visit.texts().scope_text(&ScopeLine { scope, resource: None })).collect();
    AppItem {
        id: consent.client.to_string(),
        name: consent.client_name,
        scopes,
        since: Person::when(visit, consent.since),
    }
}
