//! Authorization server metadata (RFC 8414), at its own path and where OpenID Connect clients look.

use std::time::Duration;

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::app::{Settings, TokenKeys};
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::oauth::GrantType;

/// The metadata endpoints.
pub struct MetadataApi;

/// What the server supports (RFC 8414 §2).
#[derive(Object)]
struct Metadata {
    /// The issuer, as in `iss`.
    issuer: String,
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
    /// Where an access token with the scope `profile` tells who the user is.
    userinfo_endpoint: String,
    /// Where the public keys are.
    jwks_uri: String,
    /// The scopes.
    scopes_supported: Vec<String>,
    /// None: there is no authorization endpoint.
    response_types_supported: Vec<String>,
    /// The grants.
    grant_types_supported: Vec<String>,
    /// How clients authenticate; `none` is a public client.
    token_endpoint_auth_methods_supported: Vec<String>,
    /// The documentation for developers.
    service_documentation: String,
    /// `public`: a user has the same `sub` for every client. Only in the metadata of OpenID Connect.
    #[oai(skip_serializing_if_is_none)]
    subject_types_supported: Option<Vec<String>>,
    /// What tokens are signed by: the algorithms of all keys of the JWKS. There are no ID tokens yet; libraries verify access
    /// tokens by it. Only in the metadata of OpenID Connect.
    #[oai(skip_serializing_if_is_none)]
    id_token_signing_alg_values_supported: Option<Vec<String>>,
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
        answer(&keys, metadata(&settings))
    }

    /// The same, where OpenID Connect clients look
    ///
    /// The metadata of RFC 8414, and what libraries that read this document insist on. There are no ID tokens, and no
    /// authorization endpoint.
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
        let algorithms = keys.signing.algorithms();
        let openid = Metadata {
            subject_types_supported: Some(vec!["public".to_owned()]),
            id_token_signing_alg_values_supported: Some(
                algorithms.into_iter().map(|algorithm| algorithm.as_str().to_owned()).collect(),
            ),
            ..metadata(&settings)
        };
        answer(&keys, openid)
    }
}

const ANY_CLIENT: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
const CONFIDENTIAL: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// The longest that a cache may keep the metadata.
const MAX_AGE: Duration = Duration::from_mins(5);

fn answer(keys: &TokenKeys, metadata: Metadata) -> MetadataAnswer {
    // Like a new key, a new algorithm must be known before it signs.
    let max_age = MAX_AGE.min(keys.signing.jwks().max_age).as_secs();
    MetadataAnswer::Ok(Json(metadata), "*".to_owned(), format!("public, max-age={max_age}"))
}

fn metadata(settings: &Settings) -> Metadata {
    let at = |path: &str| format!("{}{path}", settings.issuer.trim_end_matches('/'));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let grants = GrantType::ALL.into_iter().filter(|grant| settings.offers(*grant));
    Metadata {
        issuer: settings.issuer.clone(),
        token_endpoint: at("/oauth/token"),
        revocation_endpoint: at("/oauth/revoke"),
        revocation_endpoint_auth_methods_supported: words(&ANY_CLIENT),
        introspection_endpoint: at("/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: words(&CONFIDENTIAL),
        userinfo_endpoint: at("/oauth/userinfo"),
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: settings.scopes.words().into_iter().map(str::to_owned).collect(),
        response_types_supported: Vec::new(),
        grant_types_supported: grants.map(|grant| grant.as_str().to_owned()).collect(),
        token_endpoint_auth_methods_supported: words(&ANY_CLIENT),
        service_documentation: at("/docs"),
        subject_types_supported: None,
        id_token_signing_alg_values_supported: None,
    }
}
