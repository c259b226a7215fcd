//! Sends a logout token to a client (OpenID Connect Back-Channel Logout §2.5): one POST on a connection of its own.
//!
//! Redirects are not followed, what the client answers is not kept, and everything has a time limit: the URI leads to
//! somebody else's server.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use crate::certificates::system_authorities;

/// As much of an answer's body is read before the connection is closed, in bytes.
const BODY: usize = 16 * 1024;

/// How long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeLimits {
    /// Until there is a connection, with TLS.
    pub(super) connect: Duration,
    /// Until it has answered.
    pub(super) whole: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), whole: Duration::from_secs(10) }
    }
}

/// Why a client was not told. For the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The URI is none that can be requested.
    #[error("its backchannel_logout_uri can't be used")]
    Uri,
    /// The machine's certificate authorities can't be used.
    #[error("{0}")]
    NoAuthorities(String),
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    /// There was no connection in time.
    #[error("no connection within {} s", .0.as_secs())]
    ConnectTimeout(Duration),
    /// The connection broke, or what came was no HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// There was no answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It answered by a redirect.
    #[error("it redirects ({}), which is not followed", .0.as_u16())]
    Redirect(StatusCode),
    /// It answered something else than success.
    #[error("it answered {}", .0.as_u16())]
    Status(StatusCode),
}

/// Sends logout tokens.
#[derive(Default)]
pub(in crate::app) struct Requests {
    limits: TimeLimits,
    /// Read from the system at the first request by https.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Requests {
    /// Sends a token. §2.8: success is "HTTP 200 OK", or 204 of some frameworks; so is any other 2xx.
    pub(super) async fn send(&self, uri: &str, logout_token: &str) -> Result<(), RequestError> {
        let mut answered = None;
        let sent = timeout(self.limits.whole, self.send_unlimited(uri, logout_token, &mut answered)).await;
        let status = match answered {
            // Whatever became of the body.
            Some(status) => status,
            None => sent.map_err(|_| RequestError::Timeout(self.limits.whole))??,
        };
        if status.is_success() {
            Ok(())
        } else if status.is_redirection() {
            Err(RequestError::Redirect(status))
        } else {
            // §2.8 gives 400 for a request that is invalid and for a logout that failed: the second may succeed later.
            Err(RequestError::Status(status))
        }
    }

    async fn send_unlimited(
        &self,
        uri: &str,
        logout_token: &str,
        answered: &mut Option<StatusCode>,
    ) -> Result<StatusCode, RequestError> {
        let url = Url::parse(uri).map_err(|_| RequestError::Uri)?;
        let request = request(&url, logout_token)?;
        let limit = self.limits.connect;
        let late = |_| RequestError::ConnectTimeout(limit);
        if url.scheme() == "https" {
            let config = self.tls().await?;
            let connect = async {
                let name = server_name(&url)?;
                let stream = connect(&url).await?;
                Ok::<_, RequestError>(TlsConnector::from(config).connect(name, stream).await?)
            };
            exchange(timeout(limit, connect).await.map_err(late)??, request, answered).await
        } else {
            exchange(timeout(limit, connect(&url)).await.map_err(late)??, request, answered).await
        }
    }

    async fn tls(&self) -> Result<Arc<ClientConfig>, RequestError> {
        let read = || async {
            let roots = tokio::task::spawn_blocking(system_authorities).await;
            let unusable = |error: &dyn std::fmt::Display| RequestError::NoAuthorities(error.to_string());
            let roots = roots.map_err(|error| unusable(&error))?.map_err(|error| unusable(&error))?;
            client_config(roots).map_err(|error| unusable(&error))
        };
        self.tls.get_or_try_init(read).await.cloned()
    }
}

fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn request(url: &Url, logout_token: &str) -> Result<Request<Full<Bytes>>, RequestError> {
    // A token has none of the characters that a form encodes.
    let body = Full::new(Bytes::from(format!("logout_token={logout_token}")));
    let request = Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(USER_AGENT, "heirloom")
        .header(CONNECTION, HeaderValue::from_static("close"));
    request.body(body).map_err(|_| RequestError::Uri)
}

fn server_name(url: &Url) -> Result<ServerName<'static>, RequestError> {
    match url.host().ok_or(RequestError::Uri)? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| RequestError::Uri),
        Host::Ipv4(address) => Ok(std::net::IpAddr::from(address).into()),
        Host::Ipv6(address) => Ok(std::net::IpAddr::from(address).into()),
    }
}

async fn connect(url: &Url) -> Result<TcpStream, RequestError> {
    let (host, port) = (url.host().ok_or(RequestError::Uri)?, url.port_or_known_default());
    let port = port.ok_or(RequestError::Uri)?;
    Ok(match host {
        Host::Domain(name) => TcpStream::connect((name, port)).await?,
        Host::Ipv4(address) => TcpStream::connect((address, port)).await?,
        Host::Ipv6(address) => TcpStream::connect((address, port)).await?,
    })
}

/// Sends the request, and returns the answer's status. It is also in `answered`, as soon as it is known.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    answered: &mut Option<StatusCode>,
) -> Result<StatusCode, RequestError> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        *answered = Some(status);
        // Read so that the client can finish, whatever it says; the status has told everything.
        let _ = Limited::new(answer.into_body(), BODY).collect().await;
        Ok(status)
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        answered = &mut answer => answered,
        // What came before the connection ended can still be read.
        _ = &mut connection => answer.await,
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
