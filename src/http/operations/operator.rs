//! The admin API for people who run commands on this machine: over the operators' socket, or in this process.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{Method, StatusCode, Uri};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Body, Endpoint, IntoResponse, Request, RequestParts, Response};

use crate::app::App;
use crate::app::keys::KeysNow;
use crate::http::HttpSettings;
use crate::http::error::{ErrorBody, json, text};
use crate::http::server::OPERATOR;
use crate::oauth::ErrorCode;

/// Only the admin API. The administrator is the operating system's user in the peer's address: see
/// [`serve_operators`](crate::http::server::serve_operators).
///
/// # Errors
/// As [`endpoint`](crate::http::endpoint()).
pub fn endpoint(
    app: Arc<App>,
    settings: HttpSettings,
) -> Result<impl Endpoint<Output = Response> + 'static, serde_json::Error> {
    let all = crate::http::router::answers(Arc::clone(&app), HttpSettings { hosts: Vec::new(), ..settings })?;
    Ok(OnlyAdmin { app, all })
}

/// The path at which a server reads its keys folder again and reports the keys that it uses.
pub const KEYS: &str = "/admin/keys";

/// Answers only paths under `/admin`: the other endpoints count and log by network addresses.
struct OnlyAdmin<E> {
    app: Arc<App>,
    all: E,
}

impl<E: Endpoint> Endpoint for OnlyAdmin<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if request.uri().path() == KEYS && request.method() == Method::POST {
            return Ok(text(StatusCode::OK, keys(&self.app.keys.look().await).to_string()));
        }
        if request.uri().path().starts_with("/admin/") {
            return Ok(self.all.call(request).await?.into_response());
        }
        let body = ErrorBody::new(ErrorCode::InvalidRequest, "There is nothing at this path.");
        Ok(json(StatusCode::NOT_FOUND, &body))
    }
}

/// The keys in use as JSON for the command line.
fn keys(now: &KeysNow) -> serde_json::Value {
    serde_json::json!({
        "signer": now.signer.map(|kid| kid.to_string()),
        "published": now.published.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "refresh_secrets": now.refresh_secrets,
        "problems": now.problems,
    })
}

/// Calls an [`endpoint()`] in this process, as the operating system's user `uid`.
///
/// # Errors
/// When the answer can't be read, which would be a defect.
pub async fn ask(
    endpoint: &impl Endpoint<Output = Response>,
    (method, path): (Method, Uri),
    body: Option<Bytes>,
    uid: u32,
) -> Result<(StatusCode, Bytes), poem::error::ReadBodyError> {
    let mut request = hyper::Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = path;
    if body.is_some() {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let peer = RemoteAddr(Addr::Custom(OPERATOR, uid.to_string().into()));
    let parts = RequestParts::from((request.into_parts().0, LocalAddr::default(), peer, Scheme::HTTP));
    let body = body.map_or_else(Body::empty, Body::from_bytes);
    let response = endpoint.get_response(Request::from_parts(parts, body)).await;
    let (parts, body) = response.into_parts();
    Ok((parts.status, body.into_bytes().await?))
}
