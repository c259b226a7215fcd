//! Keeps the counters of this node the same as those of all others: what one node counts, it tells the others through the
//! store's [`Exchange`], and decides only once it has heard everything that was told before.
//!
//! One exchange is under way at a time. What comes meanwhile goes with the next one, so many attempts at once cost as many
//! round trips as few.
//!
//! Nobody waits for what is taken out of [buckets](crate::throttle::bucket): a task tells it four times a second, and hears
//! what the others have taken.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::nodes::Nodes;
use crate::clock::{Clock, Timestamp};
use crate::store::{Exchange, Exchanged, Heard, StoreError};
use crate::throttle::log_clock::LogTime;
use crate::throttle::operation::Operation;
use crate::throttle::replica::{Applied, Replica, Settled};
use crate::throttle::takes::{Takes, UNTOLD};

/// How many operations are told at once.
const TOLD_AT_ONCE: usize = 64;
/// How many reports are kept while the others can't be told.
const OWED: usize = 1024;
/// How often takes are told and heard.
const TAKES_EVERY: Duration = Duration::from_millis(250);
/// How many takes are told at once: some 15 KB.
const TAKES_AT_ONCE: usize = 512;

/// The shared counters, as seen by this node.
pub struct SharedCounters {
    exchange: Arc<dyn Exchange>,
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<Turn>,
    takes: Arc<Takes>,
    clock: Arc<dyn Clock>,
}

/// Somebody who has something to tell, or wants to hear.
struct Waiting {
    operation: Option<Operation>,
    answer: oneshot::Sender<Result<Option<Settled>, StoreError>>,
}

/// Belongs to whoever exchanges.
struct Turn {
    replica: Replica,
    heard: Heard,
    /// Reports that were not told, or perhaps not: telling them twice changes nothing.
    owed: Vec<Operation>,
    /// Whether the last takes were told is unknown.
    is_in_doubt: bool,
}

impl SharedCounters {
    pub(super) fn new(
        exchange: Arc<dyn Exchange>,
        (replica, takes): (Replica, Arc<Takes>),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let turn = Turn { replica, heard: Heard::default(), owed: Vec::new(), is_in_doubt: false };
        Self { exchange, waiting: Mutex::default(), turn: tokio::sync::Mutex::new(turn), takes, clock }
    }

    /// The time of the log, as far as this node has heard.
    pub(super) fn time(&self) -> LogTime {
        self.takes.time()
    }

