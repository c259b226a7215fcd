//! Nodes that take tokens out of the buckets that they share.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::bucket::{Buckets, QUIET, Rate};
use super::operation::LimitedAction;
use super::rate_limits::RateLimits;
use super::replica::Replica;
use super::takes::{Takes, UNTOLD};
use super::tests::START;
use super::{Settings, Throttle};
use crate::clock::Timestamp;

const KEY: [u8; 16] = [5; 16];
const ACTION: LimitedAction = LimitedAction::Refresh;
const EVERY: Duration = Duration::from_secs(1);

struct Node {
    replica: Replica,
    rate_limits: RateLimits,
    takes: Arc<Takes>,
    /// How many entries it has read.
    heard: usize,
}

impl Node {
    fn new(number: u8, rate: Rate) -> Self {
        let throttle = || Arc::new(Throttle::new(Settings::off(), &[7; 32]));
        let takes = Arc::new(Takes::new(&[7; 32]));
        let rate_limits = RateLimits::new(|_| rate, Some(&takes));
        let shared = (rate_limits.clone(), Arc::clone(&takes));
        Self {
            replica: Replica::new([number; 8], (throttle(), throttle()), shared),
            rate_limits,
            takes,
            heard: 0,
        }
    }

    fn take(&self, now: Timestamp) -> Result<(), Duration> {
        self.rate_limits.of(ACTION).try_take(&KEY, now)
    }

    fn tell(&self, log: &mut Vec<Vec<u8>>, now: Timestamp) {
        let operations = self.takes.operations(UNTOLD, now);
        if !operations.is_empty() {
            log.push(self.replica.entry(&operations, now));
        }
    }

    fn hear(&mut self, log: &[Vec<u8>], now: Timestamp) {
        for (number, entry) in (1..).zip(log).skip(self.heard) {
            self.replica.apply(number, entry, now);
        }
        self.heard = log.len();
    }

    /// Tells and hears.
    fn share(&mut self, log: &mut Vec<Vec<u8>>, now: Timestamp) {
        self.hear(log, now);
        self.tell(log, now);
        self.hear(log, now);
    }
}

fn rate(burst: u32) -> Rate {
    Rate { burst, every: EVERY }
}

fn nodes(number: u8, rate: Rate) -> Vec<Node> {
    (1..=number).map(|number| Node::new(number, rate)).collect()
}

fn after(millis: u64) -> Timestamp {
    START.after(Duration::from_millis(millis))
}

/// How many tokens a bucket gets in the time between two moments.
fn filled(from: Timestamp, to: Timestamp) -> usize {
    usize::try_from(to.since(from).as_millis() / EVERY.as_millis()).unwrap()
}

/// Longer than that, nobody waits who has something to tell.
const LONG: u64 = 2500;

