//! The specification, and the page that shows it.
//!
//! poem-openapi generates it from the endpoints; [`finish`](mod@finish) says in one pass what its macros can't.

use poem::endpoint::make_sync;
use poem::{Endpoint, EndpointExt as _, Response, get};
use poem_openapi::{ContactObject, LicenseObject, OpenApiService};

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

mod examples;
mod finish;
mod page;
mod refusals;

pub use page::FilledIn;
pub(super) use page::route;

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
    .description(
        "An OAuth 2 authorization server: it signs people in, hands out short-lived RS256 access tokens and rotating \
         refresh tokens, and records what happens to a session in a durable log.",
    )
    .contact(ContactObject::new().name("Whoever operates this server"))
    .license(LicenseObject::new("Apache-2.0").url("https://www.apache.org/licenses/LICENSE-2.0"))
    // Relative to the specification: it is right for every issuer.
    .server(".")
}

/// The specification of a service.
///
/// # Errors
/// If what was generated is no JSON, which would be a defect.
pub(super) fn spec(service: &OpenApiService<Apis, ()>) -> Result<String, serde_json::Error> {
    finish::finish(&service.spec())
}

/// The specification as JSON, without a server behind it.
///
/// # Errors
/// If what was generated is no JSON, which would be a defect.
pub fn specification() -> Result<String, serde_json::Error> {
    spec(&service(TrustedProxies::default()))
}

/// The methods of each path in a specification, and of the page, as `Allow` lists them.
pub(super) fn methods(spec: &str) -> Result<Vec<(String, String)>, serde_json::Error> {
    let spec: serde_json::Value = serde_json::from_str(spec)?;
    let paths = spec.get("paths").and_then(serde_json::Value::as_object).into_iter().flatten();
    let listed = |operations: &serde_json::Value| {
        let names = operations.as_object().into_iter().flatten().map(|(name, _)| name.to_uppercase());
        names.collect::<Vec<_>>().join(", ")
    };
    let described = paths.map(|(path, operations)| (path.clone(), listed(operations)));
    Ok(described.chain(page::methods()).collect())
}

/// The specification.
pub(super) fn spec_endpoint(spec: String) -> impl Endpoint + 'static {
    let spec = bytes::Bytes::from(spec);
    let answer = make_sync(move |_| {
        let answer = Response::builder().content_type("application/json");
        answer.header("Access-Control-Allow-Origin", "*").body(spec.clone())
    });
    get(answer).map_to_response()
}
