//! Errors of heirloom's own API, as problem documents (RFC 9457).

use poem::Response;
use poem::http::StatusCode;
use poem_openapi::error::{ParseParamError, ParseRequestPayloadError};
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{ApiResponse, Object};

use super::error::{MALFORMED, status, whole_seconds};
use crate::app::TokenError;
use crate::app::access::AccessError;
use crate::app::admin::clients::ClientError;
use crate::app::admin::users::BadRole;
use crate::app::users::UserError;
use crate::client::MetadataError;
use crate::password::policy::{Policy, PolicyRefused};
use crate::user::email::EmailRefused;
use crate::user::name::NameRefused;
use crate::user::profile::DisplayNameRefused;

/// The most errors in one problem document.
pub(super) const MOST_MISTAKES: usize = 16;

/// A problem document (RFC 9457 §3).
#[derive(Object, Clone, Debug, Default)]
#[oai(example)]
pub struct Problem {
    /// A URN that names the kind of problem, such as `urn:heirloom:problem:invalid`.
    #[oai(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What to do about it.
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
    /// Which fields are wrong.
    #[oai(default, skip_serializing_if_is_empty)]
    pub errors: Vec<FieldError>,
}

/// A field that is wrong.
#[derive(Object, Clone, Debug)]
pub struct FieldError {
    /// The field, as it is named in the request.
    pub field: String,
    /// The rule that it breaks, as a word that a program can read.
    pub rule: String,
    /// The rule as a sentence.
    pub message: String,
}

impl poem_openapi::types::Example for Problem {
    fn example() -> Self {
        let message = PolicyRefused::TooShort { min_chars: Policy::FEWEST }.to_string();
        Self::invalid(vec![FieldError::new("password", "too_short", message)])
    }
}

impl FieldError {
    /// A field that breaks a rule.
    #[must_use]
    pub fn new(field: &str, rule: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), rule: rule.to_owned(), message: message.into() }
    }
}

impl Problem {
    /// A problem of the kind `urn:heirloom:problem:<kind>`.
    #[must_use]
    pub fn new(status: StatusCode, kind: &str, title: &str) -> Self {
        let kind = format!("urn:heirloom:problem:{kind}");
        Self { kind, title: title.to_owned(), status: status.as_u16(), ..Self::default() }
    }

    /// With what to do about it.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Fields that are not what they must be.
    fn invalid(errors: Vec<FieldError>) -> Self {
        let title = "A field is not what it must be.";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title) }
    }
}

/// What an endpoint of heirloom's own API answers when it does not do what it was asked.
#[derive(ApiResponse)]
pub enum ApiError {
    /// The request is malformed.
    #[oai(status = 400, content_type = "application/problem+json")]
    BadRequest(Json<Problem>),
    /// The body is not `application/json`.
    #[oai(status = 415, content_type = "application/problem+json")]
    MediaType(Json<Problem>),
    /// There is no access token, or it is not good: `invalid_token`.
    #[oai(status = 401, content_type = "application/problem+json")]
    Unauthorized(
        Json<Problem>,
        /// `Bearer`, with the error (RFC 6750 §3).
        #[oai(header = "WWW-Authenticate")]
        String,
    ),
    /// The access token does not have the scope (`insufficient_scope`), or the password is wrong.
    #[oai(status = 403, content_type = "application/problem+json")]
    Forbidden(
        Json<Problem>,
        /// `Bearer`, with the error (RFC 6750 §3).
        #[oai(header = "WWW-Authenticate")]
        Option<String>,
    ),
    /// There is no such thing, or it is none of yours.
    #[oai(status = 404, content_type = "application/problem+json")]
    NotFound(Json<Problem>),
    /// It can't be done as things are.
    #[oai(status = 409, content_type = "application/problem+json")]
    Conflict(Json<Problem>),
    /// A field is not what it must be.
    #[oai(status = 422, content_type = "application/problem+json")]
    Invalid(Json<Problem>),
    /// Too many attempts.
    #[oai(status = 429, content_type = "application/problem+json")]
    TooManyRequests(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        String,
    ),
    /// The server failed.
    #[oai(status = 500, content_type = "application/problem+json")]
    Failed(Json<Problem>),
    /// The server is busy or can't reach its disk.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        String,
    ),
}

