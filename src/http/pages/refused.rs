//! What people are told when an account is not made or not changed: in their language, beside the field.

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};

use super::render::Mistakes;
use super::texts::Texts;
use crate::app::TokenError;
use crate::app::users::UserError;
use crate::http::error::{status, whole_seconds};
use crate::password::PasswordRefused;
use crate::password::policy::PolicyRefused;
use crate::user::email::EmailRefused;
use crate::user::name::NameRefused;
use crate::user::profile::DisplayNameRefused;

/// What is wrong with a form; `password` is the name of the field with the new password.
pub(super) fn mistakes(error: &UserError, texts: &Texts, password: &'static str) -> Mistakes {
    let own = &texts.refused;
    let (field, text) = match error {
        UserError::Name(NameRefused::Empty) => ("username", &own.username_empty),
        UserError::Name(NameRefused::TooLong) => ("username", &own.username_long),
        UserError::Name(NameRefused::Character | NameRefused::BidiRule) => {
            ("username", &own.username_characters)
        }
        UserError::Taken => ("username", &own.username_taken),
        UserError::Email(EmailRefused::Empty) => ("email", &own.email_empty),
        UserError::Email(EmailRefused::TooLong) => ("email", &own.email_long),
        UserError::Email(EmailRefused::Malformed) => ("email", &own.email_malformed),
        UserError::EmailTaken => ("email", &own.email_taken),
        UserError::DisplayName(DisplayNameRefused::Empty) => ("display_name", &own.display_name_empty),
        UserError::DisplayName(DisplayNameRefused::TooLong) => ("display_name", &own.display_name_long),
        UserError::DisplayName(DisplayNameRefused::Character) => {
            ("display_name", &own.display_name_characters)
        }
        UserError::Password(refused) | UserError::Weak(PolicyRefused::Password(refused)) => {
            let text = match refused {
                PasswordRefused::Empty => &own.password_empty,
                PasswordRefused::TooLong => &own.password_long,
                PasswordRefused::Character => &own.password_characters,
            };
            (password, text)
        }
        UserError::Weak(PolicyRefused::TooShort { min_chars }) => {
            return Mistakes::one(password, own.password_short.with("count", min_chars));
        }
        UserError::Weak(PolicyRefused::Guessable) => (password, &own.password_guessable),
        UserError::WrongPassword => ("old_password", &own.password_wrong),
        UserError::NotInvited => ("invitation", &own.invitation_missing),
        UserError::Invitation => ("invitation", &own.invitation_invalid),
        UserError::InvitationUsed => ("invitation", &own.invitation_used),
        UserError::Closed => ("", &own.closed),
        UserError::Unknown => ("", &own.gone),
        UserError::Failed(error) => return failed(error, texts),
    };
    Mistakes::one(field, text.as_str())
}

/// What people are told of a failure that is not theirs. It is logged if it should be.
pub(super) fn failed(error: &TokenError, texts: &Texts) -> Mistakes {
    let own = &texts.refused;
    match (status(error.code(), false), error.retry_after()) {
        (StatusCode::TOO_MANY_REQUESTS, Some(wait)) => {
            Mistakes::one("", own.throttled.with("time", texts.duration(wait)))
        }
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _) => {
            if error.should_log() {
                tracing::warn!(error = %error, "request not served");
            }
            Mistakes::one("", own.busy.as_str())
        }
        (_, _) => {
            tracing::error!(error = %error, "a page failed");
            Mistakes::one("", own.failed.as_str())
        }
    }
}

/// The status of a page that says it.
pub(super) fn status_of(error: &UserError) -> StatusCode {
    match error {
        UserError::Failed(error) => status(error.code(), false),
        UserError::WrongPassword | UserError::Closed => StatusCode::FORBIDDEN,
        UserError::Unknown => StatusCode::NOT_FOUND,
        UserError::Taken | UserError::EmailTaken | UserError::InvitationUsed => StatusCode::CONFLICT,
        UserError::Name(_)
        | UserError::Password(_)
        | UserError::Weak(_)
        | UserError::Email(_)
        | UserError::DisplayName(_)
        | UserError::NotInvited
        | UserError::Invitation => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// Says when to come back, if that is known (RFC 9110 §10.2.3).
pub(super) fn with_retry(mut response: Response, error: &UserError) -> Response {
    if let UserError::Failed(error) = error
        && error.retry_after().is_some()
        && let Ok(seconds) = HeaderValue::try_from(whole_seconds(error.retry_after()))
    {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}
