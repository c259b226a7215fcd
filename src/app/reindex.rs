//! Rebuilds the indexes of sessions, logins and consents when the code that makes them has changed.
//!
//! The versions of the three index modules are stored with the records. If one differs at a start, the log is read once
//! from its beginning, in pages and with bounded memory. The records of every session, login and consent that still
//! exists are made from its state, and those of older versions are deleted. If that is interrupted, the next start begins
//! again.
//!
//! Of several nodes, one does it, by a lease, and the others wait. It does not while another node answers requests, whose
//! records are those of another version: it takes the stored versions away first, and a node looks at them once more after
//! it has said that it answers. So either the one sees that the other answers, or the other sees that they are gone.
//!
//! A node that was frozen or cut off meanwhile looks at nothing when it goes on. So a version that makes other indexes also
//! raises `oldest_program` of the tables (`store/postgres/schema.rs`), which every node asks for at each connection and
//! every two seconds: an older one then answers nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::error::TokenError;
use super::{Nodes, Repository};
use crate::consent::{self, ConsentEvent, ConsentId};
use crate::login;
use crate::oauth::{LoginId, SessionId, UserId};
use crate::session;
use crate::store::cluster::Lease;
use crate::store::{RecordChange, RecordKey, RecordedEvent};

/// The versions of the indexes: of sessions, logins and consents.
const VERSIONS: [u8; 3] = [session::index::VERSION, login::index::VERSION, consent::index::VERSION];

/// How many events are read at a time.
const PAGE: usize = 500;
/// How many records are changed at a time.
const WRITTEN_AT_ONCE: usize = 90;
/// How often a node that waits for its turn looks.
const LOOKS_FOR_ITS_TURN: Duration = Duration::from_secs(1);
/// After how many events the progress is logged.
const SAID_EVERY: u64 = 100_000;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events that were read.
    pub events: u64,
    /// Sessions whose records were made.
    pub sessions: u64,
    /// Logins and consents whose records were made.
    pub logins_and_consents: u64,
    /// Records of older versions that were dropped.
    pub dropped: u64,
}

/// Why the indexes are not made.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The store fails, or holds what can't be read.
    #[error("the store: {0}")]
    Token(#[from] TokenError),
    /// Nodes of another version answer requests, and would go on with the indexes of theirs.
    #[error(
        "this version makes other indexes than the nodes that run ({0}): stop all of them, start one node of this version, and \
         the others when it answers; nothing was changed"
    )]
    OthersAnswer(String),
}

/// The indexes of sessions, logins and consents.
pub struct Indexes {
    pub(super) repository: Repository,
    pub(super) nodes: Arc<Nodes>,
}

impl Indexes {
    /// Rebuilds the indexes if some are of another version; `None` if they are not. Call it before requests
    /// are answered.
    ///
    /// # Errors
    /// [`IndexError`] if the store fails or holds what can't be read; call it again. Also if other nodes answer requests.
    pub async fn prepare(&self) -> Result<Option<Rebuilt>, IndexError> {
        if self.are_current().await? {
            return Ok(None);
        }
        self.nodes.want(Lease::Indexes);
        let prepared = self.prepare_in_turn().await;
        self.nodes.release(Lease::Indexes);
        prepared
    }

