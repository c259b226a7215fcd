//! The generated specification, Swagger UI, and how the token endpoint's strict reading is described in it.

use poem::endpoint::make_sync;
use poem::{Body, Endpoint, Request, RequestBody, Response};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSecurityScheme, Registry};
use poem_openapi::types::Type as _;
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, LicenseObject, Object, OpenApiService,
};

use super::account::AccountApi;
use super::devices::DevicesApi;
use super::health::HealthApi;
use super::jwks::JwksApi;
use super::metadata::MetadataApi;
use super::peer::TrustedProxies;
use super::token::TokenApi;
use super::userinfo::UserinfoApi;

/// Every endpoint.
type Apis = (TokenApi, UserinfoApi, AccountApi, DevicesApi, MetadataApi, JwksApi, HealthApi);

/// The endpoints, as one service that describes itself.
pub(super) fn service(proxies: TrustedProxies) -> OpenApiService<Apis, ()> {
    OpenApiService::new(
        (TokenApi { proxies: proxies.clone() }, UserinfoApi, AccountApi { proxies }, DevicesApi, MetadataApi, JwksApi, HealthApi),
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

/// What the token endpoint takes, for the specification; `super::token` reads it strictly by itself.
#[derive(Object)]
#[oai(rename = "TokenRequest")]
struct TokenRequestBody {
    /// `password` or `refresh_token`.
    grant_type: String,
    /// With `password`: the user's name.
    username: Option<String>,
    /// With `password`: the password.
    #[oai(validator(max_length = 1024))]
    password: Option<String>,
    /// With `refresh_token`: the newest refresh token.
    refresh_token: Option<String>,
    /// The scope, separated by spaces. Left out: at sign-in, all that the client may have of one resource server, without
    /// `offline_access` and heirloom's own `account`, `admin` and `profile`; at a refresh, all that was granted.
    #[oai(validator(max_length = 1024))]
    scope: Option<String>,
    /// The resource server that the access token is for (RFC 8707).
    resource: Option<String>,
    /// With `password`: what the user's list of devices calls this one, such as `Ann's phone`.
    #[oai(validator(max_length = 64))]
    device_label: Option<String>,
    /// The client, unless the `Authorization` header names it.
    client_id: Option<String>,
    /// The client's secret, unless it is a public client or the `Authorization` header has it.
    client_secret: Option<String>,
}

/// A form, unread.
pub(super) struct TokenForm<'a> {
    pub(super) request: &'a Request,
    pub(super) body: Option<Body>,
}

impl<'a> ApiExtractor<'a> for TokenForm<'a> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        TokenRequestBody::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content_type = "application/x-www-form-urlencoded";
        let content = vec![MetaMediaType { content_type, schema: TokenRequestBody::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self { request, body: body.take().ok() })
    }
}

/// HTTP Basic with a client's id and secret, for the specification.
pub(super) struct ClientBasic;

impl<'a> ApiExtractor<'a> for ClientBasic {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("A confidential client's `client_id` and `client_secret` (RFC 6749 §2.3.1)."),
            name: None,
            key_in: None,
            scheme: Some("basic"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme("client_basic", scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["client_basic"]
    }

    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        _: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self)
    }
}
