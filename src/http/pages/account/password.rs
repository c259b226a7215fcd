//! `/password`: changes the password, which signs all other devices out.

use poem::Response;
use poem::http::StatusCode;
use zeroize::Zeroizing;

use super::done;
use super::person::Person;
use crate::http::oauth::form::Form;
use crate::http::pages::headers::{FormTarget, answer};
use crate::http::pages::refused::{mistakes, status_of, with_retry};
use crate::http::pages::render::own::PasswordPage;
use crate::http::pages::render::{Mistakes, Tab};
use crate::http::pages::visit::{Refused, Visit};

/// The page.
pub(super) fn show(visit: &Visit<'_>, person: &Person) -> Result<Response, Refused> {
    let is_changed = Person::has_done(visit, "changed")?;
    let html = page(visit, person, Mistakes::default(), is_changed);
    Ok(answer(StatusCode::OK, html, FormTarget::Own))
}

/// The form.
pub(super) async fn submit(visit: &Visit<'_>, person: &Person, mut form: Form) -> Result<Response, Refused> {
    let texts = visit.texts();
    let (old, new) = (form.take("old_password"), form.take("new_password"));
    let (Some(old), Some(new)) = (&old, &new) else {
        let mut missing = Mistakes::default();
        for (field, value) in [("old_password", &old), ("new_password", &new)] {
            if value.is_none() {
                missing.add(field, texts.refused.password_empty.as_str());
            }
        }
        let html = page(visit, person, missing, false);
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, html, FormTarget::Own));
    };
    let (old, new): (&Zeroizing<String>, &Zeroizing<String>) = (old, new);
    match visit.app.accounts.change_password_in(&person.login, (old, new), visit.peer()).await {
        Ok(()) => Ok(done(Tab::Password, "changed")),
        Err(error) => {
            let html = page(visit, person, mistakes(&error, texts, "new_password"), false);
            Ok(with_retry(answer(status_of(&error), html, FormTarget::Own), &error))
        }
    }
}

fn page(visit: &Visit<'_>, person: &Person, mistakes: Mistakes, is_changed: bool) -> String {
    PasswordPage {
        shell: person.shell(visit),
        form: person.form(),
        username: &person.name,
        min_length: visit.app.settings.password_policy.min_chars(),
        is_changed,
        mistakes,
    }
    .html()
}
