//! The specification, and the page that shows it.
//!
//! poem-openapi generates it from the endpoints; `post_process` adds what its macros can't express. Served is the text
//! in `openapi/heirloom.json`, which a test compares with the generated one, because generating it takes more memory
//! than everything else in an idle server.
//!
//! The names of its schemas follow one rule, so that every generator can make a client: a request is named by what it
//! asks for, such as `CreateUserRequest`; an answer is a noun that no generator uses itself (not `Client`, no `New…`).

use std::collections::BTreeMap;

use poem::endpoint::make_sync;
use poem::{Endpoint, EndpointExt as _, Response, get};
use poem_openapi::{ContactObject, LicenseObject, OpenApiService};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::account::devices::DevicesApi;
use super::account::own_account::AccountApi;
use super::admin::{AdminApis, Live};
use super::oauth::introspect::IntrospectApi;
use super::oauth::jwks::JwksApi;
use super::oauth::metadata::MetadataApi;
use super::oauth::par::ParApi;
use super::oauth::revoke::RevokeApi;
use super::oauth::token::TokenApi;
use super::oauth::userinfo::UserinfoApi;
use super::operations::health::HealthApi;
use super::peer::TrustedProxies;

mod demo;
mod examples;
mod generators;
mod home;
mod page;
mod post_process;
mod refusals;
mod served;

pub(super) use page::route;
pub use served::FilledIn;

/// Every endpoint.
type Apis = (
    TokenApi,
    ParApi,
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
pub(super) fn service(proxies: TrustedProxies, live: Live) -> OpenApiService<Apis, ()> {
    OpenApiService::new(
        (
            TokenApi,
            ParApi,
            RevokeApi,
            IntrospectApi,
            UserinfoApi,
            AccountApi { proxies },
            DevicesApi,
            super::admin::apis(live),
            MetadataApi,
            JwksApi,
            HealthApi,
        ),
        "heirloom",
        env!("CARGO_PKG_VERSION"),
    )
    .description(
        "An OAuth 2 authorization server: it signs people in, hands out short-lived access tokens and rotating \
         refresh tokens, and records what happens to a session in a durable log.",
    )
    .contact(ContactObject::new().name("Whoever operates this server"))
    .license(LicenseObject::new("Apache-2.0").url("https://www.apache.org/licenses/LICENSE-2.0"))
    .server(EXAMPLE)
}

/// The path of the specification.
pub(super) const SPECIFICATION: &str = "/openapi.json";

/// The example server in the specification: generators need an absolute URL.
const EXAMPLE: &str = "https://id.example.com";

/// The specification that is served.
const SERVED: &str = include_str!("../../../openapi/heirloom.json");

/// Generates the specification.
///
/// # Errors
/// If the generated text is not JSON, which would be a defect.
pub fn specification() -> Result<String, serde_json::Error> {
    post_process::post_process(&service(TrustedProxies::default(), Live::new(None)).spec())
}

/// The part of a specification that lists the methods.
#[derive(Deserialize)]
struct Paths {
    paths: BTreeMap<String, Methods>,
}

/// The operations of a path, of which only the names are read.
#[derive(Deserialize)]
struct Methods(
    #[expect(clippy::zero_sized_map_values, reason = "a set is not read from an object")]
    BTreeMap<String, IgnoredAny>,
);

/// The methods of each path in the specification, and of the pages, as `Allow` lists them.
///
/// # Errors
/// If the specification can't be parsed, which would be a defect.
pub(super) fn methods(is_demo: bool) -> Result<Vec<(String, String)>, serde_json::Error> {
    let Paths { paths } = serde_json::from_str(SERVED)?;
    let listed = |Methods(operations): Methods| {
        let mut methods: Vec<_> = operations.keys().map(|name| name.to_uppercase()).collect();
        // RFC 9110 §9.1: a path that accepts GET accepts HEAD.
        if let Some(get) = methods.iter().position(|method| method == "GET") {
            methods.insert(get.saturating_add(1), "HEAD".to_owned());
        }
        methods.join(", ")
    };
    let described = paths.into_iter().map(|(path, operations)| (path, listed(operations)));
    let own = (SPECIFICATION.to_owned(), "GET, HEAD".to_owned());
    Ok(described.chain([own]).chain(page::methods(is_demo)).collect())
}

/// The specification, with the issuer as its server.
pub(super) fn spec_endpoint(issuer: &str) -> impl Endpoint + 'static {
    let server = |url: &str| format!("\"url\": {}", serde_json::Value::from(url));
    let (example, own) = (server(EXAMPLE), server(issuer.trim_end_matches('/')));
    let answer = make_sync(move |_| {
        let answer = Response::builder().content_type("application/json");
        // Built for each request, because storing it would take as much memory as an idle server needs.
        answer.header("Access-Control-Allow-Origin", "*").body(SERVED.replacen(&example, &own, 1))
    });
    get(answer).map_to_response()
}
