//! The generated specification, and Swagger UI.

use poem::endpoint::make_sync;
use poem::{Endpoint, Response};
use poem_openapi::{LicenseObject, OpenApiService};

use super::account::AccountApi;
use super::admin::AdminApis;
use super::devices::DevicesApi;
use super::health::HealthApi;
use super::introspect::IntrospectApi;
use super::jwks::JwksApi;
use super::metadata::MetadataApi;
use super::peer::TrustedProxies;
use super::revoke::RevokeApi;
use super::token::TokenApi;
use super::userinfo::UserinfoApi;

/// Every endpoint.
type Apis = (
    TokenApi,
    RevokeApi,
    IntrospectApi,
    UserinfoApi,
    AccountApi,
    DevicesApi,
    AdminApis,
    MetadataApi,
    JwksApi,
    HealthApi,
);

/// The endpoints, as one service that describes itself.
pub(super) fn service(proxies: TrustedProxies) -> OpenApiService<Apis, ()> {
    OpenApiService::new(
        (
            TokenApi,
            RevokeApi,
            IntrospectApi,
            UserinfoApi,
            AccountApi { proxies },
            DevicesApi,
            super::admin::apis(),
            MetadataApi,
            JwksApi,
            HealthApi,
        ),
        "heirloom",
        env!("CARGO_PKG_VERSION"),
    )
    .summary("An OAuth 2 authorization server")
    .description(
        "Signs people in, hands out short-lived RS256 access tokens and rotating refresh tokens, and records what \
         happens to a session in a durable log.",
    )
    .license(LicenseObject::new("Apache-2.0").identifier("Apache-2.0"))
    .server("/")
}

/// The specification as JSON, without a server behind it.
#[must_use]
pub fn specification() -> String {
    format!("{}\n", service(TrustedProxies::default()).spec())
}

/// The methods of each path in a specification, as `Allow` lists them.
pub(super) fn methods(spec: &str) -> Result<Vec<(String, String)>, serde_json::Error> {
    let spec: serde_json::Value = serde_json::from_str(spec)?;
    let paths = spec.get("paths").and_then(serde_json::Value::as_object).into_iter().flatten();
    let listed = |operations: &serde_json::Value| {
        let names = operations.as_object().into_iter().flatten().map(|(name, _)| name.to_uppercase());
        names.collect::<Vec<_>>().join(", ")
    };
    Ok(paths.map(|(path, operations)| (path.clone(), listed(operations))).collect())
}

/// Swagger UI, with the specification in it.
pub(super) fn swagger_ui(service: &OpenApiService<Apis, ()>) -> impl Endpoint + 'static {
    service.swagger_ui()
}

/// The specification.
pub(super) fn spec_endpoint(spec: String) -> impl Endpoint + 'static {
    let spec = bytes::Bytes::from(spec);
    make_sync(move |_| {
        let answer = Response::builder().content_type("application/json");
        answer.header("Access-Control-Allow-Origin", "*").body(spec.clone())
    })
}
