//! Gathers lookups: loads of streams and reads of records. While some are under way, the next ones gather, and go as one
//! statement of each kind.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio_postgres::Row;

use super::super::{RecordKey, Snapshot, StoreError, StreamId};
use super::link::Links;
use super::reads;
use super::session::Session;
use super::statements::Query;

/// How many batches may be under way at a time. More of them would be smaller, and take more of the processor's time.
pub(super) const UNDER_WAY: usize = 2;
/// The most streams, and the most records, in a batch.
const MOST: usize = 128;

/// The lookups of all requests. One that is made is sent after that, so its answer is never older than its question.
#[derive(Default)]
pub(super) struct Lookups {
    waiting: Mutex<Batch>,
    asked: Notify,
}

/// Lookups that go together.
#[derive(Default)]
struct Batch {
    streams: Questions<StreamId, Snapshot>,
    records: Questions<RecordKey, Vec<u8>>,
}

/// Who asks for what.
type Questions<K, V> = Vec<(K, Answer<V>)>;
/// Where an answer goes; `None` if there is no such stream or record.
type Answer<V> = oneshot::Sender<Result<Option<V>, StoreError>>;

impl Lookups {
    /// The latest snapshot of a stream.
    pub(super) async fn load(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError> {
        self.ask(|batch| &mut batch.streams, stream).await
    }

    /// The value of a record.
    pub(super) async fn record(&self, key: RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask(|batch| &mut batch.records, key).await
    }

    async fn ask<K, V>(
        &self,
        questions: impl FnOnce(&mut Batch) -> &mut Questions<K, V>,
        key: K,
    ) -> Result<Option<V>, StoreError> {
        let (answer, answered) = oneshot::channel();
        questions(&mut self.waiting()).push((key, answer));
        self.asked.notify_one();
        answered.await.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?
    }

    /// Sends one batch after another, for ever. Each of those who do has a number, from 0, and a connection.
    pub(super) async fn run(self: Arc<Self>, links: Arc<Links>, number: usize) {
        loop {
            self.asked.notified().await;
            // All requests that are ready to ask do so first. If there are none, this takes no time.
            tokio::task::yield_now().await;
            while let Some(batch) = self.next() {
                match links.session_of(number) {
                    Ok(session) => batch.send(&session).await,
                    Err(error) => batch.fail(&error),
                }
            }
        }
    }

    /// The next batch; `None` if nobody waits.
    fn next(&self) -> Option<Batch> {
        let mut waiting = self.waiting();
        let batch = Batch { streams: first(&mut waiting.streams), records: first(&mut waiting.records) };
        let is_empty = batch.streams.is_empty() && batch.records.is_empty();
        (!is_empty).then_some(batch)
    }

    fn waiting(&self) -> MutexGuard<'_, Batch> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first questions that fit in a batch.
fn first<K, V>(questions: &mut Questions<K, V>) -> Questions<K, V> {
    let later = questions.split_off(questions.len().min(MOST));
    std::mem::replace(questions, later)
}

impl Batch {
    /// Sends the statements together, and answers all.
    async fn send(self, session: &Session) {
        let streams = answer(session, Query::Load, self.streams, reads::loaded);
        let records = answer(session, Query::Record, self.records, reads::record);
        tokio::join!(streams, records);
    }

    fn fail(self, error: &StoreError) {
        for (_, answer) in self.streams {
            drop(answer.send(Err(error.clone())));
        }
        for (_, answer) in self.records {
            drop(answer.send(Err(error.clone())));
        }
    }
}

/// Sends the statement that finds all that `questions` ask for, and answers them. Who has gone is not asked for.
async fn answer<K, V>(
    session: &Session,
    query: Query,
    questions: Questions<K, V>,
    read: impl Fn(&Row) -> Result<(K, Result<V, StoreError>), StoreError>,
) where
    K: AsRef<[u8]> + Eq + Hash,
    V: Clone,
{
    let mut by_key: HashMap<K, Vec<Answer<V>>> = HashMap::new();
    for (key, answer) in questions.into_iter().filter(|(_, answer)| !answer.is_closed()) {
        by_key.entry(key).or_default().push(answer);
    }
    if by_key.is_empty() {
        return;
    }
    let keys: Vec<&[u8]> = by_key.keys().map(AsRef::as_ref).collect();
    let found = session.ask(query, &[&keys]).await;
    let found: Result<HashMap<K, Result<V, StoreError>>, StoreError> =
        found.and_then(|rows| rows.iter().map(read).collect());
    for (key, answers) in by_key {
        let value = match &found {
            Ok(found) => found.get(&key).cloned().transpose(),
            Err(error) => Err(error.clone()),
        };
        // The caller may have gone.
        for answer in answers {
            drop(answer.send(value.clone()));
        }
    }
}
