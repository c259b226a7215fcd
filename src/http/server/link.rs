//! The state that the parts of a connection share.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// The state that the parts of a connection share.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) start: Instant,
    /// When the current request's first byte arrived, in milliseconds after `start`. HTTP/1 only.
    pub(super) head_at: AtomicU64,
    /// Requests that the endpoint is answering.
    in_flight: AtomicUsize,
    /// When the last request ended or a part of an answer was last sent, in milliseconds after `start`; 0 before the
    /// first.
    last: AtomicU64,
}

impl Link {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, head_at: AtomicU64::new(0), in_flight: AtomicUsize::new(0), last: AtomicU64::new(0) }
    }

    /// When the current request's first byte came.
    pub(super) fn head_at(&self) -> Instant {
        after(self.start, Duration::from_millis(self.head_at.load(Ordering::Relaxed)))
    }

    /// Counts a request until the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// A part of an answer was sent.
    pub(super) fn sent(&self) {
        self.last.store(self.elapsed_ms(Instant::now()).max(1), Ordering::Relaxed);
    }

    /// Since when there has been no request and nothing was sent; `None` while there is a request. Before the first
    /// request, the start.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        (self.in_flight.load(Ordering::Relaxed) == 0).then(|| after(self.start, last))
    }

    /// Whether a request has ended.
    pub(super) fn has_served(&self) -> bool {
        self.last.load(Ordering::Relaxed) > 0
    }

    pub(super) fn elapsed_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A request that the endpoint is answering.
pub(super) struct InFlight(Arc<Link>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.sent();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body that keeps its connection from counting as idle while it is sent. Only for HTTP/2, where several
/// are sent on one connection and the wire does not know their ends.
pub(super) struct SentBody {
    inner: BoxBody<Bytes, io::Error>,
    link: Arc<Link>,
}

impl SentBody {
    pub(super) fn new(inner: BoxBody<Bytes, io::Error>, link: Arc<Link>) -> Self {
        Self { inner, link }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        self.link.sent();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The sum, or a time in the far future if it overflows.
pub(super) fn after(instant: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365);
    instant.checked_add(duration).or_else(|| instant.checked_add(FAR)).unwrap_or(instant)
}
