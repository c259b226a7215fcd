//! The administration for whoever runs commands on this machine: over the operators' socket, or in this process.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{Method, StatusCode, Uri};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Body, Endpoint, IntoResponse, Request, RequestParts, Response};

use super::HttpSettings;
use super::error::{ErrorBody, json};
use super::server::OPERATOR;
use crate::app::App;
use crate::oauth::ErrorCode;

/// The administration and nothing else. Who asks is told by the address of the peer: see
/// [`serve_operators`](super::server::serve_operators).
///
/// # Errors
/// As [`endpoint`](super::endpoint()).
pub fn endpoint(
    app: Arc<App>,
    settings: HttpSettings,
) -> Result<impl Endpoint<Output = Response> + 'static, serde_json::Error> {
    Ok(OnlyAdmin(super::endpoint(app, HttpSettings { hosts: Vec::new(), ..settings })?))
}

/// Answers only what is under `/admin`: the other endpoints count and log by the address of a network's peer.
struct OnlyAdmin<E>(E);

impl<E: Endpoint> Endpoint for OnlyAdmin<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if request.uri().path().starts_with("/admin/") {
            return Ok(self.0.call(request).await?.into_response());
        }
        let body = ErrorBody::new(ErrorCode::InvalidRequest, "There is nothing at this path.");
        Ok(json(StatusCode::NOT_FOUND, &body))
    }
}

/// Asks an [`endpoint()`] in this process, as the operating system's user `uid`.
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
