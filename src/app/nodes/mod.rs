//! The nodes of an installation: the processes that answer requests on one store.
//!
//! Each says every few seconds that it lives, and reads what the others have said. By that it knows
//!
//! - whether its version or its configuration differ from theirs, which it logs;
//! - whether its clock agrees with theirs: see [`node_clock`];
//! - the *leases* that it holds. What one node does at a time (sweeping, telling apps of logouts) it does only while it
//!   holds the lease. Two at once for a moment do no harm: a sweep names the version on which it was decided, and an app
//!   may be told twice of a logout.
//!
//! An embedded store has one process, which holds all leases.

mod availability;
mod list;
pub mod node_clock;
mod store_step;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

pub use self::list::ListedNode;
pub(in crate::app) use self::list::write_metrics;
use self::node_clock::{NodeClock, OtherClock, OutOfStep, Reading};
use self::store_step::StoreStep;
use self::told::{Told, WORTH_A_WARNING};
use crate::app::Uptime;
use crate::clock::Clock;
use crate::random::{NoRandomness, Random};
use crate::store::cluster::{
    ClockDifference, Cluster, Heartbeat, Lease, NodeDescription, NodeState, Standing,
};
use crate::store::{Store, StoreError};

/// How often a node says that it lives.
const BEATS_EVERY: Duration = Duration::from_secs(5);
/// How long after its last word a node counts as live.
pub const SILENT_AFTER: Duration = Duration::from_secs(15);
/// For how long a lease is taken.
const HELD_FOR: Duration = Duration::from_secs(30);
/// How long before its end a node does not trust its lease any more: what it has begun goes on for a moment.
const SPARE: Duration = Duration::from_secs(5);
/// By how much a node's clock may be ahead of the store's when it begins alone.
const FAR_AHEAD: Duration = Duration::from_hours(1);
/// The shortest pause between two heartbeats.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);

/// This node among the others.
pub struct Nodes {
    cluster: Option<Arc<dyn Cluster>>,
    store: Arc<dyn Store>,
    me: NodeDescription,
    node_clock: Arc<NodeClock>,
    uptime: Arc<Uptime>,
    clock: Arc<dyn Clock>,
    /// By the monotonic clock.
    started: Duration,
    state: Mutex<State>,
    /// One heartbeat at a time.
    turn: tokio::sync::Mutex<()>,
    /// Notified when the next heartbeat should not wait.
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// What the last heartbeat has shown, and when, by the monotonic clock.
    standing: Standing,
    read: Duration,
    store_step: Option<StoreStep>,
    answers: bool,
    wanted: BTreeSet<Lease>,
    /// Until when each lease can be trusted, by the monotonic clock.
    held: BTreeMap<Lease, Duration>,
    told: Told,
}

/// Why a node may not begin.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The store does not answer.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// Its clock does not agree with those of the nodes that run.
    #[error(
        "{0}. They may be at most {max} s apart: set the clocks, and keep them right by NTP; nothing was changed",
        max = node_clock::TOLERATED.as_secs()
    )]
    Clock(#[from] OutOfStep),
    /// Its clock is far ahead of the database's, and no other node answers requests that could tell which is right.
    #[error(
        "this node's clock is {hours:.1} hours ahead of the database's, so that sessions would seem to have expired. Set \
         whichever is wrong, and keep both right by NTP; nothing was changed",
        hours = .ahead.as_secs_f64() / 3600.0
    )]
    Ahead {
        /// By how much.
        ahead: Duration,
    },
}

