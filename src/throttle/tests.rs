use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;

pub(super) const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

pub(super) fn throttle() -> Throttle {
    Throttle::new(Settings::default(), &[7; 32])
}

pub(super) fn after(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

/// The `n`th network: a /48 of its own.
pub(super) fn network(n: u64) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(u128::from(0x2001_0db8_0000 + n) << 80 | 1))
}

/// The `n`th /64 of the `site`th /56 of one /48.
pub(super) fn lan(site: u64, n: u64) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(u128::from(0x3fff_0000_0000_0000 + (site << 8) + n) << 64 | 1))
}

/// Closes the account by wrong guesses from two networks.
fn close(throttle: &Throttle, account: &str, now: Timestamp) {
    for n in [7001, 7002] {
        guess_until_throttled(throttle, account, network(n), now);
    }
}

/// A guess at `account` from `peer` with a password like no other.
pub(super) fn guess<'a>(
    throttle: &'a Throttle,
    account: &str,
    peer: IpAddr,
    now: Timestamp,
) -> Result<Reservation<'a>, Throttled> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let password = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    throttle.reserve(Attempt { account: account.as_bytes(), peer, password: throttle.digest(&password) }, now)
}

/// Guesses wrongly until told to wait, and returns how often.
pub(super) fn guess_until_throttled(throttle: &Throttle, account: &str, peer: IpAddr, now: Timestamp) -> u32 {
    (0..1000).find(|_| guess(throttle, account, peer, now).map(|guess| guess.failed(now)).is_err()).unwrap()
}

/// If the limit were checked apart from counting, parallel guesses would all pass it.
#[test]
fn of_100_parallel_guesses_only_the_free_ones_are_hashed() {
    let throttle = throttle();
    let hashed = AtomicU32::new(0);
    let at_once = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for n in 0..100 {
            let (throttle, hashed, at_once) = (&throttle, &hashed, &at_once);
            scope.spawn(move || {
                at_once.wait();
                if let Ok(reservation) = guess(throttle, "ann", network(n % 5), START) {
                    hashed.fetch_add(1, Ordering::Relaxed);
                    reservation.failed(START);
                }
            });
        }
    });
    assert_eq!(hashed.into_inner(), Settings::default().account.free);
    assert_eq!(throttle.stats().throttled_by_account, 90);
    assert!(guess(&throttle, "ann", network(50), START).is_err(), "and nobody else's");
}

#[test]
fn reservations_count_before_their_outcome_is_known() {
    let throttle = throttle();
    let open: Vec<_> = (0..100).filter_map(|_| guess(&throttle, "ann", network(1), START).ok()).collect();
    assert_eq!(open.len(), 10);
    // Closing the connection before the answer undoes nothing.
    drop(open);
    assert!(guess(&throttle, "ann", network(1), START).is_err());
}

#[test]
fn a_flood_does_not_touch_who_comes_from_a_known_network() {
    let throttle = throttle();
    let home = network(0);
    guess(&throttle, "ann", home, START).unwrap().succeeded(START);
    // Two days of attacks from 100 networks, as often as they are permitted.
    for minute in 1..2 * 24 * 60 {
        let now = after(minute * 60);
        for n in 1..=100 {
            if let Ok(reservation) = guess(&throttle, "ann", network(n), now) {
                reservation.failed(now);
            }
        }
        if minute % 600 == 0 {
            assert!(guess(&throttle, "ann", network(500), now).is_err(), "the attack is felt by strangers");
            guess(&throttle, "ann", home, now).unwrap().succeeded(now);
        }
    }
}

#[test]
fn under_a_flood_that_never_ends_a_person_on_an_unknown_network_gets_in_too() {
    let throttle = throttle();
    // 20 networks ask every second and are always a little faster; the person comes back at the time in `retry_after`.
    let mut turn = after(3600);
    let mut waits = 0;
    for second in 0..24 * 3600 {
        let now = after(second);
        for n in 1..=20 {
            if let Ok(reservation) = guess(&throttle, "ann", network(n), now) {
                reservation.failed(now);
            }
        }
        if now >= turn {
            match guess(&throttle, "ann", network(500), now) {
                Ok(reservation) => {
                    reservation.succeeded(now);
                    assert!(waits > 0, "the attack was felt");
                    return;
                }
                Err(Throttled { retry_after, by }) => {
                    assert_eq!(by, ThrottledBy::Account);
                    waits += 1;
                    turn = now.after(retry_after);
                }
            }
        }
    }
    panic!("locked out for a day, after coming back {waits} times");
}

