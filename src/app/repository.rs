//! Loads and appends all aggregates. It appends events together with the changes of indexes and vault records, and
//! decides again if another request was faster.
//!
//! Every change works the same way (`Repository::execute`): load the state, decide, append the events for the version
//! that was loaded. If the stream has moved on meanwhile, all of that is repeated, a bounded number of times.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Notify;

use super::aggregate::Aggregate;
use super::backchannel_logout::outbox;
use super::companions::KnownCompanions;
use super::error::TokenError;
use super::nodes::node_clock::NodeClock;
use crate::client::Client;
use crate::clock::Timestamp;
use crate::consent::{Consent, ConsentId};
use crate::login::{Login, LogoutReason};
use crate::oauth::{ClientId, LoginId, SessionId, UserId};
use crate::session::Session;
use crate::store::{
    Append, Expected, RecordChange, RecordKey, Remove, Store, StoreError, StreamId, Summarize,
};
use crate::user::User;

/// The most attempts of one change. Of any number of refreshes with one token, the first append wins, and all others
/// find its answer at their second attempt. Only concurrent requests for access tokens with other scopes take more.
const ATTEMPTS: usize = 16;

/// Loads and appends.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn Store>,
    /// Notified when an entry was added to the outbox of back-channel logout.
    outbox: Arc<Notify>,
    /// Where several nodes share the store.
    companions: Option<Arc<KnownCompanions>>,
    /// Nothing is decided by a clock that differs from the other nodes' clocks.
    node_clock: Arc<NodeClock>,
}

/// An aggregate's state, with the version of its stream.
pub struct Loaded<A> {
    /// The state; `None` if there is no such stream.
    pub state: Option<A>,
    /// The version, for the next append.
    pub expected: Expected,
    /// Whether it was loaded again, after an append that came too late.
    pub is_retry: bool,
}

impl<A> Loaded<A> {
    /// A new aggregate: its stream does not exist yet.
    pub(super) const fn new() -> Self {
        Self { state: None, expected: Expected::NoStream, is_retry: false }
    }
}

/// What was decided on a loaded state.
pub(super) struct Change<A: Aggregate, T> {
    loaded: Loaded<A>,
    events: Vec<A::Event>,
    records: Vec<RecordChange>,
    answer: T,
}

impl<A: Aggregate, T> Change<A, T> {
    /// These events follow; if there are none, nothing is written.
    pub(super) const fn of(loaded: Loaded<A>, events: Vec<A::Event>, answer: T) -> Self {
        Self { loaded, events, records: Vec::new(), answer }
    }

    /// Nothing is to be written.
    pub(super) const fn none(loaded: Loaded<A>, answer: T) -> Self {
        Self::of(loaded, Vec::new(), answer)
    }

    /// Adds vault records that are written together with the events.
    pub(super) fn with(self, records: Vec<RecordChange>) -> Self {
        Self { records, ..self }
    }
}

/// What to do when it is unknown whether an append has succeeded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OutcomeUnknown {
    /// Return the error.
    Fails,
    /// Load the state again, once: it shows whether the append succeeded.
    IsLookedAt,
}

impl Repository {
    /// The aggregates of a store.
    #[must_use]
    pub fn of(store: Arc<dyn Store>, node_clock: Arc<NodeClock>) -> Self {
        let companions = store.is_shared().then(Arc::default);
        Self { store, outbox: Arc::default(), companions, node_clock }
    }

    /// With whom sessions are read at the same time; none if reading one after the other is as fast.
    pub(super) fn companions(&self) -> Option<&KnownCompanions> {
        self.companions.as_deref()
    }

    /// The store, for reading records and the log.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// What is notified after an append that has added an entry to the outbox of back-channel logout.
    pub(super) fn outbox(&self) -> &Notify {
        &self.outbox
    }

    /// Loads an aggregate.
    pub(super) async fn load<A: Aggregate>(&self, id: &A::Id) -> Result<Loaded<A>, TokenError> {
        self.in_step()?;
        let stream = A::stream(id);
        let stream = stream.ok_or_else(|| TokenError::Internal("a stream's name is too long".to_owned()))?;
        Ok(match self.store.load(stream).await? {
            Some(snapshot) => Loaded {
                state: Some(A::decode(&snapshot.data)?),
                expected: Expected::Exact(snapshot.version),
                is_retry: false,
            },
            None => Loaded::new(),
        })
    }

