//! Lists the errors that each operation answers, with an example of each that the code itself makes.

use std::time::Duration;

use poem::http::StatusCode;
use poem_openapi::types::ToJSON as _;
use serde_json::Value;

use super::examples::SCOPES;
use crate::app::TokenError;
use crate::app::access::AccessError;
use crate::app::admin::clients::ClientError;
use crate::app::admin::users::BadRole;
use crate::app::error::ScopeRefused;
use crate::app::grants::form::FormError;
use crate::app::users::UserError;
use crate::client::MetadataError;
use crate::http::admin::{bad_position, bad_stream};
use crate::http::bearer::TwoTokens;
use crate::http::error::{ErrorBody, status};
use crate::http::json_body::{NOT_JSON_MEDIA, WRONG_FIELDS, no_json, unknown_field};
use crate::http::layers::misdirected;
use crate::http::oauth::client_auth::ClaimError;
use crate::http::problem::{ApiError, FieldError};
use crate::http::request_body::Unreadable;
use crate::http::server::BODY_TOO_LARGE;
use crate::oauth::{AuthorizationError, ErrorCode, Scope};
use crate::password::policy::{Policy, PolicyRefused};
use crate::session::CodeRefused;
use crate::store::StoreError;
use crate::user::email::EmailRefused;
use crate::user::name::NameRefused;

/// An error that an operation answers.
pub(super) struct RefusalExample {
    /// The status.
    pub(super) status: u16,
    /// The name of the example.
    pub(super) name: String,
    /// The body of the answer.
    pub(super) body: Value,
}

/// The properties of an operation from which its errors follow.
pub(super) struct Shape {
    /// The format of its errors.
    pub(super) family: Family,
    /// Whether it needs an access token.
    pub(super) needs_token: bool,
    body: BodyKind,
    names_something: bool,
    /// The message about its first parameter that can be malformed.
    malformed: Option<String>,
    /// The fields of its JSON body.
    fields: Vec<String>,
}

/// What an operation reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyKind {
    Nothing,
    Json,
    Form,
}

/// The format of an operation's errors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// That of RFC 6749 §5.2.
    OAuth,
    /// Problem documents (RFC 9457).
    Own,
    /// A format of its own.
    Health,
    /// It has no errors.
    Discovery,
}

impl Shape {
    /// The shape of an operation at a path, whose bodies are among `schemas`.
    pub(super) fn of(path: &str, operation: &Value, schemas: &Value) -> Self {
        let body = operation.pointer("/requestBody/content").and_then(Value::as_object);
        let is_form = body.is_some_and(|types| types.keys().any(|name| name.contains("form")));
        let has_json = body.is_some() && !is_form;
        let own = ["/account", "/admin", "/oauth/userinfo"];
        let family = match path {
            path if own.iter().any(|own| path.starts_with(own)) => Family::Own,
            _ if is_form => Family::OAuth,
            path if path.starts_with("/health/") => Family::Health,
            _ => Family::Discovery,
        };
        let fields = if has_json { fields(operation, schemas) } else { Vec::new() };
        let of_body = || serde_json::from_str::<Value>("{").err().map(|error| no_json(&error));
        let malformed = has_json.then(of_body).flatten().or_else(|| malformed_parameter(operation));
        let security = operation.get("security").and_then(Value::as_array);
        let needs_token = security.into_iter().flatten().any(|way| way.get("user").is_some());
        let body = match body {
            None => BodyKind::Nothing,
            Some(_) if is_form => BodyKind::Form,
            Some(_) => BodyKind::Json,
        };
        Self { family, needs_token, body, names_something: path.contains("{id}"), malformed, fields }
    }
}

/// The fields of the JSON body of an operation.
fn fields(operation: &Value, schemas: &Value) -> Vec<String> {
    let content = operation.pointer("/requestBody/content").and_then(Value::as_object);
    let schema = content.and_then(|types| types.values().next()?.pointer("/schema/$ref")?.as_str());
    let name = schema.and_then(|reference| reference.rsplit('/').next());
    let fields = name.and_then(|name| schemas.get(name)?.get("properties")?.as_object());
    fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect()
}

