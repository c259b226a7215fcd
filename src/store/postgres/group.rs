//! A group: appends that are sent as one statement, and what the database says of each.

use std::collections::HashSet;

use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::super::{Append, Appended, RecordKey, StoreError, StreamId};
use super::checksum::{Owner, sealed};
use super::numbers::{bigint, expected, number};
use super::records::{InsertsTwice, RecordRows};
use super::session::Session;
use super::statements::Query;

/// The most appends in a group, and the most bytes of their values.
const MOST_APPENDS: usize = 128;
const MOST_BYTES: usize = 1 << 20;

/// An append on its way, and the channel for its answer.
pub(super) struct Job {
    pub(super) append: Prepared,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
}

/// An append as the database gets it.
pub(super) struct Prepared {
    append: Append,
    expected: i64,
    records: RecordRows,
    bytes: usize,
}

/// Why an append is not sent.
pub(super) enum Unsent {
    Refused(StoreError),
    /// It fails by [`StoreError::RecordExists`], if its stream is as it expects.
    InsertsTwice,
}

/// Appends that don't touch what another of them changes, since the database decides all of them on what was there
/// before.
#[derive(Default)]
pub(super) struct Group {
    jobs: Vec<Job>,
    bytes: usize,
    changed: HashSet<StreamId>,
    expected: HashSet<StreamId>,
    keys: HashSet<RecordKey>,
}

/// The parameters of the statement, in their order.
#[derive(Default)]
struct Parameters {
    streams: Vec<Vec<u8>>,
    expected: Vec<i64>,
    versions: Vec<i64>,
    snapshots: Vec<Vec<u8>>,
    event_of: Vec<i32>,
    event_versions: Vec<i64>,
    events: Vec<Vec<u8>>,
    record_of: Vec<i32>,
    records: RecordRows,
}

impl Prepared {
    pub(super) fn of(append: Append) -> Result<Self, Unsent> {
        append.check_size().map_err(Unsent::Refused)?;
        let expected = expected(append.expected).map_err(Unsent::Refused)?;
        let records = RecordRows::of(&append.records).map_err(|InsertsTwice| Unsent::InsertsTwice)?;
        let values = append.events.iter().map(Vec::len).chain([append.snapshot.len()]);
        let contents = records.contents.iter().flatten().map(Vec::len);
        let bytes = values.chain(contents).fold(0, usize::saturating_add);
        Ok(Self { append, expected, records, bytes })
    }

    /// The version of the stream after it.
    fn version(&self) -> u64 {
        let events = u64::try_from(self.append.events.len()).unwrap_or(u64::MAX);
        u64::try_from(self.expected).unwrap_or_default().saturating_add(events)
    }
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.jobs.len() >= MOST_APPENDS || self.bytes >= MOST_BYTES
    }

    /// Whether it has nothing that the job changes or depends on.
    pub(super) fn suits(&self, job: &Job) -> bool {
        let Append { stream, events, records, .. } = &job.append.append;
        let mut keys = records.iter().map(|change| change.key_and_value().0);
        let meets = self.changed.contains(stream)
            || !events.is_empty() && self.expected.contains(stream)
            || keys.any(|key| self.keys.contains(key));
        !meets
    }

    /// Takes a job that suits.
    pub(super) fn add(&mut self, job: Job) {
        let Append { stream, events, records, .. } = &job.append.append;
        let streams = if events.is_empty() { &mut self.expected } else { &mut self.changed };
        streams.insert(stream.clone());
        self.keys.extend(records.iter().map(|change| change.key_and_value().0.clone()));
        self.bytes = self.bytes.saturating_add(job.append.bytes);
        self.jobs.push(job);
    }

    /// Sends the statement and answers all. Returns the last position that was given.
    pub(super) async fn write(self, session: Result<&Session, StoreError>) -> Option<u64> {
        let written = match session {
            Ok(session) => self.send(session).await,
            Err(error) => Err(error),
        };
        let (outcomes, mut position) = match written {
            Ok(written) => written,
            Err(error) => {
                for job in self.jobs {
                    // The caller may have gone.
                    drop(job.answer.send(Err(error.clone())));
                }
                return None;
            }
        };
        for (job, outcome) in self.jobs.into_iter().zip(outcomes) {
            let answer = refusal(outcome).map(|()| {
                let events = u64::try_from(job.append.append.events.len()).unwrap_or(u64::MAX);
                position = position.saturating_add(events);
                let position = if events == 0 { 0 } else { position };
                Appended { version: job.append.version(), position }
            });
            drop(job.answer.send(answer));
        }
        Some(position)
    }

    /// The outcome of each append, and the position before the first event.
    async fn send(&self, session: &Session) -> Result<(Vec<i32>, u64), StoreError> {
        let parameters = Parameters::of(self.jobs.iter().map(|job| &job.append));
        let row = parameters.ask(session).await?;
        let outcomes: Vec<i32> = column(&row, 0)?;
        if outcomes.len() != self.jobs.len() {
            return Err(StoreError::Unavailable("PostgreSQL did not answer every append".to_owned()));
        }
        Ok((outcomes, number(column(&row, 1)?)?))
    }
}

impl Parameters {
    fn of<'a>(appends: impl Iterator<Item = &'a Prepared>) -> Self {
        let mut parameters = Self::default();
        for (at, prepared) in (1..).zip(appends) {
            parameters.add(at, prepared);
        }
        parameters
    }

    fn add(&mut self, at: i32, prepared: &Prepared) {
        let Prepared { append, expected, records, .. } = prepared;
        let version = prepared.version();
        self.streams.push(append.stream.as_bytes().to_vec());
        self.expected.push(*expected);
        self.versions.push(bigint(version));
        self.snapshots.push(sealed(Owner::Snapshot(&append.stream, version), &append.snapshot));
        let first = u64::try_from(*expected).unwrap_or_default().saturating_add(1);
        for (version, event) in (first..).zip(&append.events) {
            self.event_of.push(at);
            self.event_versions.push(bigint(version));
            self.events.push(sealed(Owner::Event(&append.stream, version), event));
        }
        self.record_of.extend(records.keys.iter().map(|_| at));
        self.records.keys.extend_from_slice(&records.keys);
        self.records.contents.extend_from_slice(&records.contents);
        self.records.inserted.extend_from_slice(&records.inserted);
    }

    async fn ask(&self, session: &Session) -> Result<Row, StoreError> {
        let RecordRows { keys, contents, inserted } = &self.records;
        let latest = session.known().latest();
        let rows = session
            .ask(
                Query::Append,
                &[
                    &self.streams,
                    &self.expected,
                    &self.versions,
                    &self.snapshots,
                    &self.event_of,
                    &self.event_versions,
                    &self.events,
                    &self.record_of,
                    keys,
                    contents,
                    inserted,
                    &latest,
                ],
            )
            .await?;
        rows.into_iter().next().ok_or_else(|| session.known().was_late())
    }
}

/// What an outcome of the database's functions means.
pub(super) fn refusal(outcome: i32) -> Result<(), StoreError> {
    match outcome {
        0 => Ok(()),
        1 => Err(StoreError::WrongExpectedVersion),
        2 => Err(StoreError::RecordExists),
        3 => Err(StoreError::TooLarge),
        other => Err(StoreError::Unavailable(format!("PostgreSQL answered the unknown outcome {other}"))),
    }
}

/// A column of a row.
pub(super) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    at: usize,
) -> Result<T, StoreError> {
    row.try_get(at).map_err(|error| super::failure::store_error(&error))
}
