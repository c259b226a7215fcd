//! Reads a request's body within limits that the listener attaches to it, so that endpoints need no configuration.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::places::Place;

/// Why a request's body could not be read.
///
/// For the first three, the endpoint's answer does not matter: the listener replaces it by its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than [`super::Limits::max_body_bytes`].
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive within [`super::Limits::body_read_timeout`].
    #[error("the body did not arrive in time")]
    TimedOut,
    /// All bodies together use the permitted memory: [`super::Limits::body_memory`].
    #[error("there is no room for the body now")]
    NoRoom,
    /// The connection or its framing broke off.
    #[error("the body broke off")]
    Broken,
}

impl BodyError {
    /// The body error inside an I/O error.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).copied().unwrap_or(Self::Broken)
    }
}

/// Reads a whole body, within the limits that the listener attached to it.
///
/// # Errors
/// [`BodyError`], for a body that is too large, too slow or broken.
pub async fn read_body(body: poem::Body) -> Result<Bytes, BodyError> {
    let mut body: BoxBody<Bytes, io::Error> = body.into();
    let mut first = Bytes::new();
    let mut more = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::of(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() {
            first = data;
        } else {
            if more.is_empty() {
                append(&mut more, &first);
            }
            append(&mut more, &data);
        }
    }
    Ok(if more.is_empty() { first } else { Bytes::from(more) })
}

/// Appends received data. It allocates for the data received, which have been counted, and little more: neither the
/// announced length nor twice as much.
fn append(whole: &mut Vec<u8>, data: &[u8]) {
    if whole.capacity().saturating_sub(whole.len()) < data.len() {
        let spare = (whole.len() / 8).max(1024);
        whole.reserve_exact(data.len().saturating_add(spare));
    }
    whole.extend_from_slice(data);
}

/// The memory of a body. It is freed after the endpoint has answered, which may hold the body until then.
#[derive(Debug)]
pub(super) struct BodyMemory {
    place: Arc<Place>,
    /// Set while this body is the one of its connection that is not counted.
    uncounted: Option<Arc<AtomicBool>>,
    came: AtomicU64,
}

/// Up to so many bytes of one body a connection at a time are not counted: the usual request is smaller.
const UNCOUNTED: u64 = 4096;

impl BodyMemory {
    /// For a body of at least `length` bytes. `uncounted` says whether the connection already has a body that is not
    /// counted.
    pub(super) fn new(place: &Arc<Place>, uncounted: &Arc<AtomicBool>, length: u64) -> Self {
        let is_first = length <= UNCOUNTED && !uncounted.swap(true, Ordering::Relaxed);
        let uncounted = is_first.then(|| Arc::clone(uncounted));
        Self { place: Arc::clone(place), uncounted, came: AtomicU64::new(0) }
    }

    /// Reserves `bytes` more; false if there is no room.
    fn grow(&self, bytes: u64) -> bool {
        let before = self.came.load(Ordering::Relaxed);
        let now = before.saturating_add(bytes);
        let counted = self.counted(now).saturating_sub(self.counted(before));
        let fits = counted == 0 || self.place.reserve(counted);
        if fits {
            self.came.store(now, Ordering::Relaxed);
        }
        fits
    }

    fn counted(&self, bytes: u64) -> u64 {
        if self.uncounted.is_some() { bytes.saturating_sub(UNCOUNTED) } else { bytes }
    }
}

impl Drop for BodyMemory {
    fn drop(&mut self) {
        let counted = self.counted(self.came.load(Ordering::Relaxed));
        if counted > 0 {
            self.place.free(counted);
        }
        if let Some(uncounted) = &self.uncounted {
            uncounted.store(false, Ordering::Relaxed);
        }
    }
}

/// The state of a request's body, which the listener checks after the endpoint has answered.
#[derive(Debug)]
pub(super) struct BodyState(AtomicU8, BodyMemory);

// 0 is neither.
const READ: u8 = 1;
const TOO_LARGE: u8 = 2;
const TIMED_OUT: u8 = 3;
const BROKEN: u8 = 4;
const NO_ROOM: u8 = 5;

impl BodyState {
    /// Whether it was read to its end.
    pub(super) fn is_read(&self) -> bool {
        self.0.load(Ordering::Relaxed) == READ
    }

    /// Why reading it failed, if it did.
    pub(super) fn error(&self) -> Option<BodyError> {
        match self.0.load(Ordering::Relaxed) {
            TOO_LARGE => Some(BodyError::TooLarge),
            TIMED_OUT => Some(BodyError::TimedOut),
            BROKEN => Some(BodyError::Broken),
            NO_ROOM => Some(BodyError::NoRoom),
            _ => None,
        }
    }

    fn fail(&self, error: BodyError) {
        let state = match error {
            BodyError::TooLarge => TOO_LARGE,
            BodyError::TimedOut => TIMED_OUT,
            BodyError::Broken => BROKEN,
            BodyError::NoRoom => NO_ROOM,
        };
        self.0.store(state, Ordering::Relaxed);
    }
}

/// More frames than a body within the limits needs: a frame of one byte costs far more than its byte.
const MOST_FRAMES: u32 = 4096;

/// hyper's body with limits on its size, time and number of frames.
#[derive(Debug)]
pub(super) struct LimitedBody {
    inner: Incoming,
    pub(super) state: Arc<BodyState>,
    /// Bytes that are still permitted.
    left: u64,
    deadline: Instant,
    frames: u32,
    /// Created only if the body has not arrived yet, which is rare.
    timer: Option<Pin<Box<Sleep>>>,
}

impl LimitedBody {
    pub(super) fn new(inner: Incoming, left: u64, deadline: Instant, memory: BodyMemory) -> Self {
        let state = Arc::new(BodyState(AtomicU8::new(0), memory));
        Self { inner, state, left, deadline, frames: 0, timer: None }
    }

    fn fail<T>(&self, error: BodyError) -> Poll<Option<io::Result<T>>> {
        self.state.fail(error);
        Poll::Ready(Some(Err(io::Error::other(error))))
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(error) = self.state.error() {
            return self.fail(error);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                self.frames = self.frames.saturating_add(1);
                match self.left.checked_sub(length) {
                    Some(left) if self.frames <= MOST_FRAMES => self.left = left,
                    Some(_) | None => return self.fail(BodyError::TooLarge),
                }
                if !self.state.1.grow(length) {
                    return self.fail(BodyError::NoRoom);
                }
                if self.inner.is_end_stream() {
                    self.state.0.store(READ, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => self.fail(BodyError::Broken),
            Poll::Ready(None) => {
                self.state.0.store(READ, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let deadline = self.deadline;
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if timer.as_mut().poll(cx).is_ready() {
                    return self.fail(BodyError::TimedOut);
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_takes_hardly_more_room_than_its_bytes() {
        for frame in [1, 100, 1500, 16_384] {
            let mut whole = Vec::new();
            while whole.len() < 65_536 {
                append(&mut whole, &vec![7; frame]);
                let most = whole.len() + whole.len() / 8 + 1024;
                assert!(whole.capacity() <= most, "{} for {}", whole.capacity(), whole.len());
            }
        }
    }
}
