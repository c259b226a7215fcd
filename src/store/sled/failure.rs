//! The failure of a store: once an error has left its state unknown, nothing is answered any more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::super::{OnFatal, StoreError};
use super::fault::Fault;

/// Whether, and why, the store has failed.
pub(super) struct Failure {
    folder: PathBuf,
    why: watch::Sender<Option<Arc<str>>>,
    /// Whether there was no room on the disk.
    no_room: AtomicBool,
    on_fatal: OnFatal,
    /// Whether `on_fatal` has been called and has returned.
    reported: AtomicBool,
}

impl Failure {
    pub(super) fn new(folder: &Path, on_fatal: OnFatal) -> Self {
        Self {
            folder: folder.to_owned(),
            why: watch::Sender::new(None),
            no_room: AtomicBool::new(false),
            on_fatal,
            reported: AtomicBool::new(false),
        }
    }

    /// Fails the store, once: all waiting calls get an error, and `on_fatal` is called.
    pub(super) fn fail(&self, why: &str) {
        let text: Arc<str> = format!("the store in {} failed: {why}", self.folder.display()).into();
        let first = self.why.send_if_modified(|now| {
            let first = now.is_none();
            now.get_or_insert_with(|| Arc::clone(&text));
            first
        });
        if first {
            (self.on_fatal)(&text);
            self.reported.store(true, Ordering::Release);
        }
    }

    /// As [`fail`](Self::fail).
    pub(super) fn fail_by(&self, fault: &Fault) {
        if let Fault::NoRoom(_) = fault
            && self.why().is_none()
        {
            self.no_room.store(true, Ordering::Release);
        }
        self.fail(&fault.text());
    }

    /// An error if the store has failed.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.why.borrow() {
            Some(why) => Err(self.error(why)),
            None => Ok(()),
        }
    }

    fn error(&self, why: &str) -> StoreError {
        let no_room = self.no_room.load(Ordering::Acquire);
        if no_room { StoreError::NoRoom(why.to_owned()) } else { StoreError::Unavailable(why.to_owned()) }
    }

    /// Whether it has failed and `on_fatal` has returned.
    pub(super) fn is_reported(&self) -> bool {
        self.reported.load(Ordering::Acquire)
    }

    /// Why it failed, if it did.
    pub(super) fn why(&self) -> Option<Arc<str>> {
        self.why.borrow().clone()
    }

    /// Waits until the store fails.
    pub(super) async fn failed(&self) -> StoreError {
        let mut why = self.why.subscribe();
        match why.wait_for(Option::is_some).await {
            Ok(why) => self.error(why.as_deref().unwrap_or_default()),
            Err(_) => StoreError::Unavailable("the store is closed".to_owned()),
        }
    }
}