/// A pause in milliseconds, mostly short, and which of three nodes takes then, or else tells and hears.
fn acts() -> impl Strategy<Value = Vec<(u64, usize, bool)>> {
    let pause = prop_oneof![30 => 0..400_u64, 5 => 0..LONG, 1 => 25_000..45_000_u64];
    proptest::collection::vec((pause, 0..3_usize, proptest::bool::weighted(0.7)), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nodes_that_hear_at_once_permit_one_for_each_other_node_more_than_one(
        acts in acts(), burst in 1..6_u32
    ) {
        let (mut nodes, mut log, mut now) = (nodes(3, rate(burst)), Vec::new(), START);
        let mut permitted: Vec<Timestamp> = Vec::new();
        for (pause, by, _) in acts {
            now = now.after(Duration::from_millis(pause));
            if nodes[by].take(now).is_ok() {
                permitted.push(now);
            }
            for node in &mut nodes {
                node.share(&mut log, now);
            }
            for node in &mut nodes {
                node.hear(&log, now);
            }
        }
        for (first, from) in permitted.iter().enumerate() {
            for (last, to) in permitted.iter().enumerate().skip(first) {
                let bound = burst as usize + 2 + filled(*from, *to);
                prop_assert!(last - first < bound, "{} of {bound} from {from} to {to}", last - first + 1);
            }
        }
    }

    /// Each tells and hears when it likes.
    #[test]
    fn nodes_that_hear_late_permit_no_more_than_what_was_not_heard_yet(acts in acts(), burst in 1..6_u32) {
        let (mut nodes, mut log, mut now) = (nodes(3, rate(burst)), Vec::new(), START);
        // When each was permitted, and how many permitted ones of other nodes this node had not heard of.
        let mut permitted: Vec<(Timestamp, usize)> = Vec::new();
        // How many each node has permitted, has told, and has heard of each other one.
        let (mut all, mut told, mut heard) = ([0; 3], [0; 3], [[0; 3]; 3]);
        for (pause, by, takes) in acts {
            let tellers = if pause >= LONG { &[0, 1, 2, 0, 1, 2][..] } else if takes { &[] } else { &[by][..] };
            for teller in tellers {
                nodes[*teller].share(&mut log, now);
                told[*teller] = all[*teller];
                heard[*teller] = told;
            }
            now = now.after(Duration::from_millis(pause));
            if takes && nodes[by].take(now).is_ok() {
                let others = (0..3).filter(|other| *other != by);
                permitted.push((now, others.map(|other| all[other] - heard[by][other]).sum()));
                all[by] += 1;
            }
        }
        for (first, (from, _)) in permitted.iter().enumerate() {
            for (last, (to, unheard)) in permitted.iter().enumerate().skip(first) {
                let bound = burst as usize + 3 + unheard + filled(*from, to.after(Duration::from_millis(LONG)));
                prop_assert!(last - first < bound, "{} of {bound} from {from} to {to}", last - first + 1);
            }
        }
    }
}

#[test]
fn in_the_long_run_nodes_that_take_all_they_get_permit_exactly_one_rate() {
    for burst in [1, 3, 60] {
        let (mut nodes, mut log) = (nodes(3, rate(burst)), Vec::new());
        let mut permitted = 0;
        let hour = 3_600_000;
        for millis in (0..hour).step_by(50) {
            for (number, node) in (0..).zip(&mut nodes) {
                while node.take(after(millis)).is_ok() {
                    permitted += 1;
                }
                // Four times a second, but not at the same time.
                if (millis + number * 100) % 250 == 0 {
                    node.share(&mut log, after(millis));
                }
            }
        }
        // One node permits 3599 + burst. Three permit their bursts, which they then have to wait for.
        let one = u64::from(burst) + 3599;
        assert!((one - 3..=one + 2 * u64::from(burst) + 2).contains(&permitted), "{permitted} of {one}");
    }
}

#[test]
fn a_key_that_is_used_now_and_then_writes_nothing() {
    let (mut nodes, mut log) = (nodes(3, rate(60)), Vec::new());
    for round in 0..100 {
        for (number, node) in (0..).zip(&mut nodes) {
            let now = after(round * (u64::from(QUIET) + 1) * 1000 + number * 300);
            assert_eq!(node.take(now), Ok(()));
            node.share(&mut log, now);
        }
    }
    assert!(log.is_empty() && nodes.iter().all(|node| !node.takes.has_untold()));
    // Twice in a shorter time is told, once.
    let now = after(100 * (u64::from(QUIET) + 1) * 1000);
    assert_eq!([nodes[0].take(now), nodes[0].take(now), nodes[0].take(now)], [Ok(()); 3]);
    assert_eq!(nodes[0].takes.operations(UNTOLD, now).len(), 1);
    nodes[0].share(&mut log, now);
    nodes[0].share(&mut log, now);
    assert_eq!(log.len(), 1);
    // What one node has told, makes the next take of another one loud.
    nodes[1].hear(&log, now);
    assert_eq!(nodes[1].take(now), Ok(()));
    assert!(nodes[1].takes.has_untold());
}

#[test]
fn what_was_taken_before_the_others_heard_is_waited_for_afterwards() {
    let (mut nodes, mut log) = (nodes(2, rate(3)), Vec::new());
    for node in &nodes {
        assert_eq!((0..5).filter(|_| node.take(START).is_ok()).count(), 3);
    }
    for node in &mut nodes {
        node.share(&mut log, START);
    }
    nodes[0].hear(&log, START);
    // Six of three, of which each node knows all but the other's first.
    assert_eq!([nodes[0].take(START), nodes[1].take(START)], [Err(EVERY * 3); 2]);
    assert_eq!(nodes[0].take(after(3000)), Ok(()));
}

#[test]
fn what_is_told_late_counts_from_when_it_was_taken() {
    let (mut nodes, mut log) = (nodes(2, rate(3)), Vec::new());
    assert_eq!((0..5).filter(|_| nodes[0].take(START).is_ok()).count(), 3);
    nodes[0].share(&mut log, after(1500));
    nodes[1].hear(&log, after(1500));
    // Two were told, of which one and a half are there again.
    assert_eq!((0..5).filter(|_| nodes[1].take(after(1500)).is_ok()).count(), 2);
    assert_eq!(nodes[1].take(after(1500)), Err(Duration::from_millis(500)));
    // A node that starts hears the same.
    let mut third = Node::new(3, rate(3));
    third.hear(&log, after(60_000));
    assert_eq!((0..5).filter(|_| third.take(after(60_000)).is_ok()).count(), 3);
}

#[test]
fn an_entry_of_unknown_outcome_is_told_again_only_if_it_is_not_there() {
    let (mut nodes, mut log) = (nodes(2, rate(9)), Vec::new());
    let told = |node: &Node| node.takes.operations(UNTOLD, START);
    for _ in 0..4 {
        assert_eq!(nodes[0].take(START), Ok(()));
    }
    // It gets no answer; what was taken since is told with it, or alone.
    let operations = told(&nodes[0]);
    assert_eq!(nodes[0].take(START), Ok(()));
    assert_eq!(nodes[0].takes.operations(UNTOLD, START).len(), 1);
    log.push(nodes[0].replica.entry(&operations, START));
    nodes[0].share(&mut log, START);
    assert!(!nodes[0].takes.has_untold());
    nodes[1].hear(&log, START);
    assert_eq!((0..9).filter(|_| nodes[1].take(START).is_ok()).count(), 5);
}

#[test]
fn of_too_many_keys_the_first_are_told() {
    let takes = Arc::new(Takes::new(&[7; 32]));
    let buckets = Buckets::shared(rate(60), ACTION, Arc::clone(&takes));
    for number in 0..UNTOLD as u128 + 500 {
        buckets.take(&number.to_be_bytes(), START);
        buckets.take(&number.to_be_bytes(), START);
    }
    assert_eq!(takes.operations(usize::MAX, START).len(), UNTOLD);
    assert_eq!(takes.operations(512, START).len(), 512);
}

#[test]
fn a_shared_bucket_is_not_closed_by_a_clock_that_was_set_back() {
    let node = Node::new(1, rate(3));
    let hour = Duration::from_hours(1);
    assert_eq!((0..9).filter(|_| node.take(START.after(hour)).is_ok()).count(), 3);
    assert_eq!((0..9).filter(|_| node.take(START).is_ok()).count(), 3);
    // Not by one that differs by some seconds.
    assert_eq!(node.take(START.before(Duration::from_secs(5))), Err(EVERY * 6));
}

#[test]
fn a_wait_is_told_by_the_clock_of_the_node_that_is_asked() {
    let (mut nodes, mut log) = (nodes(2, rate(3)), Vec::new());
    // The clock of the first is five seconds ahead.
    assert_eq!((0..9).filter(|_| nodes[0].take(after(5000)).is_ok()).count(), 3);
    nodes[0].share(&mut log, after(5000));
    nodes[1].hear(&log, START);
    assert_eq!(nodes[1].take(START), Ok(()), "it has heard of two");
    assert_eq!(nodes[1].take(after(1000)), Err(EVERY * 5));
    assert_eq!(nodes[1].take(after(5500)), Err(EVERY / 2));
    assert_eq!(nodes[1].take(after(6000)), Ok(()));
}

#[test]
fn without_a_burst_nothing_is_limited_and_nothing_told() {
    let (mut nodes, mut log) = (nodes(2, rate(0)), Vec::new());
    for _ in 0..100 {
        assert_eq!(nodes[0].take(START), Ok(()));
        nodes[0].rate_limits.of(ACTION).take(&KEY, START);
    }
    nodes[0].share(&mut log, START);
    assert!(log.is_empty());
}
