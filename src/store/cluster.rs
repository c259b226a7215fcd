//! What the processes know of each other that share one store: its *nodes*.
//!
//! An embedded store has one process, and no cluster. Where there is one, each node says every few seconds that it lives,
//! and reads what the others have said. Nobody waits for that but the node itself, and nothing that a request needs
//! depends on it. It need not survive a crash of the store: the next heartbeats write it again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::StoreFuture;
use crate::clock::Timestamp;

/// The nodes on one store.
pub trait Cluster: Send + Sync + 'static {
    /// Says that a node lives. It takes the leases that the node asks for and that nobody else holds, for
    /// [`Heartbeat::held_for`] by the store's clock; those that it holds and does not ask for any more are free. Then
    /// it looks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable): what of it was done is unknown.
    fn beat(&self, heartbeat: Heartbeat) -> StoreFuture<'_, Standing>;

    /// Reads what the nodes have said.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable).
    fn look(&self) -> StoreFuture<'_, Standing>;

    /// Takes in that a node stops, so that others take over its leases at once. Only when it has answered requests is
    /// remembered.
    ///
    /// # Errors
    /// As [`Cluster::beat`].
    fn leave(&self, node: NodeId) -> StoreFuture<'_, ()>;

    /// From now on, appends of this process fail with [`StoreError::Unavailable`](super::StoreError::Unavailable), and
    /// change nothing, if they come to the store later than [`ExpectedClock::latest`].
    fn expect(&self, clock: Arc<dyn ExpectedClock>);
}

/// What a node's clocks say of the store's clock. A virtual machine that was paused finds nothing wrong with its clocks,
/// since all of them stood still; only somebody else's shows it. What it writes then seems to be older than it is.
pub trait ExpectedClock: Send + Sync + 'static {
    /// The latest time that the store's clock may show now; `None` if that is not known.
    fn latest(&self) -> Option<Timestamp>;

    /// Takes in that the store's clock showed a later time.
    fn was_late(&self);
}

/// What tells a node from every other. It is random, and made at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 16]);

/// What only one node does at a time. Its name is stored, and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lease {
    /// Sweeps.
    Sweeper,
    /// Tells apps of logouts.
    LogoutDeliveries,
    /// Makes the indexes again.
    Indexes,
}

/// What a node says of itself that stays the same as long as it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDescription {
    /// Its id.
    pub id: NodeId,
    /// What the operator calls it.
    pub name: String,
    /// The version of heirloom.
    pub version: String,
    /// A digest of each section of the configuration that must be the same on all nodes.
    pub configuration: BTreeMap<String, Vec<u8>>,
}

/// What a node says each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which node it is.
    pub node: NodeDescription,
    /// Whether it answers requests.
    pub answers: bool,
    /// How long it has run.
    pub uptime: Duration,
    /// For how long it has answered requests without an outage; `None` if it answers none. The last time that it did is
    /// remembered.
    pub answered: Option<Duration>,
    /// The last position that it knew of.
    pub position: u64,
    /// How its clock differs from the store's.
    pub clock: ClockDifference,
    /// The leases that it asks for.
    pub leases: Vec<Lease>,
    /// For how long it gets them.
    pub held_for: Duration,
}

/// By how much a node's clock differs from the store's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockDifference {
    /// How far it is ahead, in milliseconds; negative if it is behind.
    pub ahead: i64,
    /// How far that may be wrong, in milliseconds, since asking takes time.
    pub error: u64,
}

/// When a node answered requests without an outage, by the store's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// From when.
    pub since: Timestamp,
    /// When it said so last.
    pub until: Timestamp,
}

/// What a node has said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Which node it is.
    pub node: NodeDescription,
    /// Whether it answered requests then.
    pub answers: bool,
    /// When it started, by the store's clock.
    pub started: Timestamp,
    /// When it said so, by the store's clock.
    pub seen: Timestamp,
    /// When it answered requests; `None` if it never has.
    pub answered: Option<Answered>,
    /// The last position that it knew of then.
    pub position: u64,
    /// How its clock differed from the store's.
    pub clock: ClockDifference,
}

/// What all nodes have said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The store's clock.
    pub now: Timestamp,
    /// The last position of the log.
    pub position: u64,
    /// All nodes that were seen within a day, in the order in which they started.
    pub nodes: Vec<NodeState>,
    /// When those answered requests that have stopped within a day.
    pub left: Vec<Answered>,
    /// Who holds which lease.
    pub leases: Vec<(Lease, NodeId)>,
}

impl Answered {
    /// How long that was.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.until.since(self.since)
    }
}

impl Lease {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sweeper, Self::LogoutDeliveries, Self::Indexes];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sweeper => "sweeper",
            Self::LogoutDeliveries => "logout_deliveries",
            Self::Indexes => "indexes",
        }
    }

    /// The lease with this name; `None` for one of a later version.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lease| lease.as_str() == name)
    }
}

impl NodeId {
    /// The id as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for NodeId {
    fn from(id: [u8; 16]) -> Self {
        Self(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