    /// Whether the indexes are those of this version.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn are_current(&self) -> Result<bool, TokenError> {
        let stored = self.repository.record(marker()).await?;
        Ok(stored.is_some_and(|stored| versions_of(&stored) == VERSIONS))
    }

    async fn prepare_in_turn(&self) -> Result<Option<Rebuilt>, IndexError> {
        let mut waits = false;
        while !self.nodes.holds(Lease::Indexes) {
            self.nodes.beat().await.map_err(TokenError::from)?;
            if self.nodes.holds(Lease::Indexes) {
                break;
            }
            if !std::mem::replace(&mut waits, true) {
                tracing::info!("another node makes the indexes again: waiting for it");
            }
            sleep(LOOKS_FOR_ITS_TURN).await;
        }
        if self.are_current().await? {
            return Ok(None);
        }
        self.insist_on_silence().await?;
        Ok(Some(self.rebuild().await?))
    }

    /// Refuses while another node answers requests. Afterwards none begins to until the versions are there again.
    async fn insist_on_silence(&self) -> Result<(), IndexError> {
        if !self.nodes.are_several() {
            return Ok(());
        }
        let before = self.repository.record(marker()).await.map_err(TokenError::from)?;
        let change = |change| self.repository.change_records(vec![change]);
        change(RecordChange::Delete(marker())).await.map_err(TokenError::from)?;
        self.nodes.beat().await.map_err(TokenError::from)?;
        let others = self.nodes.others_that_answer();
        if others.is_empty() {
            return Ok(());
        }
        if let Some(versions) = before {
            change(RecordChange::Put(marker(), versions)).await.map_err(TokenError::from)?;
        }
        Err(IndexError::OthersAnswer(others.join(", ")))
    }

    /// Stops a node that has lost its lease: another one may be making them, perhaps of a later version.
    fn go_on(&self) -> Result<(), TokenError> {
        let lost =
            || TokenError::Internal("this node no longer holds the lease to make the indexes".to_owned());
        self.nodes.holds(Lease::Indexes).then_some(()).ok_or_else(lost)
    }

    async fn rebuild(&self) -> Result<Rebuilt, TokenError> {
        let mut rebuilt = Rebuilt::default();
        self.make_indexes(&mut rebuilt).await?;
        let of_sessions = (1..session::index::VERSION).flat_map(session::index::made_by);
        let of_logins = (1..login::index::VERSION).flat_map(login::index::made_by);
        let of_consents = (1..consent::index::VERSION).flat_map(consent::index::made_by);
        for prefix in of_sessions.chain(of_logins).chain(of_consents) {
            self.drop_all(prefix, &mut rebuilt).await?;
        }
        self.go_on()?;
        self.repository.change_records(vec![RecordChange::Put(marker(), VERSIONS.to_vec())]).await?;
        if rebuilt.events > 0 {
            tracing::info!(
                events = rebuilt.events,
                sessions = rebuilt.sessions,
                logins_and_consents = rebuilt.logins_and_consents,
                dropped = rebuilt.dropped,
                "the indexes were made again"
            );
        }
        Ok(rebuilt)
    }

    async fn make_indexes(&self, rebuilt: &mut Rebuilt) -> Result<(), TokenError> {
        let (mut after, mut said) = (0, SAID_EVERY);
        let mut made = Vec::new();
        loop {
            self.go_on()?;
            let page = self.repository.store().read_log(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for event in &page {
                rebuilt.events = rebuilt.events.saturating_add(1);
                // Once for each stream: at its first event, from its current state.
                if event.version == 1 {
                    made.extend(self.entries(event, rebuilt).await?);
                }
                if made.len() >= WRITTEN_AT_ONCE {
                    self.repository.change_records(std::mem::take(&mut made)).await?;
                }
            }
            if rebuilt.events >= said {
                tracing::info!(events = rebuilt.events, "making the indexes again");
                said = said.saturating_add(SAID_EVERY);
            }
        }
        if made.is_empty() { Ok(()) } else { Ok(self.repository.change_records(made).await?) }
    }

    /// The index entries of what begins with an event.
    async fn entries(
        &self,
        event: &RecordedEvent,
        rebuilt: &mut Rebuilt,
    ) -> Result<Vec<RecordChange>, TokenError> {
        let key = event.stream.key();
        let put = |key| RecordChange::Put(key, Vec::new());
        let entries: Vec<RecordChange> = match (event.stream.category(), key.first_chunk::<16>().copied()) {
            (session::state::CATEGORY, Some(id)) => {
                let id = SessionId::from(id);
                let Some(session) = self.repository.session(id).await?.state else { return Ok(Vec::new()) };
                rebuilt.sessions = rebuilt.sessions.saturating_add(1);
                return Ok(session::index::entries(id, &session).into_iter().map(put).collect());
            }
            (login::state::CATEGORY, Some(id)) => {
                let id = LoginId::from(id);
                let login = self.repository.login(id).await?.state;
                let entries = login.map(|login| login::index::entries(id, &login)).unwrap_or_default();
                entries.into_iter().map(put).collect()
            }
            (consent::state::CATEGORY, Some(user)) => {
                // The stream has the digest of the client's id; the event that begins it has the id itself.
                let Ok(ConsentEvent::Given(given)) = ConsentEvent::decode(&event.data) else {
                    return Ok(Vec::new());
                };
                let id = ConsentId { user: UserId::from(user), client: given.client };
                let consent = self.repository.consent(&id).await?.state;
                consent.as_ref().map(consent::index::put).into_iter().collect()
            }
            _ => Vec::new(),
        };
        rebuilt.logins_and_consents =
            rebuilt.logins_and_consents.saturating_add(u64::from(!entries.is_empty()));
        Ok(entries)
    }

    async fn drop_all(&self, prefix: RecordKey, rebuilt: &mut Rebuilt) -> Result<(), TokenError> {
        loop {
            self.go_on()?;
            let found = self.repository.scan(prefix.clone(), None, WRITTEN_AT_ONCE).await?;
            if found.is_empty() {
                return Ok(());
            }
            let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
            rebuilt.dropped = rebuilt.dropped.saturating_add(count);
            self.repository
                .change_records(found.into_iter().map(|(key, _)| RecordChange::Delete(key)).collect())
                .await?;
        }
    }
}

/// The versions in the marker. One that has the version of sessions alone was written when the other two had version 1.
fn versions_of(stored: &[u8]) -> [u8; 3] {
    let version = |at: usize, usual| stored.get(at).copied().unwrap_or(usual);
    [version(0, 0), version(1, 1), version(2, 1)]
}

/// The record that stores the versions of the indexes.
fn marker() -> RecordKey {
    RecordKey::index(0, &[b"sessions"])
}
