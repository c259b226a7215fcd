//! The end of a run: once something failed that leaves the store's state unknown, nothing is answered any more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::super::StoreError;

/// What to do when the store has failed: log the text and end the process within a second. It is called once, from
/// any thread, and must not panic.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Whether, and why, the store has failed.
pub(super) struct Failure {
    folder: PathBuf,
    why: watch::Sender<Option<Arc<str>>>,
    on_fatal: OnFatal,
}

impl Failure {
    pub(super) fn new(folder: &Path, on_fatal: OnFatal) -> Self {
        Self { folder: folder.to_owned(), why: watch::Sender::new(None), on_fatal }
    }

    /// Fails the store, the first time: everybody who waits gets an answer, and the operator is told.
    pub(super) fn fail(&self, why: &str) {
        let text: Arc<str> = format!("the store in {} failed: {why}", self.folder.display()).into();
        let first = self.why.send_if_modified(|now| {
            let first = now.is_none();
            now.get_or_insert_with(|| Arc::clone(&text));
            first
        });
        if first {
            (self.on_fatal)(&text);
        }
    }

    /// An error once the store has failed.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.why.borrow() {
            Some(why) => Err(StoreError::Unavailable(why.to_string())),
            None => Ok(()),
        }
    }

    /// Why it failed, if it did.
    pub(super) fn why(&self) -> Option<Arc<str>> {
        self.why.borrow().clone()
    }

    /// Waits until the store fails.
    pub(super) async fn failed(&self) -> StoreError {
        let mut why = self.why.subscribe();
        match why.wait_for(Option::is_some).await {
            Ok(why) => StoreError::Unavailable(why.as_deref().unwrap_or_default().to_owned()),
            Err(_) => StoreError::Unavailable("the store is closed".to_owned()),
        }
    }
}
