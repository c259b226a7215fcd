//! The framework that heirloom uses, without any layer of heirloom's and without OAuth: hyper and poem-openapi read a
//! form and answer JSON.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::endpoint::BoxEndpoint;
use poem::error::InternalServerError;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint as _, IntoEndpoint as _, Request};
use poem_openapi::payload::{Form, Json};
use poem_openapi::{Object, OpenApi, OpenApiService};
use serde::Deserialize;
use tokio::net::TcpStream;

use super::super::keys::Keys;
use super::store::{Commits, Way};

/// The endpoint that serves all connections.
#[derive(Clone)]
pub(super) struct Framework {
    endpoint: Arc<BoxEndpoint<'static>>,
    /// The number of open connections.
    connections: Arc<AtomicUsize>,
}

struct Api {
    keys: Arc<Keys>,
    commits: Option<Commits>,
}

/// The form of a refresh.
#[derive(Object, Deserialize)]
struct TokenForm {
    grant_type: String,
    client_id: String,
    refresh_token: String,
}

/// A token response.
#[derive(Object)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: u64,
    refresh_token: String,
    scope: String,
}

impl Framework {
    /// An endpoint that signs with `keys`, commits if `commits` is given, and counts its `connections`.
    pub(super) fn new(keys: Arc<Keys>, commits: Option<Commits>, connections: Arc<AtomicUsize>) -> Self {
        let api = OpenApiService::new(Api { keys, commits }, "bare", "0");
        Self { endpoint: Arc::new(api.into_endpoint()), connections }
    }

    /// Serves a connection until it is closed.
    pub(super) async fn serve(self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        let endpoint = &self.endpoint;
        let service = service_fn(|request| async move {
            let (local, remote) = (LocalAddr(local.into()), RemoteAddr(remote.into()));
            let request = Request::from((request, local, remote, Scheme::HTTP));
            Ok::<_, Infallible>(hyper::Response::from(endpoint.get_response(request).await))
        });
        self.connections.fetch_add(1, Ordering::Relaxed);
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        self.connections.fetch_sub(1, Ordering::Relaxed);
        Ok(served?)
    }
}

#[OpenApi]
impl Api {
    #[oai(path = "/oauth/token", method = "post")]
    async fn token(&self, requested: Form<TokenForm>) -> poem::Result<Json<Answer>> {
        let Form(TokenForm { grant_type: token_type, client_id: scope, refresh_token }) = requested;
        let access_token = self.sign().await.map_err(failed)?;
        Ok(Json(Answer { access_token, token_type, expires_in: 600, refresh_token, scope }))
    }
}

impl Api {
    async fn sign(&self) -> anyhow::Result<String> {
        let Some(commits) = &self.commits else { return self.keys.token() };
        let durable = commits.ask();
        match commits.way() {
            Way::Rows => {
                durable.await.context("the writer has ended")?;
                self.keys.token()
            }
            Way::Log => {
                // As in heirloom: all requests hand in their commits before anybody signs, and sign while the commit is
                // under way.
                tokio::task::yield_now().await;
                let token = self.keys.token()?;
                durable.await.context("the writer has ended")?;
                Ok(token)
            }
        }
    }
}

fn failed(error: anyhow::Error) -> poem::Error {
    InternalServerError(io::Error::other(error))
}
