//! Several nodes that apply one log.

use std::sync::Arc;

use proptest::prelude::*;

use super::bucket::Rate;
use super::operation::{Counters, Operation, Position};
use super::rate_limits::RateLimits;
use super::replica::{Applied, Replica};
use super::takes::Takes;
use super::tests::{START, network};
use super::*;
use std::time::Duration;

/// What a node does in a test: an attempt, or a report on an earlier one.
#[derive(Clone, Copy, Debug)]
enum Act {
    Attempt { account: u8, network: u64 },
    Succeed(usize),
    Abandon(usize),
}

fn replica(node: u8) -> Replica {
    under([7; 32], node)
}

fn under(key: [u8; 32], node: u8) -> Replica {
    let throttle = || Arc::new(Throttle::new(Settings::default(), &key));
    let takes = Arc::new(Takes::new(&key));
    let rate = Rate { burst: 0, every: Duration::from_secs(1) };
    let rate_limits = RateLimits::new(|_| rate, Some(&takes));
    Replica::new([node; 8], (throttle(), throttle()), (rate_limits, takes))
}

fn party(account: u8, net: u64) -> Party {
    Party::of(&KeyedHash::new(&[7; 32]), &[account], network(net))
}

fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let act = prop_oneof![
        6 => (0..3_u8, 0..4_u64).prop_map(|(account, network)| Act::Attempt { account, network }),
        2 => (0..60_usize).prop_map(Act::Succeed),
        2 => (0..60_usize).prop_map(Act::Abandon),
    ];
    // So many milliseconds after the act before.
    proptest::collection::vec((0..4000_u64, act), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of one process: every attempt at the counters themselves. Of three nodes: by the log, each act by another node.
    #[test]
    fn three_nodes_permit_exactly_what_one_process_permits(acts in acts()) {
        let alone = Throttle::new(Settings::default(), &[7; 32]);
        let mut nodes = [replica(1), replica(2), replica(3)];
        let (mut now, mut open, mut places) = (START, Vec::new(), Vec::new());
        for (index, (pause, act)) in acts.into_iter().enumerate() {
            let (number, by) = (index as u64 + 1, index % 3);
            now = now.after(Duration::from_millis(pause));
            // Reports come soon.
            let is_recent = |made: Timestamp| now.since(made) < Duration::from_secs(50);
            let place = |at: usize, places: &[(Position, Party, Timestamp)]| {
                places.get(at).copied().filter(|(_, _, made)| is_recent(*made))
            };
            let (operation, expected) = match act {
                Act::Attempt { account, network: net } => {
                    let password = alone.digest(&u64::to_be_bytes(number));
                    let attempt = Attempt { account: &[account], peer: network(net), password };
                    let reserved = alone.reserve(attempt, now);
                    let expected = reserved.as_ref().map(|one| one.counted.permitted()).map_err(|no| *no);
                    let party = party(account, net);
                    if let Ok(reservation) = reserved {
                        open.push(Some(reservation));
                        places.push((Position { entry: number, index: 0, era: [0; 16].into() }, party, now));
                    }
                    (Operation::Attempted { counters: Counters::SignIns, party }, Some(expected))
                }
                Act::Succeed(at) => {
                    let (Some((attempt, party, _)), Some(Some(one))) =
                        (place(at, &places), open.get_mut(at).map(Option::take)) else { continue };
                    one.succeeded(now);
                    let (counters, attempt) = (Counters::SignIns, Some(attempt));
                    (Operation::Succeeded { counters, party, attempt }, None)
                }
                Act::Abandon(at) => {
                    let (Some((attempt, ..)), Some(Some(one))) =
                        (place(at, &places), open.get_mut(at).map(Option::take)) else { continue };
                    one.abandoned();
                    (Operation::Abandoned { attempt }, None)
                }
            };
            let entry = nodes[by].entry(&[operation], now);
            for (node_index, node) in nodes.iter_mut().enumerate() {
                let Applied { is_own, outcomes } = node.apply(number, &entry, now);
                prop_assert_eq!(is_own, node_index == by);
                prop_assert_eq!(outcomes.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>(), vec![expected]);
            }
        }
    }
}

#[test]
fn a_node_whose_clock_is_wrong_by_an_hour_stops_no_other() {
    let (mut node, right, wrong) = (replica(1), replica(2), replica(3));
    let attempt = Operation::Attempted { counters: Counters::SignIns, party: party(1, 1) };
    let hour = START.after(Duration::from_hours(1));
    let mut permitted = 0;
    for number in 0..40 {
        let (by, now) = if number % 2 == 0 { (&right, START) } else { (&wrong, hour) };
        let applied = node.apply(number + 1, &by.entry(&[attempt], now), START);
        permitted += u32::from(matches!(applied.outcomes[..], [(_, Some(Ok(_)))]));
    }
    // Each hour has its own free ones.
    assert!((10..=20).contains(&permitted), "{permitted}");
    let later = START.after(Duration::from_mins(2));
    let applied = node.apply(50, &right.entry(&[attempt], later), later);
    assert!(matches!(applied.outcomes[..], [(_, Some(Ok(_)))]), "{applied:?}");
}

#[test]
fn what_is_told_under_another_key_changes_nothing() {
    let other = under([8; 32], 2);
    let (mut node, own) = (replica(1), replica(1));
    let attempt = Operation::Attempted { counters: Counters::SignIns, party: party(1, 1) };
    for number in 1..=20 {
        let applied = node.apply(number, &other.entry(&[attempt], START), START);
        assert!(!applied.is_own && applied.outcomes.is_empty());
    }
    let applied = node.apply(21, &own.entry(&[attempt], START), START);
    assert!(applied.is_own && matches!(applied.outcomes[..], [(_, Some(Ok(Permitted::Stranger)))]));
    assert!(node.apply(22, b"not an entry", START).outcomes.is_empty());
}

#[test]
fn the_shared_key_is_not_the_secret_and_never_changes() {
    let number =
        shared_key(&[5; 32]).iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    assert_eq!(format!("{number:032x}"), "3342db9a1044cb32d496635ecf64ec6d");
    assert_ne!(shared_key(&[5; 32]), shared_key(&[6; 32]));
}

#[test]
fn a_report_from_before_the_log_began_anew_takes_nobody_elses_attempt_back() {
    let (mut node, told) = (replica(1), replica(2));
    let attempt = Operation::Attempted { counters: Counters::SignIns, party: party(1, 1) };
    let applied = node.apply(1, &told.entry(&[attempt], START), START);
    let (before, _) = applied.outcomes[0];
    node.begin_anew([1; 16]);
    for number in 1..=10 {
        node.apply(number, &told.entry(&[attempt], START), START);
    }
    let is_refused = |node: &mut Replica, number| {
        let applied = node.apply(number, &told.entry(&[attempt], START), START);
        matches!(applied.outcomes[..], [(_, Some(Err(_)))])
    };
    assert!(is_refused(&mut node, 11));
    node.apply(12, &told.entry(&[Operation::Abandoned { attempt: before }], START), START);
    assert!(is_refused(&mut node, 13), "the first of this era was taken back");
}