impl Nodes {
    /// A node that has said nothing yet.
    pub(super) fn new(
        cluster: Option<Arc<dyn Cluster>>,
        (store, uptime): (Arc<dyn Store>, Arc<Uptime>),
        (name, configuration): (Option<&str>, BTreeMap<String, Vec<u8>>),
        clock: Arc<dyn Clock>,
        random: &Random,
    ) -> Result<Self, NoRandomness> {
        let me = NodeDescription {
            id: random.bytes()?.into(),
            name: name.map_or_else(host_name, str::to_owned),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            configuration,
        };
        let node_clock = Arc::new(NodeClock::new(Arc::clone(&clock)));
        if let Some(cluster) = &cluster {
            cluster.expect(Arc::<NodeClock>::clone(&node_clock));
        }
        Ok(Self {
            cluster,
            store,
            me,
            node_clock,
            started: clock.monotonic(),
            uptime,
            clock,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// Whether there may be other nodes.
    #[must_use]
    pub const fn are_several(&self) -> bool {
        self.cluster.is_some()
    }

    /// By how much the clock of another node may differ from this one's, while both answer requests.
    #[must_use]
    pub const fn skew(&self) -> Duration {
        if self.are_several() { node_clock::TOLERATED } else { Duration::ZERO }
    }

    /// This node's clock, beside those of the others.
    #[must_use]
    pub const fn node_clock(&self) -> &Arc<NodeClock> {
        &self.node_clock
    }

    /// Says that this node begins, before it answers requests.
    ///
    /// # Errors
    /// [`JoinError`] if it may not begin; then it has said nothing.
    pub async fn join(&self) -> Result<(), JoinError> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let began = self.node_clock.read();
        let standing = cluster.look().await?;
        self.note(began, standing, &[]);
        self.node_clock.check_strictly()?;
        if self.others_that_answer().is_empty() {
            self.is_not_far_ahead()?;
        }
        Ok(self.beat().await?)
    }

    /// People would be signed out by a clock that is set right a moment later, as after the start of a machine.
    fn is_not_far_ahead(&self) -> Result<(), JoinError> {
        let Some(ClockDifference { ahead, error }) = self.node_clock.difference() else { return Ok(()) };
        let certain = u64::try_from(ahead).unwrap_or_default().saturating_sub(error);
        let ahead = Duration::from_millis(certain);
        if ahead > FAR_AHEAD { Err(JoinError::Ahead { ahead }) } else { Ok(()) }
    }

    /// Says that it answers requests from now on.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    pub async fn answer(&self) -> Result<(), StoreError> {
        self.state().answers = true;
        self.beat().await
    }

    /// Requests are answered from now on. The other nodes' retry windows go on.
    pub fn begin(&self) {
        let before = {
            let state = self.state();
            availability::availability(&state.standing, self.clock.monotonic().saturating_sub(state.read))
        };
        self.uptime.begin(before);
    }

    /// Says every few seconds that this node lives; never returns, unless there are no other nodes.
    pub async fn keep_beating(self: Arc<Self>) {
        while self.cluster.is_some() {
            tokio::select! {
                () = sleep(BEATS_EVERY) => {}
                () = self.node_clock.jumped() => {}
                () = self.wake.notified() => {}
            }
            let silent = match self.beat().await {
                Ok(()) => false,
                Err(error) => {
                    if !self.state().told.silent {
                        tracing::warn!(error = %error, "this node can't say that it lives, nor learn of the others");
                    }
                    true
                }
            };
            self.state().told.silent = silent;
            sleep(SHORTEST_PAUSE).await;
        }
    }

    /// Says once that this node lives, and reads what the others have said.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let _turn = self.turn.lock().await;
        // What a heartbeat says of the clock was measured by the one before. The others must not compare what is old.
        for _ in 0..2 {
            let heartbeat = self.heartbeat();
            let (asked, said) = (heartbeat.leases.clone(), heartbeat.clock.ahead);
            let began = self.node_clock.read();
            let standing = cluster.beat(heartbeat).await?;
            self.note(began, standing, &asked);
            let is_new = |clock: ClockDifference| clock.ahead.abs_diff(said) > WORTH_A_WARNING;
            if !self.node_clock.difference().is_some_and(is_new) {
                break;
            }
        }
        Ok(())
    }

    /// Says that this node stops: others may take over its leases at once.
    pub async fn leave(&self) {
        let Some(cluster) = &self.cluster else { return };
        let _turn = self.turn.lock().await;
        self.state().held.clear();
        if let Err(error) = cluster.leave(self.me.id).await {
            tracing::debug!(error = %error, "the other nodes were not told that this one stops");
        }
    }

    /// Asks for a lease from the next heartbeat on, which comes soon.
    pub(super) fn want(&self, lease: Lease) {
        if self.state().wanted.insert(lease) {
            self.wake.notify_one();
        }
    }

    /// Asks for a lease no more; it is free from the next heartbeat on, which comes soon.
    pub(super) fn release(&self, lease: Lease) {
        let mut state = self.state();
        state.held.remove(&lease);
        if state.wanted.remove(&lease) {
            self.wake.notify_one();
        }
    }

    /// Whether this node holds a lease now, and so may do what only one does at a time.
    #[must_use]
    pub fn holds(&self, lease: Lease) -> bool {
        if self.cluster.is_none() {
            return true;
        }
        let until = self.state().held.get(&lease).copied();
        // The monotonic clock stands still while a machine sleeps; then the wall clock has jumped.
        until.is_some_and(|until| self.clock.monotonic() < until) && self.node_clock.check().is_ok()
    }