#[test]
fn a_distributed_attacker_gets_about_a_thousand_guesses_a_day_at_one_account() {
    let throttle = throttle();
    // A quarter of a day.
    for second in 0..6 * 3600 {
        for n in 0..10 {
            if let Ok(reservation) = guess(&throttle, "ann", network(n), after(second)) {
                reservation.failed(after(second));
            }
        }
    }
    let guesses = throttle.stats().failed;
    assert!((125..500).contains(&guesses), "{guesses}");
}

#[test]
fn a_success_clears_only_its_own_counter() {
    let throttle = throttle();
    // Strangers have closed ann's account counter, and one of them its own.
    assert_eq!(guess_until_throttled(&throttle, "ann", network(1), START), 10);
    close(&throttle, "ann", START);
    // Ann gets in when her turn has come, and from then on as often as she likes.
    let now = after(120);
    guess(&throttle, "ann", network(2), now).unwrap().succeeded(now);
    for _ in 0..50 {
        guess(&throttle, "ann", network(2), now).unwrap().succeeded(now);
    }
    // The other network has gained nothing but its one attempt.
    assert_eq!(guess_until_throttled(&throttle, "ann", network(1), now), 1);
}

/// Password spraying by somebody who has an account, whose own sign-ins must not reset the counter.
#[test]
fn own_successes_do_not_clear_the_network_of_who_tries_one_password_on_many_accounts() {
    let throttle = throttle();
    let peer = network(1);
    let mut guesses = 0;
    for n in 0..400 {
        let mine = guess(&throttle, &format!("mallory {n}"), peer, START);
        mine.map(|mine| mine.succeeded(START)).unwrap_or_default();
        if let Ok(reservation) = guess(&throttle, &format!("victim {n}"), peer, START) {
            reservation.failed(START);
            guesses += 1;
        }
    }
    assert_eq!(guesses, Settings::default().network.free);
    let Throttled { by, .. } = guess(&throttle, "one more", peer, START).unwrap_err();
    assert_eq!(by, ThrottledBy::Network);
    assert!(guess(&throttle, "one more", network(2), START).is_ok());
}

#[test]
fn a_success_clears_the_mistakes_of_the_person_who_made_them() {
    let throttle = throttle();
    let home = network(1);
    guess(&throttle, "ann", home, START).unwrap().succeeded(START);
    for _ in 0..20 {
        for _ in 0..9 {
            guess(&throttle, "ann", home, START).unwrap().failed(START);
        }
        guess(&throttle, "ann", home, START).unwrap().succeeded(START);
    }
    assert_eq!(guess_until_throttled(&throttle, "ann", home, START), 10);
}

#[test]
fn delays_grow_to_a_minute_and_not_further() {
    let throttle = throttle();
    guess(&throttle, "ann", network(1), START).unwrap().succeeded(START);
    let (mut now, mut delays) = (START, Vec::new());
    while delays.len() < 12 {
        match guess(&throttle, "ann", network(1), now) {
            Ok(reservation) => reservation.failed(now),
            Err(Throttled { retry_after, .. }) => {
                delays.push(retry_after.as_secs());
                now = now.after(retry_after);
            }
        }
    }
    assert_eq!(delays[..6], [1, 2, 4, 8, 16, 32]);
    assert!(delays[6..].iter().all(|delay| (32..=60).contains(delay)), "{delays:?}");
}

#[test]
fn threads_whose_clocks_disagree_a_little_do_not_throttle_each_other() {
    let throttle = throttle();
    guess(&throttle, "ann", network(1), after(2)).unwrap().failed(after(2));
    assert!(guess(&throttle, "ann", network(1), START).is_ok());
}

#[test]
fn invented_names_neither_push_a_counter_out_nor_close_other_accounts() {
    // A quarter of the cells and of the names, for speed.
    let settings =
        Settings { account_cells: 16_384, source_cells: 32_768, network_cells: 8192, ..Settings::default() };
    let throttle = Throttle::new(settings, &[7; 32]);
    assert_eq!(guess_until_throttled(&throttle, "victim", network(1), START), 10);
    close(&throttle, "victim", START);
    // As many names as are remembered when four cores hash a hundred a second each, without a pause.
    for n in 0..350_000 / 4 {
        guess(&throttle, &format!("invented {n}"), network(1000 + n), START).unwrap().failed(START);
    }
    assert!(guess(&throttle, "victim", network(2), START).is_err());
    let closed =
        (0..1000).filter(|n| guess(&throttle, &format!("other {n}"), network(n + 10), START).is_err());
    assert_eq!(closed.count(), 0);
    let state = throttle.state();
    assert_eq!(state.known_networks.len(), 0, "only a success writes there");
}