/// The message about a parameter that is not text and can't be parsed. The words are poem's; a test compares them with
/// those that are sent.
fn malformed_parameter(operation: &Value) -> Option<String> {
    let parameters = operation.get("parameters").and_then(Value::as_array)?;
    let mut malformed = parameters.iter().rev().filter_map(|parameter| {
        let name = parameter.get("name")?.as_str()?;
        let reason = match parameter.pointer("/schema/type")?.as_str()? {
            "integer" => "verification failed. minimum(1, exclusive: false)",
            "boolean" => r#"failed to parse "boolean": provided string was not `true` or `false`"#,
            _ => return None,
        };
        Some(format!("failed to parse parameter `{name}`: {reason}"))
    });
    malformed.next()
}

impl RefusalExample {
    fn oauth(code: ErrorCode, description: &str, by_header: bool) -> Self {
        let body = ErrorBody::new(code, description);
        Self::new(status(code, by_header), code.as_str().to_owned(), body.to_json())
    }

    fn app(error: &TokenError) -> Self {
        Self::oauth(error.code(), &error.description(), false)
    }

    fn own(error: &ApiError) -> Self {
        let problem = error.problem();
        let kind = problem.kind.rsplit(':').next().unwrap_or_default();
        let name = match problem.errors.first() {
            Some(error) => format!("{}_{}", error.field, error.rule),
            None => kind.replace('-', "_"),
        };
        Self { status: problem.status, name, body: problem.to_json().unwrap_or_default() }
    }

    fn new(status: StatusCode, name: String, body: Option<Value>) -> Self {
        Self { status: status.as_u16(), name, body: body.unwrap_or_default() }
    }

    fn is_problem(&self) -> bool {
        self.body.get("type").is_some()
    }

    /// The media type of the answer.
    pub(super) fn media_type(&self) -> &'static str {
        if self.is_problem() { "application/problem+json" } else { "application/json" }
    }

    /// Its schema.
    pub(super) fn schema(&self) -> &'static str {
        if self.is_problem() { "#/components/schemas/Problem" } else { "#/components/schemas/ErrorBody" }
    }

    /// The description of the status, if it differs from that of the endpoint's type.
    pub(super) fn description(&self) -> Option<&'static str> {
        Some(match self.status {
            400 if !self.is_problem() => "The request is refused; `error` says why.",
            413 => "The body is over 64 KiB.",
            415 if self.is_problem() => "The body is not `application/json`.",
            415 => "The body is compressed.",
            421 => "The request's `Host` is none of those that the server is configured to answer for.",
            _ => return None,
        })
    }
}

/// The errors of an operation, in the order of their examples.
pub(super) fn refusals(id: &str, shape: &Shape) -> Vec<RefusalExample> {
    let mut refusals = Vec::new();
    match shape.family {
        Family::OAuth => {
            refusals.extend(of_oauth(id));
            let body = ErrorBody::new(ErrorCode::InvalidRequest, &Unreadable::Compressed.to_string());
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            refusals.push(RefusalExample::new(status, "compressed".to_owned(), body.to_json()));
        }
        Family::Own => refusals.extend(of_own_api(id, shape).iter().map(RefusalExample::own)),
        Family::Health | Family::Discovery => {}
    }
    if shape.body != BodyKind::Nothing {
        let body = ErrorBody::new(ErrorCode::InvalidRequest, BODY_TOO_LARGE);
        refusals.push(RefusalExample::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large".to_owned(),
            body.to_json(),
        ));
    }
    let body = misdirected().to_json();
    refusals.push(RefusalExample::new(StatusCode::MISDIRECTED_REQUEST, "misdirected".to_owned(), body));
    refusals
}

