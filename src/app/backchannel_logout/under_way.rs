//! The deliveries that are being tried.

use std::collections::HashMap;
use std::future::Future;

use tokio::task::{Id, JoinSet};

use super::delivery;
use crate::app::error::TokenError;
use crate::oauth::ClientId;
use crate::store::RecordKey;

/// What is being tried.
#[derive(Default)]
pub(super) struct UnderWay {
    pub(super) tasks: JoinSet<Result<(), TokenError>>,
    /// The delivery of each task.
    places: HashMap<Id, (RecordKey, ClientId)>,
    /// The client that had its turn last.
    last: Option<ClientId>,
}

impl UnderWay {
    /// Begins to try a delivery.
    pub(super) fn begin(
        &mut self,
        key: RecordKey,
        client: ClientId,
        deliver: impl Future<Output = Result<(), TokenError>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(deliver);
        self.last = Some(client.clone());
        self.places.insert(task.id(), (key, client));
    }

    /// Waits for one of them. Call it only if there is one.
    pub(super) async fn next(&mut self) -> Result<(), TokenError> {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, settled))) => {
                self.places.remove(&id);
                settled
            }
            Some(Err(error)) => {
                self.places.remove(&error.id());
                Err(TokenError::Internal(format!("a logout delivery: {error}")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn has(&self, key: &RecordKey) -> bool {
        self.places.values().any(|(place, _)| place == key)
    }

    /// How many of a client are being tried.
    pub(super) fn of(&self, client: &ClientId) -> usize {
        self.places.values().filter(|(_, other)| other == client).count()
    }

    /// The clients, which are in the order of their keys, beginning behind the one that had its turn last.
    pub(super) fn in_turn(&self, mut clients: Vec<ClientId>) -> Vec<ClientId> {
        let last = self.last.as_ref().map(delivery::last_of);
        let first =
            last.map_or(0, |last| clients.partition_point(|client| delivery::last_of(client) <= last));
        clients.rotate_left(first);
        clients
    }
}