#[test]
fn the_same_wrong_password_twice_in_two_seconds_counts_once() {
    let throttle = throttle();
    let same = Attempt { account: b"ann", peer: network(1), password: throttle.digest(b"wrong") };
    // Nine different wrong passwords, then one that is sent twice.
    for _ in 0..9 {
        guess(&throttle, "ann", network(1), START).unwrap().failed(START);
    }
    throttle.reserve(same, START).unwrap().failed(START);
    let elsewhere = Attempt { peer: network(2), ..same };
    throttle.reserve(elsewhere, START).unwrap().abandoned();
    assert_eq!(throttle.stats().repeats, 0, "another network's is another attempt");
    throttle.reserve(same, after(2)).unwrap().failed(after(2));
    assert_eq!(throttle.stats().repeats, 1);
    // Only one repeat is free: the third attempt counts again.
    throttle.reserve(same, after(2)).unwrap().failed(after(2));
    assert_eq!(throttle.stats().repeats, 1);
    assert!(throttle.reserve(same, after(2)).is_err());
    // And no repeat is free when two seconds have passed.
    let late = Attempt { account: b"bob", ..same };
    throttle.reserve(late, START).unwrap().failed(START);
    throttle.reserve(late, START.after(Duration::from_millis(2001))).unwrap().failed(after(3));
    assert_eq!(throttle.stats().repeats, 1);
}

#[test]
fn what_was_never_hashed_is_given_back() {
    let throttle = throttle();
    for _ in 0..500 {
        guess(&throttle, "ann", network(1), START).unwrap().abandoned();
    }
    assert_eq!(guess_until_throttled(&throttle, "ann", network(1), START), 10);
    assert_eq!(throttle.stats().abandoned, 500);
}

#[test]
fn the_one_attempt_after_a_delay_is_given_back_too() {
    let throttle = throttle();
    guess_until_throttled(&throttle, "ann", network(1), START);
    for seconds in [5, 15, 30] {
        assert_eq!(guess_until_throttled(&throttle, "ann", network(1), after(seconds)), 1);
    }
    guess(&throttle, "ann", network(1), after(60)).unwrap().abandoned();
    assert_eq!(guess_until_throttled(&throttle, "ann", network(1), after(60)), 1);
}

#[test]
fn any_of_the_free_attempts_that_is_given_back_opens_the_counter() {
    let throttle = throttle();
    let mut open: Vec<_> = (0..10).map(|_| guess(&throttle, "ann", network(1), START).unwrap()).collect();
    assert!(guess(&throttle, "ann", network(1), START).is_err());
    open.remove(0).abandoned();
    assert_eq!(guess_until_throttled(&throttle, "ann", network(1), START), 1);
}

#[test]
fn an_origin_counts_nothing_and_a_network_is_known_to_who_has_signed_in_there() {
    let throttle = throttle();
    let known = |account: &str, peer| throttle.origin(account.as_bytes(), peer).known;
    assert!(!known("ann", network(1)));
    guess(&throttle, "ann", network(1), START).unwrap().succeeded(START);
    throttle.remember(b"ann@example.com", network(1), START);
    assert_eq!(["ann", "ann@example.com", "bob"].map(|name| known(name, network(1))), [true, true, false]);
    assert!(!known("ann", network(2)));
    let of = |peer| throttle.origin(b"ann", peer);
    assert_eq!(of(lan(0, 1)), of(lan(0, 2)));
    assert_ne!(of(lan(0, 1)).site, of(lan(1, 1)).site);
    assert_eq!(of(lan(0, 1)).block, of(lan(1, 1)).block);
    assert_eq!(throttle.stats().reserved, 1);
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let throttle = throttle();
    guess_until_throttled(&throttle, "ann", network(1), after(7200));
    assert!(guess(&throttle, "ann", network(1), after(3600)).is_ok());
    guess(&throttle, "bob", network(1), START).unwrap().succeeded(START);
    guess_until_throttled(&throttle, "bob", network(1), after(7200));
    assert!(guess(&throttle, "bob", network(1), after(3600)).is_ok());
}

#[test]
fn off_is_off() {
    let throttle = Throttle::new(Settings::off(), &[7; 32]);
    for n in 0..1000 {
        guess(&throttle, "ann", network(n % 3), START).unwrap().failed(START);
    }
}

#[test]
fn debug_shows_neither_key_nor_password() {
    let throttle = throttle();
    assert_eq!(format!("{:?}", throttle.digest(b"secret")), "PasswordDigest(…)");
    assert!(format!("{throttle:?}").ends_with(".. }"));
}
