//! The socket as hyper reads and writes it, with the limits that hyper does not have.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::head::{self, Framing, Head, Progress};
use super::link::{Link, after};
use super::refusal::RequestRefusal;

/// How long a connection without a request waits for one after draining has begun: a request sent before may not have
/// arrived yet.
const DRAIN_GRACE: Duration = Duration::from_millis(100);
/// How long a connection waits for its next request when there are too many connections.
pub(super) const CROWDED_IDLE: Duration = Duration::from_secs(1);

/// A socket, in clear text or not.
pub(super) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// The operators' socket.
    Unix(UnixStream),
}

impl Stream {
    /// The TCP socket, if it is one.
    pub(super) fn tcp(self) -> Option<TcpStream> {
        match self {
            Self::Clear(tcp) => Some(tcp),
            Self::Tls(tls) => Some(tls.into_inner().0),
            Self::Unix(_) => None,
        }
    }
}

/// What is being read.
enum Phase {
    /// The head of an HTTP/1 request: hyper gets it complete and checked, or gets another in its place.
    Head,
    /// An HTTP/1 request of which this many bytes are still to be passed on.
    Request(u64),
    /// A chunked body, whose end only its reader knows; the connection closes after it.
    Rest,
    /// HTTP/2, until the connection ends.
    Multiplexed,
    /// The head that replaces a refused one, and nothing after it.
    Refused,
}

