//! When takes are told and heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::nodes::Nodes;
use super::shared_counters::SharedCounters;
use super::uptime::Uptime;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::random::Random;
use crate::store::cluster::{
    ClockDifference, Cluster, ExpectedClock, Heartbeat, NodeDescription, NodeId, NodeState, Standing,
};
use crate::store::memory::MemoryStore;
use crate::store::{Exchange, Exchanged, Heard, Store, StoreError, StoreFuture};
use crate::throttle::bucket::{Buckets, Rate};
use crate::throttle::operation::LimitedAction;
use crate::throttle::rate_limits::RateLimits;
use crate::throttle::replica::Replica;
use crate::throttle::takes::Takes;
use crate::throttle::{Settings, Throttle};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

/// A log in memory.
#[derive(Default)]
struct Log(Mutex<State>);

#[derive(Default)]
struct State {
    entries: Vec<Vec<u8>>,
    calls: usize,
    /// How many answers are lost, and whether what was said is lost too.
    lost: (usize, bool),
}

impl Exchange for Log {
    fn exchange(&self, after: Heard, entry: Option<Vec<u8>>) -> StoreFuture<'_, Exchanged> {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        let is_lost = state.lost.0 > 0;
        state.lost.0 = state.lost.0.saturating_sub(1);
        let written = entry.filter(|_| !(is_lost && state.lost.1)).map(|entry| {
            state.entries.push(entry);
            state.entries.len() as u64
        });
        let numbered = (1..).zip(&state.entries).map(|(number, entry)| (number, entry.clone()));
        let answer = Exchanged {
            era: [1; 16],
            written,
            newest: state.entries.len() as u64,
            entries: numbered.filter(|(number, _)| *number > after.number).collect(),
        };
        Box::pin(
            async move { if is_lost { Err(StoreError::Unavailable("lost".to_owned())) } else { Ok(answer) } },
        )
    }
}

struct Node {
    shared: Arc<SharedCounters>,
    buckets: Arc<Buckets>,
    clock: Arc<ManualClock>,
}

impl Node {
    fn on(log: &Arc<Log>, number: u8) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let throttle = || Arc::new(Throttle::new(Settings::off(), &[7; 32]));
        let takes = Arc::new(Takes::new(&[7; 32]));
        let rate = Rate { burst: 3, every: Duration::from_secs(1) };
        let rate_limits = RateLimits::new(|_| rate, Some(&takes));
        let buckets = Arc::clone(rate_limits.of(LimitedAction::Refresh));
        let replica = Replica::new([number; 8], (throttle(), throttle()), (rate_limits, Arc::clone(&takes)));
        let log: Arc<dyn Exchange> = Arc::<Log>::clone(log);
        let mine: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        Self { shared: Arc::new(SharedCounters::new(log, (replica, takes), mine)), buckets, clock }
    }

    /// Takes what it gets, of at most so many.
    fn takes(&self, number: usize) -> usize {
        (0..number).filter(|_| self.buckets.try_take(&[5; 16], self.clock.now()).is_ok()).count()
    }
}

/// Another node, which has just said that its clock is the store's.
struct Another(Mutex<Timestamp>);

impl Another {
    fn standing(&self) -> Standing {
        let now = *self.0.lock().unwrap();
        let node = NodeDescription {
            id: [9; 16].into(),
            name: "another".to_owned(),
            version: String::new(),
            configuration: BTreeMap::new(),
        };
        let clock = ClockDifference::default();
        let node =
            NodeState { node, answers: true, started: NOW, seen: now, answered: None, position: 0, clock };
        Standing { now, nodes: vec![node], ..Standing::default() }
    }
}

impl Cluster for Another {
    fn beat(&self, _: Heartbeat) -> StoreFuture<'_, Standing> {
        Box::pin(async { Ok(self.standing()) })
    }

    fn look(&self) -> StoreFuture<'_, Standing> {
        Box::pin(async { Ok(self.standing()) })
    }

    fn leave(&self, _: NodeId) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn expect(&self, _: Arc<dyn ExpectedClock>) {}
}

/// Without any other node.
fn nodes() -> Arc<Nodes> {
    nodes_on(None)
}

fn nodes_on(cluster: Option<Arc<dyn Cluster>>) -> Arc<Nodes> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let uptime = Arc::new(Uptime::new(Arc::clone(&store), Arc::clone(&clock)));
    let described = (Some("one"), BTreeMap::new());
    Arc::new(Nodes::new(cluster, (store, uptime), described, clock, &Random::system()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_asks_nothing_and_what_is_taken_fast_is_told_within_a_moment() {
    let log = Arc::<Log>::default();
    let node = Node::on(&log, 1);
    let calls = || log.0.lock().unwrap().calls;
    let sharing = tokio::spawn(Arc::clone(&node.shared).keep_sharing_takes(nodes()));
    let wait = |millis| tokio::time::sleep(Duration::from_millis(millis));
    wait(60_000).await;
    assert_eq!((node.takes(1), calls()), (1, 0));
    wait(60_000).await;
    assert_eq!(calls(), 0, "it is quiet");
    assert_eq!(node.takes(2), 2);
    wait(300).await;
    assert_eq!(calls(), 1);
    wait(60_000).await;
    assert_eq!(calls(), 1);
    // Its clock is far behind the log.
    node.clock.set(NOW.before(Duration::from_hours(1)));
    wait(300).await;
    assert_eq!(calls(), 2, "it says so");
    wait(60_000).await;
    assert_eq!(calls(), 2);
    sharing.abort();
}

/// The log's time would be wrong for all nodes.
#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_is_wrong_tells_nothing_until_it_is_right() {
    let log = Arc::<Log>::default();
    let node = Node::on(&log, 1);
    let another = Arc::new(Another(Mutex::new(NOW.before(Duration::from_mins(1)))));
    let nodes = nodes_on(Some(Arc::<Another>::clone(&another)));
    nodes.beat().await.unwrap();
    let sharing = tokio::spawn(Arc::clone(&node.shared).keep_sharing_takes(Arc::clone(&nodes)));
    assert_eq!(node.takes(2), 2);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(log.0.lock().unwrap().calls, 0);
    *another.0.lock().unwrap() = NOW;
    nodes.beat().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.0.lock().unwrap().entries.len(), 1);
    sharing.abort();
}

#[tokio::test]
async fn what_was_perhaps_told_is_told_again_only_if_it_was_not() {
    for nothing_is_written in [false, true] {
        let log = Arc::<Log>::default();
        let [one, other] = [1, 2].map(|number| Node::on(&log, number));
        assert_eq!(one.takes(2), 2);
        log.0.lock().unwrap().lost = (1, nothing_is_written);
        assert!(one.shared.share_takes().await.is_err());
        one.shared.share_takes().await.unwrap();
        one.shared.share_takes().await.unwrap();
        assert_eq!(log.0.lock().unwrap().entries.len(), 1);
        other.shared.hear().await.unwrap();
        assert_eq!(other.takes(5), 2, "one of two was loud");
    }
}

#[tokio::test]
async fn many_keys_are_told_in_several_entries() {
    let log = Arc::<Log>::default();
    let node = Node::on(&log, 1);
    for number in 0..1500_u128 {
        let key = number.to_be_bytes();
        assert_eq!([(); 2].map(|()| node.buckets.try_take(&key, NOW)), [Ok(()); 2]);
    }
    node.shared.share_takes().await.unwrap();
    let lengths: Vec<usize> = log.0.lock().unwrap().entries.iter().map(Vec::len).collect();
    assert!(lengths.len() == 3 && lengths.iter().all(|length| *length < 20_000), "{lengths:?}");
}
