//! Networks of IPv6: one subscriber has many addresses, and one provider has many subscribers.

use super::network::Networks;
use super::tests::{START, after, guess, guess_until_throttled, lan, network, throttle};
use super::*;

#[test]
fn a_network_is_an_address_of_ipv4_and_a_64_a_56_and_a_48_of_ipv6() {
    let throttle = throttle();
    let networks = |address: &str| {
        let networks = Networks::of(&throttle.hash, address.parse().unwrap());
        [networks.lan, networks.site(), networks.block()]
    };
    let same = |one: &str, other: &str| {
        let pairs = networks(one).into_iter().zip(networks(other));
        pairs.map(|(one, other)| one == other).collect::<Vec<_>>()
    };
    assert_eq!(same("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"), [true, true, true]);
    assert_eq!(same("2001:db8::1", "2001:db8:0:1::1"), [false, true, true]);
    assert_eq!(same("2001:db8::1", "2001:db8:0:ff::1"), [false, true, true]);
    assert_eq!(same("2001:db8::1", "2001:db8:0:100::1"), [false, false, true]);
    assert_eq!(same("2001:db8::1", "2001:db8:1::1"), [false, false, false]);
    assert_eq!(same("192.0.2.1", "::ffff:192.0.2.1"), [true, true, true]);
    assert_eq!(same("192.0.2.1", "192.0.2.2"), [false, false, false]);
}

/// Guesses at ann from 64 networks, in turns, twice a second for three hours; how often `person`, who knows the password,
/// was not let in, coming once in five minutes from a network where ann was never before.
fn refused_while(attacker: impl Fn(u64) -> IpAddr, person: impl Fn(u64) -> IpAddr) -> u32 {
    let throttle = throttle();
    let mut refused = 0;
    for second in 0..3 * 3600 {
        let now = after(second);
        for n in [2 * second, 2 * second + 1] {
            if let Ok(reservation) = guess(&throttle, "ann", attacker(n % 64), now) {
                reservation.failed(now);
            }
        }
        if second % 300 == 299 {
            match guess(&throttle, "ann", person(second / 300), now) {
                Ok(reservation) => reservation.succeeded(now),
                Err(_) => refused += 1,
            }
        }
    }
    let guesses = throttle.stats().failed;
    assert!((50..400).contains(&guesses), "{guesses} guesses");
    refused
}

#[test]
fn one_subscriber_whatever_its_64s_do_keeps_nobody_out() {
    assert_eq!(refused_while(|n| lan(0, n), network), 0);
    // Nor its neighbours in the same /48.
    assert_eq!(refused_while(|n| lan(0, n), |n| lan(1 + n, 0)), 0);
    // An address of IPv4.
    let address = |n: u64| IpAddr::from([192, 0, 2, u8::try_from(n).unwrap()]);
    assert_eq!(refused_while(|_| address(1), |n| address(2 + n)), 0);
}

#[test]
fn one_48_whatever_its_subscribers_do_keeps_nobody_out() {
    assert_eq!(refused_while(|n| lan(n, n), network), 0);
}

#[test]
fn two_48s_do_and_the_person_may_mistype_while_one_does() {
    assert!(refused_while(|n| network(9000 + n % 2), network) > 0);
    let throttle = throttle();
    for n in 0..64 {
        guess_until_throttled(&throttle, "ann", lan(0, n), START);
    }
    guess(&throttle, "ann", network(1), START).unwrap().failed(START);
    guess(&throttle, "ann", network(1), START).unwrap().succeeded(START);
}

#[test]
fn one_password_on_many_accounts_is_counted_by_64_by_56_and_by_48() {
    let spray = |peer: fn(u64) -> IpAddr| {
        let throttle = throttle();
        let tried = (0..4000).filter(|n| {
            let guess = guess(&throttle, &format!("victim {n}"), peer(*n), START);
            guess.map(|guess| guess.failed(START)).is_ok()
        });
        tried.count()
    };
    assert_eq!(spray(|_| lan(0, 0)), 100);
    assert_eq!(spray(|n| lan(0, n % 256)), 200);
    assert_eq!(spray(|n| lan(n % 256, n % 256)), 800);
    assert_eq!(spray(network), 4000);
    // A subscriber that is closed closes nobody else in its block.
    let throttle = throttle();
    for n in 0..4000 {
        drop(guess(&throttle, &format!("victim {n}"), lan(0, n % 256), START));
    }
    assert!(guess(&throttle, "ann", lan(0, 0), START).is_err());
    assert!(guess(&throttle, "ann", lan(1, 0), START).is_ok());
}

#[test]
fn what_is_given_back_is_given_back_by_every_counter() {
    let throttle = throttle();
    for n in 0..2000 {
        guess(&throttle, "ann", lan(n % 3, n % 5), START).unwrap().abandoned();
        guess(&throttle, &format!("bob {n}"), lan(n % 3, n % 5), START).unwrap().abandoned();
    }
    assert_eq!(guess_until_throttled(&throttle, "ann", lan(0, 0), START), 10);
}
