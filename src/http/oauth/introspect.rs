//! `POST /oauth/introspect`: whether a token is good right now (RFC 7662).

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::oauth_form::{ClientBasic, FormBody, OauthForm};
use super::refusal::{Refusal, Refused};
use crate::app::access::LiveSession;
use crate::app::introspect::Active;
use crate::app::{Settings, Tokens};
use crate::http::error::status;
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::token::AccessToken;

/// The introspection endpoint.
pub struct IntrospectApi;

/// What the introspection endpoint takes, for the specification.
#[derive(Object)]
#[oai(rename = "IntrospectionRequest")]
struct IntrospectionRequestBody {
    /// An access token that is for the resource server that asks, or a refresh token of the client that asks.
    token: String,
    /// Not needed: the kinds of tokens can't be mistaken for one another.
    token_type_hint: Option<String>,
    /// The client, unless the `Authorization` header names it.
    client_id: Option<String>,
    /// The client's secret, unless the `Authorization` header has it.
    client_secret: Option<String>,
}

/// What a token is (RFC 7662 §2.2). Of one that is not good, or that is none of the asker's business, only `active`.
#[derive(Object, Default)]
#[oai(example)]
struct Introspection {
    /// Whether it is good right now.
    active: bool,
    /// `Bearer` for an access token; left out for a refresh token.
    #[oai(skip_serializing_if_is_none)]
    token_type: Option<String>,
    /// What it allows, separated by spaces; left out when it is nothing.
    #[oai(skip_serializing_if_is_none)]
    scope: Option<String>,
    /// The client that it was given to.
    #[oai(skip_serializing_if_is_none)]
    client_id: Option<String>,
    /// The user's id, or the client's where it acts for itself.
    #[oai(skip_serializing_if_is_none)]
    sub: Option<String>,
    /// The name that the user signs in with; for a resource server that is registered to know it.
    #[oai(skip_serializing_if_is_none)]
    username: Option<String>,
    /// Whom an access token is for.
    #[oai(skip_serializing_if_is_none)]
    aud: Option<Vec<String>>,
    /// The issuer.
    #[oai(skip_serializing_if_is_none)]
    iss: Option<String>,
    /// When it expires, in seconds since 1970; a refresh token if it is not used.
    #[oai(skip_serializing_if_is_none)]
    exp: Option<u64>,
    /// When it was issued, in seconds since 1970.
    #[oai(skip_serializing_if_is_none)]
    iat: Option<u64>,
    /// When the user signed in, in seconds since 1970.
    #[oai(skip_serializing_if_is_none)]
    auth_time: Option<u64>,
    /// The session.
    #[oai(skip_serializing_if_is_none)]
    sid: Option<String>,
    /// An access token's id.
    #[oai(skip_serializing_if_is_none)]
    jti: Option<String>,
    /// The user's roles, in an access token that says them.
    #[oai(skip_serializing_if_is_none)]
    roles: Option<Vec<String>>,
}

impl Example for Introspection {
    fn example() -> Self {
        Self {
            active: true,
            token_type: Some("Bearer".to_owned()),
            scope: Some("read".to_owned()),
            client_id: Some("phone-app".to_owned()),
            sub: Some("019a2b3c-4d5e-7f60-8192-a3b4c5d6e7f8".to_owned()),
            username: Some("ann".to_owned()),
            aud: Some(vec!["https://api.example.com".to_owned()]),
            iss: Some("https://id.example.com".to_owned()),
            exp: Some(1_767_226_200),
            iat: Some(1_767_225_600),
            auth_time: Some(1_767_200_000),
            sid: Some("019a2b3c-4d5e-7f60-8192-000000000001".to_owned()),
            jti: Some("q83vEjRWeJCrze8SNFZ4kA".to_owned()),
            roles: Some(vec!["user".to_owned()]),
        }
    }
}

#[derive(ApiResponse)]
#[oai(
    header(name = "Cache-Control", ty = "String", description = "Always `no-store`."),
    header(name = "Pragma", ty = "String", description = "Always `no-cache`.")
)]
enum IntrospectionAnswer {
    /// What the token is.
    #[oai(status = 200)]
    Ok(Json<Introspection>),
}

#[OpenApi]
impl IntrospectApi {
    /// Is this token good?
    ///
    /// For resource servers, which are confidential clients registered with the audiences that they are (`introspects`):
    /// active is an access token whose `aud` has one of them and whose session has not ended. A confidential client may
    /// ask about its own refresh token; active is the newest.
    #[oai(path = "/oauth/introspect", method = "post", tag = "Tag::Tokens", operation_id = "introspect")]
    async fn introspect(
        &self,
        _auth: ClientBasic,
        form: FormBody<'_, IntrospectionRequestBody>,
        tokens: Service<'_, Tokens>,
        settings: Service<'_, Settings>,
    ) -> Result<IntrospectionAnswer, Refused> {
        Ok(answer(form, &tokens, &settings.issuer).await?)
    }
}

async fn answer(
    form: FormBody<'_, IntrospectionRequestBody>,
    tokens: &Tokens,
    issuer: &str,
) -> Result<IntrospectionAnswer, Refusal> {
    // RFC 7662 §2.3: wrong credentials are 401, in the body as well.
    let mut oauth_form = OauthForm::read(form).await.map_err(Refusal::challenging)?;
    let client = oauth_form.authenticate().await.map_err(Refusal::challenging)?;
    let token = oauth_form.take("token")?;
    let active = tokens.introspect(&client, &token).await.map_err(|error| {
        if status(error.code(), false).is_server_error() && error.should_log() {
            tracing::error!(client.id = %client.registration.id, error = %error, "token not introspected");
        }
        oauth_form.refuse(&error).challenging()
    })?;
    let introspection = match active {
        None => Introspection::default(),
        Some(Active::Access(token, username)) => {
            Introspection { username, ..of_access_token(*token, issuer) }
        }
        Some(Active::Refresh(live)) => of_refresh_token(&live, issuer),
    };
    Ok(IntrospectionAnswer::Ok(Json(introspection)))
}

fn of_access_token(token: AccessToken, issuer: &str) -> Introspection {
    Introspection {
        active: true,
        token_type: Some("Bearer".to_owned()),
        scope: Some(token.scope).filter(|scope| !scope.is_empty()),
        client_id: Some(token.client_id),
        sub: Some(token.sub),
        aud: Some(token.aud),
        iss: Some(issuer.to_owned()),
        exp: Some(token.exp),
        iat: Some(token.iat),
        auth_time: token.auth_time,
        sid: Some(token.sid),
        jti: Some(token.jti),
        roles: Some(token.roles).filter(|roles| !roles.is_empty()),
        username: None,
    }
}

fn of_refresh_token(live: &LiveSession, issuer: &str) -> Introspection {
    let session = &live.session;
    Introspection {
        active: true,
        scope: Some(session.started.scope.to_string()).filter(|scope| !scope.is_empty()),
        client_id: Some(session.started.client.as_str().to_owned()),
        sub: session.started.user.map(|user| user.to_string()),
        iss: Some(issuer.to_owned()),
        exp: Some(session.idle_expiry.min(session.started.absolute_expiry).seconds()),
        iat: Some(session.last_rotation().seconds()),
        auth_time: Some(session.started.at.seconds()),
        sid: Some(live.id.to_string()),
        ..Introspection::default()
    }
}
