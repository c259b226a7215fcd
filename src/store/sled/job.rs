//! A change on its way to the writer.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::super::{Appended, StoreError};
use super::group::{Cost, GroupEntry};

/// A change, and the channel for its answer.
pub(super) struct Job {
    pub(super) change: GroupEntry,
    pub(super) cost: Cost,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
    /// Its place in the queue.
    pub(super) place: OwnedSemaphorePermit,
}