/// What poem itself refuses (no such path, a body that is no JSON, …) as a problem document, with `title` in words.
pub(super) fn refusal(error: &poem::Error, title: &str) -> Response {
    let status = error.status();
    let kind = match status {
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        status if status.is_server_error() => "failed",
        _ => "malformed",
    };
    let mut problem = Problem::new(status, kind, title);
    if error.is::<ParseRequestPayloadError>() || error.is::<ParseParamError>() {
        // Behind these words the library repeats the value, which may be a password.
        let reason = error.to_string();
        let reason = reason.split_once(", found ").map_or(reason.as_str(), |(reason, _)| reason);
        problem = problem.detail(reason);
    }
    let answer = Response::builder().status(status).content_type("application/problem+json");
    answer.body(problem.to_json_string())
}

impl ApiError {
    /// The problem that it says.
    #[must_use]
    pub(super) const fn problem(&self) -> &Problem {
        match self {
            Self::BadRequest(Json(problem))
            | Self::MediaType(Json(problem))
            | Self::Unauthorized(Json(problem), _)
            | Self::Forbidden(Json(problem), _)
            | Self::NotFound(Json(problem))
            | Self::Conflict(Json(problem))
            | Self::Invalid(Json(problem))
            | Self::TooManyRequests(Json(problem), _)
            | Self::Failed(Json(problem))
            | Self::Unavailable(Json(problem), _) => problem,
        }
    }

