//! The listener: an accept loop over hyper, with limits on everything that a client can use up, and a poem endpoint
//! behind it.
//!
//! poem's own server has no timeout and no limits for headers, and loops without pause when it is out of descriptors.
//!
//! - [`bind`] and [`serve`]: the latter accepts, counts the connections, and drains them at the end.
//! - `connection` is the life of one connection: TLS, HTTP/1.1 or HTTP/2, closing.
//! - `wire` and `head` stand between the socket and hyper: time limits, and HTTP/1 heads read strictly.
//! - `exchange` is one request: what is refused here, the limits of its body, the endpoint.
//! - [`read_body`] is how an endpoint reads a body and learns why it can't.
//!
//! An endpoint's future is dropped when its HTTP/2 stream is reset or its connection breaks; an HTTP/1 client that only
//! closes its sending half still gets its answer. Work that must not stop halfway belongs in a task of its own.

mod body;
mod certificate;
mod connection;
mod exchange;
mod head;
mod limits;
mod link;
mod listener;
mod places;
mod refusal;
mod tls;
mod validity;
mod wire;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use poem::Addr;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::peer::TrustedProxies;

pub use body::{BodyError, read_body};
pub use certificate::{Certificate, Look, tls_config};
pub use limits::Limits;
use listener::Listener;
pub use listener::OPERATOR;
use places::Place;
pub use places::Places;
pub use refusal::BODY_TOO_LARGE;
pub use validity::Validity;

/// The settings of [`serve`].
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// The limits on one client.
    pub limits: Limits,
    /// From [`tls_config`]. Without it, clear text.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The proxies whose connections are not counted by source, because they serve many clients.
    pub proxies: TrustedProxies,
    /// The resources in use; shared by all listeners of a server.
    pub places: Arc<Places>,
}

/// Listens on `addr`, with a kernel queue long enough for a burst of connections. The usual 128 overflow, and a client
/// whose connection was dropped waits for a second before it tries again.
///
/// # Errors
/// If the address can't be bound.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    const QUEUE: u32 = 4096;
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a restart need not wait for the connections of the previous process.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(QUEUE)
}

/// Serves `endpoint` on `listener` until `shutdown`, then drains: accepted requests are answered, connections without a
/// request are closed, and after [`Limits::drain_deadline`] all connections are closed.
///
/// # Errors
/// If the listener has no local address. Failures to accept are logged and tried again.
pub async fn serve<E>(
    listener: TcpListener,
    endpoint: E,
    options: ServerOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    E: poem::Endpoint + 'static,
{
    let local = Addr::SocketAddr(listener.local_addr()?);
    serve_on(Listener::Tcp(listener), Shared::new(endpoint, options, local), shutdown).await;
    Ok(())
}

/// As [`serve`], on a Unix socket without TLS. Only peers with the user id `uid` or root are accepted; for the endpoint
/// such a peer is `Addr::Custom(`[`OPERATOR`]`, <its user id>)`.
pub async fn serve_operators<E>(
    listener: UnixListener,
    uid: u32,
    endpoint: E,
    options: ServerOptions,
    shutdown: impl Future<Output = ()>,
) where
    E: poem::Endpoint + 'static,
{
    let shared = Shared::new(endpoint, ServerOptions { tls: None, ..options }, Addr::default());
    serve_on(Listener::Operators { listener, uid }, shared, shutdown).await;
}

async fn serve_on<E>(listener: Listener, shared: Shared<E>, shutdown: impl Future<Output = ()>)
where
    E: poem::Endpoint + 'static,
{
    let shared = Arc::new(shared);
    let mut connections = JoinSet::new();
    accept(&listener, &shared, &mut connections, shutdown).await;

    // From now on, a connection without a request closes.
    shared.draining.store(true, Ordering::SeqCst);
    shared.drain.notify_waiters();
    accept_what_waits(&listener, &shared, &mut connections).await;
    drop(listener);
    tracing::info!(http.connections = connections.len(), "draining");
    let drained = async { while connections.join_next().await.map(report).is_some() {} };
    if tokio::time::timeout(shared.limits.drain_deadline, drained).await.is_err() {
        tracing::warn!(http.connections = connections.len(), "cutting off what has not ended in time");
        connections.shutdown().await;
    }
}

/// The pause after accepting has failed for lack of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);

async fn accept<E: poem::Endpoint + 'static>(
    listener: &Listener,
    shared: &Arc<Shared<E>>,
    connections: &mut JoinSet<()>,
    shutdown: impl Future<Output = ()>,
) {
    let max = shared.limits.max_connections;
    let mut shutdown = pin!(shutdown);
    let mut failing = false;
    loop {
        // From seven eighths of the most connections on, each connection closes after its answer.
        shared.crowded.store(connections.len() >= max.saturating_sub(max / 8), Ordering::Relaxed);
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept(), if connections.len() < max => match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    // Without a place it is closed without an answer, which would need what is scarce.
                    if let Some(place) = shared.place(&peer) {
                        connections.spawn(connection::serve(stream, peer, place, Arc::clone(shared)));
                    }
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    if !failing {
                        tracing::warn!(error = %error, "cannot accept connections; trying again");
                    }
                    failing = true;
                    tokio::select! {
                        () = &mut shutdown => return,
                        () = tokio::time::sleep(BACK_OFF) => {}
                    }
                }
            }
        }
    }
}

