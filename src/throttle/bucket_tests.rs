//! The buckets of one node.

use std::time::Duration;

use super::bucket::{Buckets, Rate};
use crate::clock::Timestamp;

const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(2) };

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_000 + seconds)
}

fn go(buckets: &Buckets, key: [u8; 16], now: Timestamp) -> Result<(), u64> {
    let wait = buckets.wait(&key, now);
    if wait.is_zero() {
        buckets.take(&key, now);
        return Ok(());
    }
    Err(wait.as_secs())
}

#[test]
fn a_burst_is_free_and_then_one_in_each_interval() {
    let buckets = Buckets::new(RATE);
    let key = [7; 16];
    for _ in 0..3 {
        assert_eq!(go(&buckets, key, at(0)), Ok(()));
    }
    assert_eq!(go(&buckets, key, at(0)), Err(2));
    assert_eq!(go(&buckets, key, at(1)), Err(1), "to be refused costs nothing");
    assert_eq!(go(&buckets, [8; 16], at(1)), Ok(()), "each has its own");
    assert_eq!(go(&buckets, key, at(2)), Ok(()));
    assert_eq!(go(&buckets, key, at(2)), Err(2));
    for _ in 0..3 {
        assert_eq!(go(&buckets, key, at(100)), Ok(()), "full again, and not fuller");
    }
    assert_eq!(go(&buckets, key, at(100)), Err(2));
}

#[test]
fn of_many_who_try_at_once_no_more_than_the_burst_get_one() {
    let buckets = Buckets::new(RATE);
    let got: usize = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..8).map(|_| scope.spawn(|| buckets.try_take(&[7; 16], at(0)).is_ok())).collect();
        tries.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
    });
    assert_eq!(got, 3);
    assert_eq!(buckets.try_take(&[7; 16], at(1)), Err(Duration::from_secs(1)));
    assert_eq!(buckets.try_take(&[7; 16], at(2)), Ok(()));
    assert_eq!(Buckets::new(Rate { burst: 0, ..RATE }).try_take(&[7; 16], at(0)), Ok(()));
}

#[test]
fn who_takes_more_than_there_is_at_once_waits_all_the_same() {
    let buckets = Buckets::new(RATE);
    for _ in 0..4 {
        buckets.take(&[7; 16], at(0));
    }
    assert_eq!(go(&buckets, [7; 16], at(0)), Err(2));
}

#[test]
fn a_clock_that_was_set_back_shuts_nobody_out() {
    let buckets = Buckets::new(RATE);
    for _ in 0..3 {
        assert_eq!(go(&buckets, [7; 16], at(5_000)), Ok(()));
    }
    assert_eq!(go(&buckets, [7; 16], at(0)), Ok(()));
}

#[test]
fn without_a_burst_there_is_no_limit() {
    let buckets = Buckets::new(Rate { burst: 0, ..RATE });
    for _ in 0..1_000 {
        assert_eq!(go(&buckets, [7; 16], at(0)), Ok(()));
    }
}

#[test]
fn those_in_the_greatest_hurry_are_remembered_however_many_there_are() {
    let buckets = Buckets::new(RATE);
    for _ in 0..3 {
        assert_eq!(go(&buckets, [7; 16], at(0)), Ok(()));
    }
    // Keys that all meet in one set.
    for other in 0..1_000_u64 {
        let mut key = [7; 16];
        key[..8].copy_from_slice(&other.to_be_bytes());
        assert_eq!(go(&buckets, key, at(0)), Ok(()));
    }
    assert_eq!(go(&buckets, [7; 16], at(0)), Err(2));
}