    /// The request can't be read, or not as it is meant.
    #[must_use]
    pub fn malformed(detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "malformed", MALFORMED);
        Self::BadRequest(Json(Problem { errors, ..problem.detail(detail) }))
    }

    /// The body is of another media type, or compressed.
    #[must_use]
    pub fn media_type(detail: &str) -> Self {
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", MALFORMED);
        Self::MediaType(Json(problem.detail(detail)))
    }

    /// There is no access token (RFC 6750 §3.1: then no error code).
    #[must_use]
    pub fn no_token() -> Self {
        let title = "An access token is needed.";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "no-token", title);
        Self::Unauthorized(Json(problem), r#"Bearer realm="heirloom""#.to_owned())
    }

    /// The access token is no good.
    #[must_use]
    pub fn access(error: &AccessError) -> Self {
        let challenge = |code: &str, title: &str| {
            format!(r#"Bearer realm="heirloom", error="{code}", error_description="{title}""#)
        };
        match error {
            AccessError::Invalid | AccessError::Expired => {
                let expired = matches!(error, AccessError::Expired);
                let title =
                    if expired { "The access token has expired." } else { "The access token is not valid." };
                let problem = Problem::new(StatusCode::UNAUTHORIZED, "invalid-token", title);
                Self::Unauthorized(Json(problem), challenge("invalid_token", title))
            }
            AccessError::Scope(scope) => {
                let title = "The access token does not have the scope.";
                let problem = Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", title);
                let challenge = format!(r#"{}, scope="{scope}""#, challenge("insufficient_scope", title));
                Self::Forbidden(Json(problem.detail(format!("It needs the scope {scope}."))), Some(challenge))
            }
            AccessError::Failed(error) => Self::token(error),
        }
    }

    /// There is no such thing, or it is none of the asker's.
    #[must_use]
    pub fn not_found() -> Self {
        Self::NotFound(Json(Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing.")))
    }

    /// It can't be done as things are.
    #[must_use]
    pub fn conflict(kind: &str, title: impl AsRef<str>) -> Self {
        Self::Conflict(Json(Problem::new(StatusCode::CONFLICT, kind, title.as_ref())))
    }

    /// It is not the asker's to do, whatever the access token.
    #[must_use]
    pub fn forbidden(kind: &str, title: &str) -> Self {
        Self::Forbidden(Json(Problem::new(StatusCode::FORBIDDEN, kind, title)), None)
    }

    /// A field is not what it must be.
    #[must_use]
    pub fn field(field: &str, rule: &str, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError::new(field, rule, message)])
    }

    /// A role that can't be one.
    #[must_use]
    pub fn role(error: BadRole) -> Self {
        Self::field("roles", "not_permitted", error.to_string())
    }

    /// `after` is nothing that a page of the list had as its `next`.
    #[must_use]
    pub fn after(rule: &str) -> Self {
        Self::field("after", rule, "It is not what `next` was.")
    }

    /// Fields are not what they must be.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self::Invalid(Json(Problem::invalid(errors)))
    }

    /// A use case failed. If that is the server's fault, it is logged.
    #[must_use]
    pub fn token(error: &TokenError) -> Self {
        let code = status(error.code(), false);
        if code == StatusCode::SERVICE_UNAVAILABLE {
            if error.should_log() {
                tracing::warn!(error = %error, "request not served");
            }
        } else if code.is_server_error() {
            tracing::error!(error = %error, "request failed");
        }
        Self::of_token(error)
    }

    /// As [`ApiError::token`], without logging.
    pub(super) fn of_token(error: &TokenError) -> Self {
        let code = status(error.code(), false);
        let problem = |kind: &str| Json(Problem::new(code, kind, &error.description()));
        let seconds = whole_seconds(error.retry_after());
        if code == StatusCode::TOO_MANY_REQUESTS {
            Self::TooManyRequests(problem("too-many-attempts"), seconds)
        } else if code == StatusCode::SERVICE_UNAVAILABLE {
            Self::Unavailable(problem("unavailable"), seconds)
        } else if code.is_server_error() {
            Self::Failed(problem("failed"))
        } else {
            Self::forbidden("refused", &error.description())
        }
    }

    /// A client was not registered or changed.
    #[must_use]
    pub fn client(error: &ClientError) -> Self {
        match error {
            ClientError::Metadata(errors) => {
                let told = |error: &MetadataError| {
                    FieldError::new(error.field.name(), error.rule, error.to_string())
                };
                Self::fields(errors.iter().take(MOST_MISTAKES).map(told).collect())
            }
            ClientError::Exists => Self::field("id", "taken", error.to_string()),
            ClientError::Declared => Self::conflict("declared", error.to_string()),
            ClientError::Kind => Self::conflict("kind", error.to_string()),
            ClientError::Unknown => Self::not_found(),
            ClientError::Failed(error) => Self::token(error),
        }
    }

    /// An account was not made or changed; `name` and `password` are the names of the fields in the request.
    #[must_use]
    pub fn user(error: &UserError, name: &str, password: &str) -> Self {
        use crate::password::PasswordRefused;
        let message = error.to_string();
        match error {
            UserError::Name(refused) => {
                let rule = match refused {
                    NameRefused::Empty => "empty",
                    NameRefused::TooLong => "too_long",
                    NameRefused::Character | NameRefused::BidiRule => "not_permitted",
                };
                Self::field(name, rule, message)
            }
            UserError::Taken => Self::field(name, "taken", message),
            UserError::Email(refused) => {
                let rule = match refused {
                    EmailRefused::Empty => "empty",
                    EmailRefused::TooLong => "too_long",
                    EmailRefused::Malformed => "malformed",
                };
                Self::field("email", rule, message)
            }
            UserError::EmailTaken => Self::field("email", "taken", message),
            UserError::DisplayName(refused) => {
                let rule = match refused {
                    DisplayNameRefused::Empty => "empty",
                    DisplayNameRefused::TooLong => "too_long",
                    DisplayNameRefused::Character => "not_permitted",
                };
                Self::field("display_name", rule, message)
            }
            UserError::NotInvited => Self::field("invitation", "required", message),
            UserError::Invitation => Self::field("invitation", "not_valid", message),
            UserError::InvitationUsed => Self::conflict("invitation-used", &message),
            UserError::Closed => Self::forbidden("registration-closed", &message),
            UserError::WrongPassword => Self::forbidden("wrong-password", &message),
            UserError::Password(refused) | UserError::Weak(PolicyRefused::Password(refused)) => {
                let rule = match refused {
                    PasswordRefused::Empty => "empty",
                    PasswordRefused::TooLong => "too_long",
                    PasswordRefused::Character => "not_permitted",
                };
                Self::field(password, rule, message)
            }
            UserError::Weak(PolicyRefused::TooShort { .. }) => Self::field(password, "too_short", message),
            UserError::Weak(PolicyRefused::Guessable) => Self::field(password, "guessable", message),
            UserError::Unknown => Self::not_found(),
            UserError::Failed(error) => Self::token(error),
        }
    }
}