/// Accepts the connections that the kernel has accepted already, because their requests may have been sent. tokio
/// learns of them only when it polls the kernel again, so it gets time for that.
async fn accept_what_waits<E: poem::Endpoint + 'static>(
    listener: &Listener,
    shared: &Arc<Shared<E>>,
    connections: &mut JoinSet<()>,
) {
    const AT_MOST: Duration = Duration::from_millis(100);
    const QUIET: Duration = Duration::from_millis(10);
    let waiting = async {
        while connections.len() < shared.limits.max_connections {
            let Ok(Ok((stream, peer))) = tokio::time::timeout(QUIET, listener.accept()).await else { return };
            if let Some(place) = shared.place(&peer) {
                connections.spawn(connection::serve(stream, peer, place, Arc::clone(shared)));
            }
        }
    };
    // A steady stream of new connections must not prevent the end.
    if tokio::time::timeout(AT_MOST, waiting).await.is_err() {
        tracing::debug!("new connections keep coming");
    }
}

/// Whether accepting failed because of that one connection, so that the next call may succeed at once.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::Interrupted
    )
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}

/// The state that all connections share.
struct Shared<E> {
    endpoint: E,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    proxies: TrustedProxies,
    places: Arc<Places>,
    /// The listener's address, which is also a connection's, except for a wildcard.
    local: Addr,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    /// Set before `drain` is notified.
    draining: AtomicBool,
    drain: Notify,
    /// Whether most of the permitted connections are open.
    crowded: AtomicBool,
}

impl<E> Shared<E> {
    fn new(endpoint: E, options: ServerOptions, local: Addr) -> Self {
        let limits = options.limits;
        Self {
            endpoint,
            tls: options.tls.map(TlsAcceptor::from),
            proxies: options.proxies,
            places: options.places,
            local,
            http1: http1_builder(&limits),
            http2: http2_builder(&limits),
            limits,
            draining: AtomicBool::new(false),
            drain: Notify::new(),
            crowded: AtomicBool::new(false),
        }
    }

    /// A place for a connection from `peer`, if its source may have another. Operators are not counted.
    fn place(&self, peer: &Addr) -> Option<Place> {
        let address = peer.as_socket_addr().map(|socket| socket.ip().to_canonical());
        let counted = address.filter(|address| !self.proxies.contains(*address));
        Place::take(&self.places, counted, &self.limits)
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A client that has sent its request and closed its sending half still gets its answer.
        .half_close(true)
        // The wire has the timeouts.
        .header_read_timeout(None)
        // hyper's limits must be above the wire's, or hyper would answer itself. At least 8 KiB, or it panics.
        .max_buf_size(limits.max_header_bytes.saturating_add(8 * 1024));
    if limits.max_headers > 100 {
        builder.max_headers(limits.max_headers);
    }
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let header_bytes = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_max_streams)
        .max_pending_accept_reset_streams(limits.h2_max_pending_resets)
        .max_local_error_reset_streams(64)
        // Above heirloom's own limit, or h2 would answer itself. It limits the CONTINUATION frames too.
        .max_header_list_size(header_bytes.saturating_mul(2))
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Makes `stream` send data at once (no Nagle delay), because an answer is one write.
fn send_at_once(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "TCP_NODELAY");
    }
}
