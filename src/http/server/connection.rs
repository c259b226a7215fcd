//! The life of one connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::Addr;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::exchange::Exchange;
use super::link::{Link, SentBody, after};
use super::listener::Incoming;
use super::places::Place;
use super::wire::{CROWDED_IDLE, Stream, Wire};
use super::{Shared, send_at_once};

/// How long bytes from a refused client are still read and dropped, so that it can read the answer: closing a socket
/// with unread bytes resets it.
const LINGER: Duration = Duration::from_millis(750);
/// How long an HTTP/2 connection that was idle may take to close after GOAWAY.
const GOODBYE: Duration = Duration::from_secs(5);
/// How often an HTTP/2 connection checks whether there are so many connections that those without a request must close.
const LOOK_FOR_A_CROWD: Duration = Duration::from_secs(5);
/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection until it ends.
pub(super) async fn serve<E: poem::Endpoint + 'static>(
    incoming: Incoming,
    peer: Addr,
    place: Place,
    shared: Arc<Shared<E>>,
) {
    let link = Arc::new(Link::new(Instant::now()));
    if let Incoming::Tcp(tcp) = &incoming {
        send_at_once(tcp);
    }
    match open(incoming, &shared, &link).await {
        Ok(Some(opened)) => {
            let exchange = Arc::new(Exchange::new(
                Arc::clone(&shared),
                Arc::clone(&link),
                (peer.clone(), place),
                opened.is_tls(),
            ));
            let wire = Wire::new(opened.stream, opened.read, Arc::clone(&shared), Arc::clone(&link));
            if opened.http2 {
                http2(wire.multiplexed(), &shared, &link, exchange).await;
            } else {
                http1(wire, &shared, exchange).await;
            }
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(peer.address = %peer, error = %error, "no connection"),
    }
}

/// A connection whose protocol is known.
struct Opened {
    stream: Stream,
    /// The bytes read to find the protocol.
    read: BytesMut,
    http2: bool,
}

impl Opened {
    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

/// Does the TLS handshake and finds the protocol: by ALPN, or else by the first bytes. `None` if the client sends
/// nothing or the server drains.
async fn open<E>(incoming: Incoming, shared: &Arc<Shared<E>>, link: &Link) -> io::Result<Option<Opened>> {
    const DRAINED: Duration = Duration::from_millis(100);
    let deadline = after(link.start, shared.limits.header_read_timeout);
    let opening = async {
        let mut stream = match (incoming, &shared.tls) {
            (Incoming::Tcp(tcp), Some(acceptor)) => Stream::Tls(Box::new(acceptor.accept(tcp).await?)),
            (Incoming::Tcp(tcp), None) => Stream::Clear(tcp),
            (Incoming::Unix(unix), _) => Stream::Unix(unix),
        };
        let mut read = BytesMut::with_capacity(4096);
        if let Stream::Tls(tls) = &stream
            && tls.get_ref().1.alpn_protocol() == Some(b"h2")
        {
            return Ok(Some(Opened { stream, read, http2: true }));
        }
        loop {
            let known = read.len().min(PREFACE.len());
            if read.get(..known) != PREFACE.get(..known) {
                return Ok(Some(Opened { stream, read, http2: false }));
            }
            if known == PREFACE.len() {
                return Ok(Some(Opened { stream, read, http2: true }));
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(None);
            }
        }
    };
    let mut opening = pin!(timeout_at(deadline, opening));
    if let Some(opened) = until_drain(shared, opening.as_mut()).await {
        return opened.unwrap_or(Ok(None));
    }
    // A request sent before draining began may still be in the kernel.
    timeout(DRAINED, opening).await.ok().and_then(Result::ok).unwrap_or(Ok(None))
}

async fn http1<E: poem::Endpoint + 'static>(
    wire: Wire<E>,
    shared: &Arc<Shared<E>>,
    exchange: Arc<Exchange<E>>,
) {
    let service = service_fn(move |request| {
        let exchange = Arc::clone(&exchange);
        async move { Ok::<_, Infallible>(exchange.http1(request).await) }
    });
    let mut connection = shared.http1.serve_connection(TokioIo::new(wire), service);
    let ended = match until_drain(shared, Pin::new(&mut connection)).await {
        Some(ended) => ended,
        // The wire does the rest, now that it is polled again.
        None => (&mut connection).await,
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "an HTTP/1 connection broke off");
        return;
    }
    let wire = connection.into_parts().io.into_inner();
    if let Some(tcp) = wire.unfinished() {
        linger(tcp).await;
    }
}

async fn http2<E: poem::Endpoint + 'static>(
    wire: Wire<E>,
    shared: &Arc<Shared<E>>,
    link: &Arc<Link>,
    exchange: Arc<Exchange<E>>,
) {
    let service = service_fn(|request| {
        let (exchange, link) = (Arc::clone(&exchange), Arc::clone(link));
        async move { Ok::<_, Infallible>(exchange.http2(request).await.map(|body| SentBody::new(body, link))) }
    });
    let mut connection = pin!(shared.http2.serve_connection(TokioIo::new(wire), service));
    let ended = tokio::select! {
        biased;
        ended = until_drain(shared, connection.as_mut()) => if let Some(ended) = ended {
            ended
        } else {
            connection.as_mut().graceful_shutdown();
            connection.await
        },
        () = idle(shared, link) => {
            connection.as_mut().graceful_shutdown();
            timeout(GOODBYE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "an HTTP/2 connection broke off");
    }
}

/// Ends when there has been no request, and no byte of an answer was sent, for too long. A client that sends parts of a
/// request for ever has no request, and one that reads no answer is sent none.
async fn idle<E>(shared: &Shared<E>, link: &Link) {
    let limits = &shared.limits;
    let mut check = after(link.start, limits.header_read_timeout);
    loop {
        tokio::time::sleep_until(check).await;
        let now = Instant::now();
        let crowded = shared.crowded.load(Ordering::Relaxed);
        let longest = if crowded { limits.idle_timeout.min(CROWDED_IDLE) } else { limits.idle_timeout };
        let end = match link.idle_since() {
            None => after(now, longest),
            Some(_) if !link.has_served() => return,
            Some(since) => after(since, longest),
        };
        if end <= now {
            return;
        }
        // It may become crowded meanwhile.
        check = end.min(after(now, LOOK_FOR_A_CROWD));
    }
}

/// Runs `future` to its end, or until draining begins; then `None`.
async fn until_drain<E, F: Future>(shared: &Shared<E>, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut drain = pin!(shared.drain.notified());
    let mut registered = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        // Polling takes a lock that all connections share. A connection's task always has the same waker, so one poll
        // is enough; after that the flag tells.
        if !registered {
            registered = true;
            if drain.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        if shared.is_draining() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// Reads and drops incoming bytes for a while. The sending half is closed.
async fn linger(mut tcp: TcpStream) {
    let mut sink = vec![0; 16 * 1024];
    let drained = async { while !matches!(tcp.read(&mut sink).await, Ok(0) | Err(_)) {} };
    if timeout(LINGER, drained).await.is_err() {
        tracing::debug!("a client keeps sending after its answer");
    }
}
