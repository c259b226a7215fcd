//! Sends the log's events live to connected clients (server-sent events, WHATWG HTML §9.2).
//!
//! A follower's task reads the log in pages and writes into a pipe of bounded size, which feeds the connection. So a
//! slow reader makes only its own task wait, and needs no more memory.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use poem::Body;
use poem_openapi::types::ToJSON as _;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::administrator::Admin;
use super::event_body::Event;
use crate::app::admin::events::EventFilter;

/// The most concurrent followers.
const MOST: usize = 32;
/// The size of one connection's pipe, in bytes.
const PIPE: usize = 64 * 1024;
/// How many events are read at a time.
const PAGE: usize = 50;
/// How long a follower that has seen all events waits.
const REST: Duration = Duration::from_millis(500);
/// How long after the last event a connection gets a comment line, by which a closed connection is noticed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The state that all followers share.
#[derive(Clone)]
pub(in crate::http) struct Live {
    places: Arc<Semaphore>,
    /// Becomes true when the server shuts down; `None` if nothing says so.
    stopping: Option<watch::Receiver<bool>>,
}

/// What one follower gets.
pub(super) struct Follow {
    /// The administrator, who is checked again before each page.
    pub(super) admin: Admin,
    /// Which events.
    pub(super) filter: EventFilter,
    /// The position after which it begins.
    pub(super) after: u64,
}

impl Live {
    /// State without followers. All end when `stopping` becomes true.
    pub(in crate::http) fn new(stopping: Option<watch::Receiver<bool>>) -> Self {
        Self { places: Arc::new(Semaphore::new(MOST)), stopping }
    }

    /// Follows in a task of its own; the events come out of the body. `None` if too many follow already.
    pub(super) fn follow(self, follow: Follow) -> Option<Body> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (writer, reader) = tokio::io::duplex(PIPE);
        let stopping = self.stopping;
        tokio::spawn(async move {
            tokio::select! {
                () = stopped(stopping) => {}
                () = feed(follow, writer, place) => {}
            }
        });
        Some(Body::from_async_read(reader))
    }
}

async fn stopped(stopping: Option<watch::Receiver<bool>>) {
    let told = match stopping {
        Some(mut stopping) => stopping.wait_for(|stop| *stop).await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

/// Runs until the client has gone, may no longer read, or the store fails; the client can then reconnect with the last
/// id.
async fn feed(mut follow: Follow, mut writer: DuplexStream, _place: OwnedSemaphorePermit) {
    let mut silent = Duration::ZERO;
    // Begins the answer at once, so that proxies pass on its head, and says how long to wait before reconnecting.
    let mut text = ": here are the events\nretry: 2000\n\n".to_owned();
    while writer.write_all(text.as_bytes()).await.is_ok() && follow.admin.may_still().await.is_ok() {
        text.clear();
        let Ok(page) = follow.admin.service.events.read_events(&follow.filter, follow.after, PAGE).await
        else {
            return;
        };
        for event in &page.events {
            let body = Event::from(event);
            let (id, name, data) = (body.position, &body.name, body.to_json_string());
            // Writing to a text can't fail.
            let _ = write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n");
        }
        if !text.is_empty() {
            silent = Duration::ZERO;
        } else if silent >= SIGN_OF_LIFE {
            silent = Duration::ZERO;
            text.push_str(": alive\n\n");
        }
        if let Some(next) = page.next {
            follow.after = next;
        } else {
            tokio::time::sleep(REST).await;
            silent = silent.saturating_add(REST);
        }
    }
}