    /// Loads a session.
    pub(super) async fn session(&self, id: SessionId) -> Result<Loaded<Session>, TokenError> {
        self.load(&id).await
    }

    /// Loads a login.
    pub(super) async fn login(&self, id: LoginId) -> Result<Loaded<Login>, TokenError> {
        self.load(&id).await
    }

    /// Loads a consent.
    pub(super) async fn consent(&self, id: &ConsentId) -> Result<Loaded<Consent>, TokenError> {
        self.load(id).await
    }

    /// Loads a user.
    pub(super) async fn user(&self, id: UserId) -> Result<Loaded<User>, TokenError> {
        self.load(&id).await
    }

    /// A user, if one is named and exists.
    pub(super) async fn user_if(&self, id: Option<UserId>) -> Result<Option<User>, TokenError> {
        match id {
            Some(id) => Ok(self.user(id).await?.state),
            None => Ok(None),
        }
    }

    /// Why a login has ended; `None` if it lives, or there is none to ask. One that was removed has expired.
    pub(super) async fn login_end(
        &self,
        login: Option<LoginId>,
        now: Timestamp,
    ) -> Result<Option<LogoutReason>, TokenError> {
        let Some(login) = login else { return Ok(None) };
        let login = self.login(login).await?.state;
        Ok(login.map_or(Some(LogoutReason::Expired), |login| login.ended(now)))
    }

    /// Loads the events and state that the log has of a client.
    pub(super) async fn client(&self, id: &ClientId) -> Result<Loaded<Client>, TokenError> {
        self.load(id).await
    }

    /// Loads the state, decides, and appends the events; repeats all of that if the stream has moved on meanwhile.
    ///
    /// # Errors
    /// The error of `decide`; [`StoreError::WrongExpectedVersion`] if the stream moved on at every attempt; any other
    /// [`StoreError`] of the append.
    pub(super) async fn execute<A, T, E, F>(
        &self,
        id: &A::Id,
        decide: impl Fn(Loaded<A>) -> F,
    ) -> Result<T, E>
    where
        A: Aggregate,
        E: From<TokenError>,
        F: Future<Output = Result<Change<A, T>, E>>,
    {
        self.execute_with(OutcomeUnknown::Fails, id, decide).await
    }

    /// As [`Repository::execute`]; `unknown` says what to do when it is unknown whether the append has succeeded.
    pub(super) async fn execute_with<A, T, E, F>(
        &self,
        unknown: OutcomeUnknown,
        id: &A::Id,
        decide: impl Fn(Loaded<A>) -> F,
    ) -> Result<T, E>
    where
        A: Aggregate,
        E: From<TokenError>,
        F: Future<Output = Result<Change<A, T>, E>>,
    {
        let decide = &decide;
        let attempt = |is_retry| async move {
            let loaded = self.load::<A>(id).await.map_err(|error| Failed::Decision(error.into()))?;
            let decided = decide(Loaded { is_retry, ..loaded }).await;
            let Change { loaded, events, records, answer } = decided.map_err(Failed::Decision)?;
            if !events.is_empty() {
                self.append(id, loaded, &events, records).await.map_err(Failed::Append)?;
            }
            Ok(answer)
        };
        retry(unknown, attempt).await
    }

    /// Appends events to what was loaded, with the records of the indexes and `more`; returns the state after them.
    pub(super) async fn append<A: Aggregate>(
        &self,
        id: &A::Id,
        loaded: Loaded<A>,
        events: &[A::Event],
        more: Vec<RecordChange>,
    ) -> Result<A, StoreError> {
        let (append, after) = prepared(id, loaded, events, more)?;
        self.land(append).await?;
        Ok(after)
    }

    /// Carries out what [`prepared`] has prepared.
    pub(super) async fn land(&self, append: Append) -> Result<(), StoreError> {
        self.in_step()?;
        let has_entry = outbox::is_among(&append.records);
        self.store.append(append).await?;
        if has_entry {
            self.outbox.notify_one();
        }
        Ok(())
    }

    /// Changes records, if the aggregate is still as it was loaded. Its stream and snapshot stay unchanged.
    pub(super) async fn change_guarded<A: Aggregate>(
        &self,
        id: &A::Id,
        expected: Expected,
        records: Vec<RecordChange>,
    ) -> Result<(), StoreError> {
        let stream = A::stream(id).ok_or(StoreError::TooLarge)?;
        let (events, snapshot) = (Vec::new(), Vec::new());
        self.store.append(Append { stream, expected, events, snapshot, records }).await.map(drop)
    }

