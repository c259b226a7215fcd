//! Authorization server metadata (RFC 8414, OpenID Connect Discovery): one document, where the clients of both look.

use std::time::Duration;

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::app::{Language, Settings, TokenKeys};
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::oauth::{GrantType, Prompt, SigningAlgorithm};

/// The metadata endpoints.
pub struct MetadataApi;

/// What the server supports (RFC 8414 §2, OpenID Connect Discovery §3).
#[derive(Object)]
#[expect(clippy::struct_excessive_bools, reason = "the standards have them so")]
struct Metadata {
    /// The issuer, as in `iss`.
    issuer: String,
    /// Where people sign in and allow clients what they ask for (RFC 6749 §3.1).
    authorization_endpoint: String,
    /// Where clients push their authorization requests (RFC 9126).
    pushed_authorization_request_endpoint: String,
    /// Where tokens are had.
    token_endpoint: String,
    /// Where clients sign out (RFC 7009).
    revocation_endpoint: String,
    /// How clients authenticate there.
    revocation_endpoint_auth_methods_supported: Vec<String>,
    /// Where resource servers ask about tokens (RFC 7662).
    introspection_endpoint: String,
    /// How they authenticate there.
    introspection_endpoint_auth_methods_supported: Vec<String>,
    /// Where an access token with the scope `openid` tells who the user is.
    userinfo_endpoint: String,
    /// Where a client sends a browser to sign out (OpenID Connect RP-Initiated Logout §2.1).
    end_session_endpoint: String,
    /// Whether clients are told that a login has ended (OpenID Connect Back-Channel Logout §2.1).
    backchannel_logout_supported: bool,
    /// Whether they are told by the `sid` of the ID token.
    backchannel_logout_session_supported: bool,
    /// Where the public keys are.
    jwks_uri: String,
    /// The scopes.
    scopes_supported: Vec<String>,
    /// `code`.
    response_types_supported: Vec<String>,
    /// How the authorization endpoint answers: in the redirect's query, or by a form.
    response_modes_supported: Vec<String>,
    /// The grants.
    grant_types_supported: Vec<String>,
    /// How clients authenticate; `none` is a public client.
    token_endpoint_auth_methods_supported: Vec<String>,
    /// The challenges of RFC 7636: `S256`.
    code_challenge_methods_supported: Vec<String>,
    /// Whether every answer of the authorization endpoint names the issuer (RFC 9207).
    authorization_response_iss_parameter_supported: bool,
    /// Whether every client must push its requests; a client may be registered so (RFC 9126 §5).
    require_pushed_authorization_requests: bool,
    /// The languages of the pages.
    ui_locales_supported: Vec<String>,
    /// The documentation for developers.
    service_documentation: String,
    /// `public`: a user has the same `sub` for every client.
    subject_types_supported: Vec<String>,
    /// What ID tokens are signed by: the algorithms of all keys of the JWKS.
    id_token_signing_alg_values_supported: Vec<String>,
    /// The claims of ID tokens and of userinfo.
    claims_supported: Vec<String>,
    /// `1`: by a password.
    acr_values_supported: Vec<String>,
    /// The words of `prompt`.
    prompt_values_supported: Vec<String>,
    /// Whether there may be a parameter `claims`.
    claims_parameter_supported: bool,
    /// Whether there may be a parameter `request`.
    request_parameter_supported: bool,
    /// Whether `request_uri` may be another than that of a pushed request.
    request_uri_parameter_supported: bool,
}

#[derive(ApiResponse)]
#[oai(header(name = "Access-Control-Allow-Origin", ty = "String", description = "Any origin: `*`."))]
enum MetadataAnswer {
    /// The metadata.
    #[oai(status = 200)]
    Ok(
        Json<Metadata>,
        /// Any origin.
        #[oai(header = "Access-Control-Allow-Origin")]
        String,
        /// How long it may be kept.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

#[OpenApi]
impl MetadataApi {
    /// What this server supports
    ///
    /// For clients that configure themselves (RFC 8414).
    #[oai(
        path = "/.well-known/oauth-authorization-server",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "metadata"
    )]
    async fn metadata(
        &self,
        settings: Service<'_, Settings>,
        keys: Service<'_, TokenKeys>,
    ) -> MetadataAnswer {
        answer(&settings, &keys)
    }

    /// The same, where OpenID Connect clients look
    ///
    /// One document has the metadata of RFC 8414 and of OpenID Connect Discovery.
    #[oai(
        path = "/.well-known/openid-configuration",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "openid_configuration"
    )]
    async fn openid_configuration(
        &self,
        settings: Service<'_, Settings>,
        keys: Service<'_, TokenKeys>,
    ) -> MetadataAnswer {
        answer(&settings, &keys)
    }
}

const ANY_CLIENT: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
const CONFIDENTIAL: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// The longest that a cache may keep the metadata.
const MAX_AGE: Duration = Duration::from_mins(5);

/// What ID tokens and userinfo may say.
const CLAIMS: [&str; 18] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "sid",
    "at_hash",
    "preferred_username",
    "name",
    "email",
    "email_verified",
    "roles",
    "updated_at",
];

fn answer(settings: &Settings, keys: &TokenKeys) -> MetadataAnswer {
    // Like a new key, a new algorithm must be known before it signs.
    let max_age = MAX_AGE.min(keys.signing.jwks().max_age).as_secs();
    let algorithms = keys.signing.algorithms().into_iter().map(SigningAlgorithm::as_str).collect::<Vec<_>>();
    let metadata = metadata(settings, &algorithms);
    MetadataAnswer::Ok(Json(metadata), "*".to_owned(), format!("public, max-age={max_age}"))
}

fn metadata(settings: &Settings, algorithms: &[&str]) -> Metadata {
    let at = |path: &str| format!("{}{path}", settings.issuer.trim_end_matches('/'));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let grants = GrantType::ALL.into_iter().filter(|grant| settings.offers(*grant));
    let may_sign_up = settings.may_sign_up();
    let prompts = Prompt::ALL.into_iter().filter(|prompt| may_sign_up || *prompt != Prompt::Create);
    Metadata {
        issuer: settings.issuer.clone(),
        authorization_endpoint: at("/oauth/authorize"),
        pushed_authorization_request_endpoint: at("/oauth/par"),
        token_endpoint: at("/oauth/token"),
        revocation_endpoint: at("/oauth/revoke"),
        revocation_endpoint_auth_methods_supported: words(&ANY_CLIENT),
        introspection_endpoint: at("/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: words(&CONFIDENTIAL),
        userinfo_endpoint: at("/oauth/userinfo"),
        end_session_endpoint: at("/oauth/logout"),
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: settings.scopes.words().into_iter().map(str::to_owned).collect(),
        response_types_supported: words(&["code"]),
        response_modes_supported: words(&["query", "form_post"]),
        grant_types_supported: grants.map(|grant| grant.as_str().to_owned()).collect(),
        token_endpoint_auth_methods_supported: words(&ANY_CLIENT),
        code_challenge_methods_supported: words(&["S256"]),
        authorization_response_iss_parameter_supported: true,
        require_pushed_authorization_requests: false,
        ui_locales_supported: words(&Language::ALL.map(Language::tag)),
        service_documentation: at("/docs"),
        subject_types_supported: words(&["public"]),
        id_token_signing_alg_values_supported: words(algorithms),
        claims_supported: words(&CLAIMS),
        acr_values_supported: words(&["1"]),
        prompt_values_supported: prompts.map(|prompt| prompt.as_str().to_owned()).collect(),
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
    }
}
