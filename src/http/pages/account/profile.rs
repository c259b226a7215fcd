//! `/profile`: shows and changes the profile.

use poem::Response;
use poem::http::StatusCode;

use super::done;
use super::person::Person;
use crate::app::account::{FieldChange, OwnAccount, ProfileChange};
use crate::app::users::UserError;
use crate::http::oauth::form::Form;
use crate::http::pages::headers::{FormTarget, answer};
use crate::http::pages::refused::{mistakes, status_of, with_retry};
use crate::http::pages::render::own::ProfilePage;
use crate::http::pages::render::{Mistakes, Tab};
use crate::http::pages::visit::{Refused, Visit};

/// What stands in the fields.
struct Fields {
    display_name: String,
    email: String,
}

impl Fields {
    fn of(account: &OwnAccount) -> Self {
        let profile = &account.profile;
        Self {
            display_name: profile.display_name.as_ref().map_or("", |name| name.as_str()).to_owned(),
            email: profile.email.as_ref().map_or("", |email| email.as_str()).to_owned(),
        }
    }
}

/// The page.
pub(super) async fn show(visit: &Visit<'_>, person: &Person) -> Result<Response, Refused> {
    let account = own_account(visit, person).await?;
    let is_saved = Person::has_done(visit, "saved")?;
    let html = page(visit, person, &Fields::of(&account), Mistakes::default(), is_saved);
    Ok(answer(StatusCode::OK, html, FormTarget::Own))
}

/// The form.
pub(super) async fn submit(visit: &Visit<'_>, person: &Person, mut form: Form) -> Result<Response, Refused> {
    let before = Fields::of(&own_account(visit, person).await?);
    let typed =
        |value: Option<zeroize::Zeroizing<String>>| value.map(|text| text.to_string()).unwrap_or_default();
    let after = Fields { display_name: typed(form.take("display_name")), email: typed(form.take("email")) };
    let change = ProfileChange {
        display_name: changed(&before.display_name, &after.display_name),
        email: changed(&before.email, &after.email),
    };
    match visit.app.accounts.change_profile(person.login.user, change, visit.peer()).await {
        Ok(_) => Ok(done(Tab::Profile, "saved")),
        Err(error) => {
            let mistakes = mistakes(&error, visit.texts(), "");
            let html = page(visit, person, &after, mistakes, false);
            Ok(with_retry(answer(status_of(&error), html, FormTarget::Own), &error))
        }
    }
}

/// What was not changed counts for no limit.
fn changed(before: &str, after: &str) -> FieldChange<String> {
    match after {
        after if after == before => FieldChange::Keep,
        "" => FieldChange::Clear,
        after => FieldChange::Set(after.to_owned()),
    }
}

async fn own_account(visit: &Visit<'_>, person: &Person) -> Result<OwnAccount, Refused> {
    let account = visit.app.accounts.own_account(person.login.user).await;
    account.map_err(|error| {
        if let UserError::Failed(error) = error {
            return Refused::Failed(error);
        }
        // The account was deleted at this moment.
        Refused::Foreign { retry: Tab::Profile.word().to_owned() }
    })
}

fn page(visit: &Visit<'_>, person: &Person, fields: &Fields, mistakes: Mistakes, is_saved: bool) -> String {
    ProfilePage {
        shell: person.shell(visit),
        form: person.form(),
        username: &person.name,
        display_name: &fields.display_name,
        email: &fields.email,
        with_email: visit.app.settings.accounts.login_with_email,
        is_saved,
        mistakes,
    }
    .html()
}