    /// The names of the other nodes that answer requests, as far as the last heartbeat has shown.
    #[must_use]
    pub fn others_that_answer(&self) -> Vec<String> {
        let state = self.state();
        self.others(&state.standing)
            .filter(|other| other.answers)
            .map(|other| other.node.name.clone())
            .collect()
    }

    /// Whether another node lives, as far as the last heartbeat has shown; also one that does not answer requests yet.
    #[must_use]
    pub fn has_others(&self) -> bool {
        let state = self.state();
        self.others(&state.standing).next().is_some()
    }

    /// The other nodes that live.
    fn others<'a>(&'a self, standing: &'a Standing) -> impl Iterator<Item = &'a NodeState> {
        let lives = |node: &NodeState| standing.now.since(node.seen) < SILENT_AFTER;
        standing.nodes.iter().filter(move |node| node.node.id != self.me.id && lives(node))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heartbeat(&self) -> Heartbeat {
        let in_step = self.node_clock.check().is_ok();
        let answered = self.uptime.answered_for();
        let state = self.state();
        let answers = state.answers && in_step;
        Heartbeat {
            node: self.me.clone(),
            answers,
            uptime: self.clock.monotonic().saturating_sub(self.started),
            answered: answered.filter(|_| answers),
            position: state.standing.position.max(self.store.stats().position),
            clock: self.node_clock.difference().unwrap_or_default(),
            leases: if in_step { state.wanted.iter().copied().collect() } else { Vec::new() },
            held_for: HELD_FOR,
        }
    }

    /// Takes in what a heartbeat that began at `began` has shown.
    fn note(&self, began: Reading, standing: Standing, asked: &[Lease]) {
        if self.node_clock.check().is_err() {
            // Nobody was answered until now.
            self.uptime.note_outage();
        }
        let difference = self.node_clock.measure(began, standing.now);
        let started = standing.now.before(self.clock.monotonic().saturating_sub(self.started));
        // What was said later than now was said before the store's clock was set back.
        let is_of_now = |other: &&NodeState| other.answers && other.seen.since(standing.now) < SHORTEST_PAUSE;
        let step = {
            let mut state = self.state();
            let last = (state.standing.now, began.monotonic.saturating_sub(state.read));
            let noticed = StoreStep::noticed(last, self.node_clock.difference(), difference);
            state.store_step = StoreStep::last(noticed, state.store_step, standing.now);
            state.store_step
        };
        let others = self.others(&standing).filter(is_of_now).map(|other| OtherClock {
            name: other.node.name.clone(),
            difference: step.map_or(other.clock, |step| step.corrected(other)),
            rank: (other.started, other.node.id),
        });
        self.node_clock.note(began, difference, (started, self.me.id), others.collect());
        let until = began.monotonic.saturating_add(HELD_FOR).saturating_sub(SPARE);
        let held: BTreeMap<Lease, Duration> = asked
            .iter()
            .filter(|lease| standing.leases.contains(&(**lease, self.me.id)))
            .map(|lease| (*lease, until))
            .collect();
        let differences = self.differences(&standing);
        let out_of_step = self.node_clock.check();
        let mut state = self.state();
        for lease in held.keys().filter(|lease| !state.held.contains_key(lease)) {
            tracing::info!(lease = lease.as_str(), "this node has taken a lease");
        }
        // One that is not wanted any more was given back while the heartbeat was under way.
        state.held = held.into_iter().filter(|(lease, _)| state.wanted.contains(lease)).collect();
        (state.standing, state.read) = (standing, self.clock.monotonic());
        state.told.tell(differences, difference, out_of_step.err().as_ref());
    }

    /// In what the other live nodes differ from this one.
    fn differences(&self, standing: &Standing) -> BTreeMap<String, Vec<String>> {
        let differing =
            self.others(standing).map(|other| (other.node.name.clone(), self.differs(&other.node)));
        differing.filter(|(_, what)| !what.is_empty()).collect()
    }

    /// In what a node differs from this one: the version, or, where that is the same, sections of the configuration.
    fn differs(&self, other: &NodeDescription) -> Vec<String> {
        if other.version != self.me.version {
            return vec!["version".to_owned()];
        }
        let (mine, theirs) = (&self.me.configuration, &other.configuration);
        let sections: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
        sections.into_iter().filter(|name| mine.get(*name) != theirs.get(*name)).cloned().collect()
    }
}

/// What the operating system calls this machine.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