/// The errors of RFC 6749 §5.2, RFC 7009 §2.2.1 and RFC 7662 §2.3.
fn of_oauth(id: &str) -> Vec<RefusalExample> {
    let code = |code, description: &str| RefusalExample::oauth(code, description, false);
    let missing = |parameter| code(ErrorCode::InvalidRequest, &FormError::Missing(parameter).to_string());
    let unproved = TokenError::Client;
    let mut refusals = match id {
        "token" => vec![
            RefusalExample {
                name: "wrong_password".to_owned(),
                ..RefusalExample::app(&TokenError::Credentials)
            },
            RefusalExample {
                name: "bad_refresh_token".to_owned(),
                ..RefusalExample::app(&TokenError::NotAToken)
            },
            RefusalExample { name: "bad_code".to_owned(), ..RefusalExample::app(&TokenError::NotACode) },
            RefusalExample {
                name: "wrong_redirect_uri".to_owned(),
                ..RefusalExample::app(&CodeRefused::RedirectUri.into())
            },
            RefusalExample {
                name: "wrong_verifier".to_owned(),
                ..RefusalExample::app(&CodeRefused::Verifier.into())
            },
            missing("username"),
            RefusalExample::app(&TokenError::GrantNotRegistered),
            code(ErrorCode::UnsupportedGrantType, &FormError::GrantType.to_string()),
            RefusalExample::app(&ScopeRefused::NotRegistered("write".into()).into()),
            RefusalExample::app(&TokenError::Target),
            RefusalExample::app(&TokenError::Throttled { retry_after: Duration::ZERO }),
            RefusalExample {
                name: "too_many_refreshes".to_owned(),
                ..RefusalExample::app(&TokenError::TooManyRefreshes { retry_after: Duration::ZERO })
            },
            RefusalExample {
                name: "too_many_sign_ins".to_owned(),
                ..RefusalExample::app(&TokenError::TooManySignIns { retry_after: Duration::ZERO })
            },
            RefusalExample {
                name: "too_many_client_tokens".to_owned(),
                ..RefusalExample::app(&TokenError::TooManyClientTokens { retry_after: Duration::ZERO })
            },
        ],
        "pushAuthorizationRequest" => vec![
            missing("redirect_uri"),
            code(ErrorCode::UnsupportedResponseType, &AuthorizationError::ResponseType.to_string()),
            code(ErrorCode::RequestNotSupported, &AuthorizationError::RequestObject.to_string()),
            code(ErrorCode::RequestUriNotSupported, &AuthorizationError::ForeignRequestUri.to_string()),
            RefusalExample::app(&ScopeRefused::NotRegistered("write".into()).into()),
            RefusalExample::app(&TokenError::Target),
            RefusalExample::app(&TokenError::GrantNotRegistered),
        ],
        "revoke" => vec![missing("token"), RefusalExample::app(&TokenError::AccessTokenRevocation)],
        _ => vec![missing("token")],
    };
    // RFC 7662 §2.3: there the status is 401, wherever the credentials were.
    let by_header = id == "introspect";
    refusals.push(RefusalExample::oauth(
        ErrorCode::InvalidClient,
        &ClaimError::Missing.to_string(),
        by_header,
    ));
    refusals.push(RefusalExample::oauth(unproved.code(), &unproved.description(), true));
    refusals.push(RefusalExample::app(&not_served(id)));
    refusals.push(RefusalExample::app(&TokenError::Internal(String::new())));
    refusals
}

