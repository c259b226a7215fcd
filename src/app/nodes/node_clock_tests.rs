use super::*;
use crate::clock::ManualClock;

const NOON: Timestamp = Timestamp::from_seconds(4_000_000_000);

fn other(ahead: i64, started: u64) -> OtherClock {
    let difference = ClockDifference { ahead, error: 10 };
    OtherClock { name: "b".to_owned(), difference, rank: (Timestamp::from_seconds(started), [2; 16].into()) }
}

/// A node that started at 100, whose clock is this far ahead of the store's.
fn node(ahead: i64, others: Vec<OtherClock>) -> (Arc<ManualClock>, NodeClock) {
    let clock = Arc::new(ManualClock::at(NOON));
    let node = NodeClock::new(Arc::<ManualClock>::clone(&clock));
    let difference = ClockDifference { ahead, error: 10 };
    node.note(node.read(), difference, (Timestamp::from_seconds(100), [1; 16].into()), others);
    (clock, node)
}

fn yields(ahead: i64, others: Vec<OtherClock>) -> bool {
    node(ahead, others).1.check().is_err()
}

#[test]
fn of_two_clocks_that_are_too_far_apart_the_one_goes_on_that_is_closer_to_the_stores() {
    assert!(!yields(0, vec![other(-60_000, 1)]), "the other one yields");
    assert!(yields(-60_000, vec![other(0, 200)]));
    assert!(!yields(5020, vec![other(0, 1)]), "that may be due to the measurement");
    assert!(yields(5021, vec![other(0, 1)]));
    // The store's clock is an hour behind: nobody cares.
    assert!(!yields(3_600_000, vec![other(3_604_000, 1)]));
    assert!(!yields(3_600_000, Vec::new()), "there is nobody to disagree with");
    // Equally far: who has run longer goes on.
    assert!(yields(3000, vec![other(-3000, 99)]));
    assert!(!yields(3000, vec![other(-3000, 101)]));
}

#[test]
fn a_node_that_begins_must_agree_with_all() {
    let refused = node(0, vec![other(60_000, 1)]).1.check_strictly().unwrap_err();
    assert_eq!(refused.to_string(), "this node's clock is 60.0 s behind the clock of the node b");
    let refused = node(7500, vec![other(-100, 1)]).1.check_strictly().unwrap_err();
    assert_eq!(refused.to_string(), "this node's clock is 7.6 s ahead of the clock of the node b");
    assert!(node(0, vec![other(4000, 1)]).1.check_strictly().is_ok());
    assert!(node(90_000, Vec::new()).1.check_strictly().is_ok());
}

#[tokio::test]
async fn a_jump_shows_at_once() {
    let (clock, node) = node(100, vec![other(0, 1)]);
    clock.advance(Duration::from_mins(10));
    assert!(node.check().is_ok(), "time passes");
    clock.set(clock.now().after(Duration::from_secs(4)));
    assert!(node.check().is_ok());
    clock.set(clock.now().before(Duration::from_mins(1)));
    assert_eq!(node.check(), Err(OutOfStep { ahead: 100 + 4000 - 60_000, other: "b".to_owned() }));
    assert_eq!(node.difference(), Some(ClockDifference { ahead: 100 + 4000 - 60_000, error: 10 }));
    // Whoever beats hears of it.
    node.jumped().await;
    clock.set(clock.now().after(Duration::from_secs(57)));
    assert!(node.check().is_ok(), "it was set right");
}

#[test]
fn the_store_is_asked_in_the_middle_and_half_of_the_time_is_the_error() {
    let clock = Arc::new(ManualClock::at(NOON));
    let node = NodeClock::new(Arc::<ManualClock>::clone(&clock));
    assert_eq!((node.check(), node.difference()), (Ok(()), None));
    let began = node.read();
    clock.advance(Duration::from_millis(400));
    let difference = node.measure(began, NOON.before(Duration::from_secs(1)));
    assert_eq!(difference, ClockDifference { ahead: 1200, error: 201 });
}

#[tokio::test]
async fn what_is_expected_of_the_stores_clock_follows_the_nodes_own_and_its_jumps() {
    let clock = Arc::new(ManualClock::at(NOON));
    let unmeasured = NodeClock::new(Arc::<ManualClock>::clone(&clock));
    assert_eq!(unmeasured.latest(), None);
    for ahead in [2000_i64, -2000] {
        let (clock, node) = node(ahead, Vec::new());
        let millis = |by: i64| Some(Timestamp::from_millis(NOON.millis().strict_add_signed(by)));
        assert_eq!(node.latest(), millis(5010 - ahead));
        clock.advance(Duration::from_secs(3));
        assert_eq!(node.latest(), millis(8010 - ahead));
        // Somebody set it: the store's clock goes on as before.
        clock.set(clock.now().after(Duration::from_secs(50)));
        assert_eq!(node.latest(), millis(8010 - ahead));
        // Whoever beats hears that it was wrong.
        node.was_late();
        node.jumped().await;
    }
}