/// The socket as hyper sees it.
pub(super) struct Wire<E> {
    stream: Stream,
    shared: Arc<Shared<E>>,
    link: Arc<Link>,
    /// Bytes read and not yet passed on.
    buf: BytesMut,
    phase: Phase,
    progress: Progress,
    /// Whether a byte of the current head has arrived.
    head_begun: bool,
    /// Whether the grace period of draining has been applied.
    drain_seen: bool,
    /// Whether the client has closed its sending half, or the socket failed.
    ended: bool,
    /// When waiting for the head ends.
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<E> Wire<E> {
    /// A connection of which `buf` has been read already.
    pub(super) fn new(stream: Stream, buf: BytesMut, shared: Arc<Shared<E>>, link: Arc<Link>) -> Self {
        let deadline = after(link.start, shared.limits.header_read_timeout);
        Self {
            stream,
            shared,
            link,
            phase: Phase::Head,
            progress: Progress::default(),
            head_begun: !buf.is_empty(),
            buf,
            drain_seen: false,
            ended: false,
            deadline,
            timer: None,
            write_timer: None,
        }
    }

    /// Passes everything on unchanged: for HTTP/2.
    pub(super) fn multiplexed(mut self) -> Self {
        self.phase = Phase::Multiplexed;
        self
    }

    /// Records that a part of an answer was sent. A large answer is handed over as one frame, and sent bit by bit as
    /// its client reads it. Shorter writes are HTTP/2's own, such as the answer to a ping.
    fn note_sent(&self, written: &Poll<io::Result<usize>>) {
        const OF_AN_ANSWER: usize = 256;
        if matches!((&self.phase, written), (Phase::Multiplexed, Poll::Ready(Ok(OF_AN_ANSWER..)))) {
            self.link.sent();
        }
    }

    /// The socket, if its client may still be sending. Closing it at once would reset it, and the client would lose
    /// what was sent to it.
    pub(super) fn unfinished(self) -> Option<TcpStream> {
        let at_rest = matches!(self.phase, Phase::Head | Phase::Request(0)) && self.buf.is_empty();
        if self.ended || at_rest { None } else { self.stream.tcp() }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        const AT_ONCE: usize = 4096;
        self.buf.reserve(AT_ONCE);
        // A new future each time is fine, because reading keeps no state in it.
        let read = ready!(pin!(self.stream.read_buf(&mut self.buf)).poll(cx));
        if !matches!(read, Ok(1..)) {
            self.ended = true;
        }
        Poll::Ready(read)
    }

    /// Waits for a complete head; false if there is none to come.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            // RFC 9112 §2.2: an empty line before the request line is ignored.
            while self.buf.starts_with(b"\r\n") {
                self.buf.advance(2);
            }
            if !self.buf.is_empty() && *self.buf != *b"\r" {
                self.begin_head();
                match self.progress.scan(&self.buf, &self.shared.limits) {
                    Ok(Some(head)) => {
                        self.pass(&head);
                        return Poll::Ready(Ok(true));
                    }
                    Ok(None) => {}
                    Err(refusal) => {
                        self.refuse(refusal);
                        return Poll::Ready(Ok(true));
                    }
                }
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(false)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(self.poll_deadline(cx));
                    if self.head_begun {
                        self.refuse(RequestRefusal::HeadTimedOut);
                    }
                    return Poll::Ready(Ok(self.head_begun));
                }
            }
        }
    }

    fn begin_head(&mut self) {
        if !self.head_begun {
            let now = Instant::now();
            self.head_begun = true;
            self.link.head_at.store(self.link.elapsed_ms(now), Ordering::Relaxed);
            if self.link.has_served() {
                self.deadline = after(now, self.shared.limits.header_read_timeout);
            }
        }
    }

    fn pass(&mut self, head: &Head) {
        self.progress = Progress::default();
        self.phase = match head.framing {
            Framing::Length(length) => {
                Phase::Request(length.saturating_add(u64::try_from(head.bytes).unwrap_or(u64::MAX)))
            }
            Framing::Chunked => Phase::Rest,
        };
    }

    fn refuse(&mut self, refusal: RequestRefusal) {
        self.buf.clear();
        self.buf.extend_from_slice(head::refused(refusal).as_bytes());
        self.phase = Phase::Refused;
    }

    /// Starts waiting for the next request.
    fn rest(&mut self) {
        let limits = &self.shared.limits;
        let crowded = self.shared.crowded.load(Ordering::Relaxed);
        let idle = if crowded { limits.idle_timeout.min(CROWDED_IDLE) } else { limits.idle_timeout };
        self.phase = Phase::Head;
        self.head_begun = false;
        self.deadline = after(Instant::now(), idle);
    }

    /// Ready when the time for the head is over. The timer is set again only when it fires too early or would fire too
    /// late, so a busy connection does not touch it.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.head_begun && !self.drain_seen && self.shared.is_draining() {
            self.drain_seen = true;
            self.deadline = self.deadline.min(after(Instant::now(), DRAIN_GRACE));
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    /// Passes at most `most` bytes on to `out`, and returns how many.
    fn poll_pass(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
        most: u64,
    ) -> Poll<io::Result<usize>> {
        if self.buf.is_empty() {
            ready!(self.poll_fill(cx))?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let count = most.min(self.buf.len()).min(out.remaining());
        out.put_slice(self.buf.get(..count).unwrap_or_default());
        self.buf.advance(count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_deadline<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let limit = self.shared.limits.write_timeout;
        let timer =
            self.write_timer.get_or_insert_with(|| Box::pin(sleep_until(after(Instant::now(), limit))));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<E> AsyncRead for Wire<E> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.phase {
                Phase::Head => {
                    if !ready!(self.poll_head(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Phase::Request(0) => self.rest(),
                Phase::Request(left) => {
                    let count = ready!(self.poll_pass(cx, out, left))?;
                    let passed = u64::try_from(count).unwrap_or(u64::MAX);
                    self.phase = Phase::Request(left.saturating_sub(passed));
                    return Poll::Ready(Ok(()));
                }
                Phase::Rest | Phase::Multiplexed => {
                    ready!(self.poll_pass(cx, out, u64::MAX))?;
                    return Poll::Ready(Ok(()));
                }
                Phase::Refused => {
                    if !self.buf.is_empty() {
                        ready!(self.poll_pass(cx, out, u64::MAX))?;
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<E> AsyncWrite for Wire<E> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.note_sent(&written);
        self.timed(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.note_sent(&written);
        self.timed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Clear(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.timed(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        self.timed(cx, closed)
    }
}

impl<E> Wire<E> {
    /// Fails a write that has made no progress for too long.
    fn timed<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            return self.poll_write_deadline(cx);
        }
        self.write_timer = None;
        written
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }
}