    /// Removes an aggregate's stream, and changes records.
    pub(super) async fn remove<A: Aggregate>(
        &self,
        id: &A::Id,
        expected: Expected,
        records: Vec<RecordChange>,
    ) -> Result<(), StoreError> {
        let stream = A::stream(id).ok_or(StoreError::TooLarge)?;
        self.store.remove(Remove { stream, expected, records }).await
    }

    /// Replaces several events by one.
    pub(super) async fn summarize(&self, summarize: Summarize) -> Result<(), StoreError> {
        self.store.summarize(summarize).await
    }

    /// Changes records that no stream guards any more, or that need no guard.
    pub(super) async fn change_records(&self, records: Vec<RecordChange>) -> Result<(), StoreError> {
        // This stream never exists: an append without events does not create one.
        let stream = StreamId::new(b'-', b"records").ok_or(StoreError::TooLarge)?;
        let (events, snapshot) = (Vec::new(), Vec::new());
        let append = Append { stream, expected: Expected::NoStream, events, snapshot, records };
        self.store.append(append).await.map(drop)
    }

    /// Writes an entry of the outbox of back-channel logout that belongs to no event.
    pub(super) async fn note_ending(&self, entry: RecordChange) -> Result<(), StoreError> {
        self.change_records(vec![entry]).await?;
        self.outbox.notify_one();
        Ok(())
    }

    /// The value of a record.
    pub(super) async fn record(&self, key: RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.in_step()?;
        self.store.record(key).await
    }

    /// Records in the order of their keys, as [`Store::scan`] gives them.
    pub(super) async fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        self.store.scan(prefix, after, limit).await
    }

    /// Refuses while this node's clock differs too much from the other nodes' clocks.
    fn in_step(&self) -> Result<(), StoreError> {
        self.node_clock.check().map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Refuses to begin something new when the disk is nearly full, so that people who are signed in can stay so.
    pub(super) fn has_room(&self) -> Result<(), StoreError> {
        if self.store.is_nearly_full() {
            return Err(StoreError::NoRoom("the disk is nearly full: nothing new is begun".to_owned()));
        }
        Ok(())
    }
}

/// The append of events to a loaded aggregate, with the records of the indexes and `more`; and the state after it.
pub(super) fn prepared<A: Aggregate>(
    id: &A::Id,
    loaded: Loaded<A>,
    events: &[A::Event],
    more: Vec<RecordChange>,
) -> Result<(Append, A), StoreError> {
    let (Some(stream), Some((after, mut records))) = (A::stream(id), A::after(id, loaded.state, events))
    else {
        return Err(StoreError::Corrupt("events of what never began".to_owned()));
    };
    records.extend(more);
    let append = Append {
        stream,
        expected: loaded.expected,
        events: events.iter().map(A::encode_event).collect(),
        snapshot: after.encode(),
        records,
    };
    Ok((append, after))
}

/// Why an attempt failed.
pub(super) enum Failed<E> {
    /// The decision failed: its error is the answer.
    Decision(E),
    /// The append failed.
    Append(StoreError),
}

impl<E> From<E> for Failed<E> {
    fn from(error: E) -> Self {
        Self::Decision(error)
    }
}

/// The only retry loop: repeats `attempt` until no stream has moved on before its append. `attempt` gets whether it is
/// a repetition.
///
/// # Errors
/// The last error of `attempt`.
pub(super) async fn retry<T, E, F>(unknown: OutcomeUnknown, attempt: impl Fn(bool) -> F) -> Result<T, E>
where
    E: From<TokenError>,
    F: Future<Output = Result<T, Failed<E>>>,
{
    let mut may_look = unknown == OutcomeUnknown::IsLookedAt;
    for number in 0..ATTEMPTS {
        match attempt(number > 0).await {
            Ok(answer) => return Ok(answer),
            Err(Failed::Decision(error)) => return Err(error),
            Err(Failed::Append(StoreError::WrongExpectedVersion)) => {}
            Err(Failed::Append(StoreError::Unavailable(_) | StoreError::NoRoom(_))) if may_look => {
                may_look = false;
            }
            Err(Failed::Append(error)) => return Err(TokenError::from(error).into()),
        }
    }
    Err(TokenError::from(StoreError::WrongExpectedVersion).into())
}
