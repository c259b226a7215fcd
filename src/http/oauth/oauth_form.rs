//! The form that a client sends to an OAuth endpoint, with its credentials (RFC 6749 §2.3.1 and §3.2; RFC 7009 §2.1;
//! RFC 7662 §2.1).

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::{Body, Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSecurityScheme, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::client_auth::claim;
use super::form::Form;
use super::refusal::Refusal;
use crate::app::authenticate::{AuthenticatedClient, Candidate};
use crate::app::grants::form::FormError;
use crate::app::grants::read_ahead::ReadAhead;
use crate::app::refusals::{RefusedSecret, Secret};
use crate::app::{Clients, Grants, RefusalLog, TokenError};
use crate::http::caller::Caller;
use crate::http::peer::TrustedProxies;
use crate::http::request_body::{self, Unreadable};
use crate::http::service::service;

/// A parsed form of a client that is not authenticated yet.
pub(in crate::http) struct OauthForm {
    /// The parameters, without the client's credentials.
    pub(in crate::http) form: Form,
    /// The client's address.
    pub(in crate::http) peer: IpAddr,
    /// The clients that the credentials may belong to.
    candidates: Vec<Candidate>,
    clients: Arc<Clients>,
    /// Logs refused secrets.
    pub(super) refusals: Arc<RefusalLog>,
    /// What was read for the refresh token while the client was looked up.
    pub(super) read_ahead: Option<Box<ReadAhead>>,
    /// Whether the credentials came in the `Authorization` header.
    by_header: bool,
}

impl OauthForm {
    /// Reads a form.
    ///
    /// # Errors
    /// [`Refusal`] if it is not a form, or names no client.
    pub(in crate::http) async fn read<S>(form_body: FormBody<'_, S>) -> Result<Self, Refusal> {
        Self::read_for(form_body, None).await
    }

    /// Reads a form of the token endpoint: if the client must be looked up, what a refresh is decided on is read at the
    /// same time.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) async fn read_for<S>(
        form_body: FormBody<'_, S>,
        grants: Option<&Grants>,
    ) -> Result<Self, Refusal> {
        let FormBody { request, body, clients, refusals, .. } = form_body;
        let (clients, refusals) = (Arc::clone(clients), Arc::clone(refusals));
        let by_header = request.headers().contains_key(header::AUTHORIZATION);
        let mut form = read_form(request, body).await?;
        let claim = claim(request.headers(), &mut form).map_err(|error| Refusal::claim(error, by_header))?;
        let grants = grants.filter(|_| !clients.are_declared(&claim.readings));
        let read_ahead = async {
            match (grants, form.peek("refresh_token")) {
                // Boxed, so that it does not enlarge the refresh of a declared client.
                (Some(grants), Some(refresh_token)) => Box::pin(grants.read_ahead(refresh_token)).await,
                (None, _) | (_, None) => None,
            }
        };
        let (candidates, read_ahead) = tokio::join!(clients.candidates(&claim.readings), read_ahead);
        if let Some(caller) = Caller::of(request) {
            // If the store fails, the client stays unknown: the answer is an error that pages of all clients may read.
            for client in candidates.iter().filter_map(Candidate::named) {
                caller.is(Arc::clone(client));
            }
        }
        let proxies = request.data::<TrustedProxies>();
        let peer =
            proxies.map_or_else(|| TrustedProxies::default().peer(request), |proxies| proxies.peer(request));
        Ok(Self { form, peer, clients, refusals, candidates, read_ahead, by_header: claim.by_header })
    }

    /// Authenticates the client.
    ///
    /// # Errors
    /// [`Refusal`] if that fails.
    pub(in crate::http) async fn authenticate(&mut self) -> Result<AuthenticatedClient, Refusal> {
        let error = match self.clients.authenticate(&mut self.candidates).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if !matches!(error, TokenError::Client) {
            if error.should_log() {
                tracing::error!(peer.address = %self.peer, error = %error, "client not authenticated");
            }
            return Err(self.refuse(&error));
        }
        // A text that is no client's id is not logged: it may be a secret in the wrong field.
        let known = self.candidates.iter().find_map(Candidate::named);
        let client = known.map(|known| &known.id);
        let (secret, reason) = (Secret::Client, error.reason());
        self.refusals.note(RefusedSecret { secret, reason, client, user: None, peer: self.peer });
        Err(self.refuse(&error))
    }

    /// The answer to an error of a use case.
    pub(in crate::http) fn refuse(&self, error: &TokenError) -> Refusal {
        Refusal::app(error, self.by_header)
    }

    /// Removes a required parameter and returns it.
    ///
    /// # Errors
    /// [`Refusal`] if it is missing.
    pub(in crate::http) fn take(
        &mut self,
        name: &'static str,
    ) -> Result<zeroize::Zeroizing<String>, Refusal> {
        self.form.take(name).ok_or_else(|| Refusal::request(FormError::Missing(name).to_string()))
    }
}

/// Parameters that must not be in the URL, which logs and histories store (RFC 6749 §2.3.1).
const NOT_IN_THE_URL: [&str; 8] =
    ["client_id", "client_secret", "grant_type", "password", "refresh_token", "scope", "token", "username"];

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

async fn read_form(request: &Request, body: Option<Body>) -> Result<Form, Refusal> {
    if let Some(query) = request.uri().query()
        && Form::parse(query.as_bytes())
            .map_or(true, |query| NOT_IN_THE_URL.iter().any(|name| query.has(name)))
    {
        return Err(Refusal::request("Parameters are taken from the body, never from the URL."));
    }
    let media_type = request.content_type().map(|value| value.split(';').next().unwrap_or_default().trim());
    if !media_type.is_some_and(|value| value.eq_ignore_ascii_case(FORM)) {
        return Err(Refusal::request("The request must be application/x-www-form-urlencoded."));
    }
    let bytes = request_body::read(request, body).await.map_err(|error| {
        let refusal = Refusal::request(error.to_string());
        match error {
            Unreadable::Compressed => refusal.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Unreadable::Missing | Unreadable::Broken => refusal,
        }
    })?;
    Ok(Form::parse(&bytes)?)
}

/// A form that has not been read; [`OauthForm`] reads it strictly. `S` describes it in the specification.
pub(in crate::http) struct FormBody<'a, S> {
    pub(in crate::http) request: &'a Request,
    body: Option<Body>,
    clients: &'a Arc<Clients>,
    refusals: &'a Arc<RefusalLog>,
    schema: PhantomData<fn() -> S>,
}

impl<'a, S: Type> ApiExtractor<'a> for FormBody<'a, S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        S::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: FORM, schema: S::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let (clients, refusals) = (service(request)?, service(request)?);
        Ok(Self { request, body: body.take().ok(), clients, refusals, schema: PhantomData })
    }
}

/// HTTP Basic with a client's id and secret, for the specification.
pub(in crate::http) struct ClientBasic;

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