    /// Hears what the others have told so far.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn hear(self: &Arc<Self>) -> Result<(), StoreError> {
        self.exchanged(None).await.map(drop)
    }

    /// Tells all nodes, and returns what became of the operation after everything that was told before it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]. A report is told later then; an attempt is taken back if it was told after all.
    pub(super) async fn tell(self: &Arc<Self>, operation: Operation) -> Result<Settled, StoreError> {
        self.exchanged(Some(operation)).await?.ok_or_else(closed)
    }

    /// Tells the others what was taken out of this node's buckets, and hears what they have told.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]. What was not told is told the next time.
    pub async fn share_takes(&self) -> Result<(), StoreError> {
        for _ in 0..UNTOLD.div_ceil(TAKES_AT_ONCE) {
            // Others have their turn in between.
            let mut turn = self.turn.lock().await;
            // What the log has of them is told no more.
            if std::mem::replace(&mut turn.is_in_doubt, true) {
                self.exchange_in(&mut turn, &[]).await?;
            }
            let operations = self.takes.operations(TAKES_AT_ONCE, self.clock.now());
            self.exchange_in(&mut turn, &operations).await?;
            turn.is_in_doubt = false;
            if operations.len() < TAKES_AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    /// Shares takes as long as the task runs. Where there is no other node and nothing to tell, it asks nothing.
    pub async fn keep_sharing_takes(self: Arc<Self>, nodes: Arc<Nodes>) {
        let mut is_failing = false;
        loop {
            sleep(TAKES_EVERY).await;
            // A wrong time would be the time of all: the delays of all accounts would be over.
            if nodes.node_clock().check().is_err() {
                continue;
            }
            let speaks = self.takes.has_untold() || self.time().is_off(self.clock.now());
            if !speaks && !nodes.has_others() {
                continue;
            }
            let shared = self.share_takes().await;
            if let Err(error) = &shared
                && !is_failing
            {
                tracing::warn!(error = %error, "this node and the others limit apart how often something is done");
            }
            is_failing = shared.is_err();
        }
    }

    async fn exchanged(
        self: &Arc<Self>,
        operation: Option<Operation>,
    ) -> Result<Option<Settled>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { operation, answer });
        // A task of its own, because it carries what others wait for too, and a request may be given up at any time.
        tokio::spawn(Arc::clone(self).carry());
        answered.await.map_err(|_| closed())?
    }

    /// Carries what is waiting, unless somebody else has.
    async fn carry(self: Arc<Self>) {
        let mut turn = self.turn.lock().await;
        let waiting: Vec<Waiting> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let number = waiting.len().min(TOLD_AT_ONCE);
            waiting.drain(..number).collect()
        };
        if waiting.is_empty() {
            return;
        }
        let owed = turn.owed.len().min(TOLD_AT_ONCE);
        let mut operations: Vec<Operation> = turn.owed.drain(..owed).collect();
        operations.extend(waiting.iter().filter_map(|one| one.operation));
        let result = self.exchange_in(&mut turn, &operations).await;
        if result.is_err() {
            turn.owe(operations.into_iter().filter(|operation| !operation.is_attempt()));
        }
        let mut settled = result.map(|settled| settled.into_iter().skip(owed));
        for Waiting { operation, answer } in waiting {
            let settled = match &mut settled {
                Ok(settled) => Ok(operation.and_then(|_| settled.next())),
                Err(error) => Err(error.clone()),
            };
            // Whoever has gone away hashes nothing.
            if let Err(Ok(Some(settled))) = answer.send(settled) {
                turn.owe(abandoned(settled));
            }
        }
    }

    /// Tells `operations`, hears everything up to them, and returns what became of them.
    async fn exchange_in(
        &self,
        turn: &mut Turn,
        operations: &[Operation],
    ) -> Result<Vec<Settled>, StoreError> {
        let now = self.clock.now();
        // Without operations, it says how late this node's clock is.
        let speaks = !operations.is_empty() || self.time().is_off(now);
        let entry = speaks.then(|| turn.replica.entry(operations, now));
        let mut answer = self.exchange.exchange(turn.heard, entry).await?;
        let (era, written, newest) = (answer.era, answer.written, answer.newest);
        let mut own = Vec::new();
        loop {
            let is_last = answer.entries.is_empty();
            own.extend(turn.hear(answer, written, now));
            if is_last || turn.heard.number >= newest {
                break;
            }
            answer = self.exchange.exchange(turn.heard, None).await?;
            if answer.era != era {
                break;
            }
        }
        if own.len() == operations.len() {
            Ok(own)
        } else {
            Err(StoreError::Unavailable("the log of the nodes has begun anew".to_owned()))
        }
    }
}

impl Turn {
    /// Applies what was read. Returns what became of the operations in the entry that was just `written`.
    fn hear(&mut self, answer: Exchanged, written: Option<u64>, now: Timestamp) -> Vec<Settled> {
        let Exchanged { era, entries, .. } = answer;
        if era != self.heard.era {
            self.replica.begin_anew(era);
            self.heard = Heard { era, number: 0 };
        }
        let mut own = Vec::new();
        for (entry, bytes) in entries {
            let Applied { is_own, outcomes } = self.replica.apply(entry, &bytes, now);
            self.heard.number = entry;
            if written == Some(entry) {
                own.extend(outcomes);
            } else if is_own {
                // It was told although that seemed to have failed: nobody hashes anything.
                self.owe(outcomes.into_iter().filter_map(abandoned));
            }
        }
        own
    }

    fn owe(&mut self, operations: impl IntoIterator<Item = Operation>) {
        self.owed.extend(operations);
        let too_many = self.owed.len().saturating_sub(OWED);
        self.owed.drain(..too_many);
    }
}

/// Takes an attempt back, if it was permitted.
fn abandoned((attempt, outcome): Settled) -> Option<Operation> {
    matches!(outcome, Some(Ok(_))).then_some(Operation::Abandoned { attempt })
}

fn closed() -> StoreError {
    StoreError::Unavailable("the log of the nodes is closed".to_owned())
}

impl fmt::Debug for SharedCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCounters").finish_non_exhaustive()
    }
}