fn of_own_api(id: &str, shape: &Shape) -> Vec<ApiError> {
    let mut refusals = Vec::new();
    if let Some(detail) = &shape.malformed {
        refusals.push(ApiError::malformed(detail, Vec::new()));
    }
    if shape.needs_token {
        let scope = match id {
            "userinfo" | "userinfoByPost" => Scope::OPENID,
            id if id.starts_with("admin") => "admin",
            _ => "account",
        };
        refusals.push(ApiError::no_token());
        refusals.push(ApiError::access(&AccessError::Expired));
        refusals.push(ApiError::access(&AccessError::Scope(scope)));
    }
    if shape.names_something {
        refusals.push(ApiError::not_found());
    }
    if shape.body == BodyKind::Json {
        let known: Vec<&str> = shape.fields.iter().map(String::as_str).collect();
        let unknown = FieldError::new("e_mail", "unknown", unknown_field("e_mail", &known));
        refusals.push(ApiError::malformed(WRONG_FIELDS, vec![unknown]));
        refusals.push(ApiError::media_type(NOT_JSON_MEDIA));
    }
    refusals.extend(of_operation(id));
    refusals.push(ApiError::of_token(&TokenError::Internal(String::new())));
    refusals.push(ApiError::of_token(&not_served(id)));
    refusals
}

/// Why an operation is not served for now. Where passwords are hashed or events are followed, too many ask at once;
/// elsewhere, the store does not answer.
fn not_served(id: &str) -> TokenError {
    match id {
        "token"
        | "signUp"
        | "changePassword"
        | "deleteAccount"
        | "deleteAccountByPost"
        | "adminCreateUser"
        | "adminSetPassword"
        | "adminFollowEvents" => TokenError::Busy { retry_after: Duration::ZERO },
        _ => StoreError::Unavailable(String::new()).into(),
    }
}

/// The errors that only some operations answer.
fn of_operation(id: &str) -> Vec<ApiError> {
    let throttled = || ApiError::token(&TokenError::Throttled { retry_after: Duration::ZERO });
    let too_often = || ApiError::token(&TokenError::TooManyChanges { retry_after: Duration::ZERO });
    let user = |error: UserError| ApiError::user(&error, "username", "password");
    let weak = |field| {
        let error = UserError::Weak(PolicyRefused::TooShort { min_chars: Policy::FEWEST });
        ApiError::user(&error, "username", field)
    };
    let role = || ApiError::role(BadRole);
    let after = || ApiError::after("not_permitted");
    let declared = || ApiError::client(&ClientError::Declared);
    let scopes = || {
        let known = SCOPES.into_iter();
        ApiError::client(&ClientError::Metadata(vec![MetadataError::unknown_scope("fly", known)]))
    };
    match id {
        "userinfoByPost" => vec![TwoTokens.into()],
        "signUp" => vec![
            user(UserError::Closed),
            user(UserError::Taken),
            user(UserError::Invitation),
            weak("password"),
            throttled(),
        ],
        "changeAccount" => {
            vec![user(UserError::Email(EmailRefused::Malformed)), user(UserError::EmailTaken), too_often()]
        }
        "changePassword" => vec![user(UserError::WrongPassword), weak("new_password"), throttled()],
        "deleteAccount" | "deleteAccountByPost" => vec![user(UserError::WrongPassword), throttled()],
        "endSession" | "endSessions" => vec![too_often()],
        "listSessions" => vec![ApiError::after("unknown")],
        "adminCreateUser" => vec![user(UserError::Taken), weak("password"), role()],
        "adminSetPassword" => vec![weak("password")],
        "adminSetRoles" | "adminInvite" => vec![role()],
        "adminWithdrawInvitation" => vec![user(UserError::InvitationUsed)],
        "adminListUsers" => {
            vec![ApiError::user(&UserError::Name(NameRefused::Character), "prefix", "password")]
        }
        "adminListUserSessions"
        | "adminListClientSessions"
        | "adminListClients"
        | "adminListInvitations"
        | "adminListLogoutDeliveries" => {
            vec![after()]
        }
        "adminRegisterClient" => {
            vec![ApiError::client(&ClientError::Exists), scopes()]
        }
        "adminUpdateClient" => vec![declared(), scopes()],
        "adminDeleteClient" | "adminEnableClient" => vec![declared()],
        "adminRotateClientSecret" => {
            vec![declared(), ApiError::client(&ClientError::Kind)]
        }
        "adminListEvents" => {
            vec![bad_stream()]
        }
        "adminFollowEvents" => {
            vec![bad_position()]
        }
        _ => Vec::new(),
    }
}
