//! Tests of summaries: random histories, and what is left of them.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::oauth::{Kid, UserId};
use crate::session::event::Started;

type Stream = Vec<(u64, Option<SessionEvent>)>;

const T0: u64 = 1_000_000;

fn issued(at: u64) -> Issued {
    Issued { iat: at, exp: at + 600, scope: None, kid: Kid::from_bytes([(at % 251) as u8; 32]) }
}

/// Something that happens to a session.
#[derive(Clone, Copy, Debug)]
enum Step {
    Rotate,
    Retry,
    Foreign,
    Reuse,
    Unreadable,
}

fn history(steps: &[(Step, u64)]) -> Stream {
    let at = Timestamp::from_seconds(T0);
    let started = Started {
        at,
        client: "web".parse().unwrap(),
        client_epoch: 0,
        user: Some(UserId::from([7; 16])),
        user_epoch: 0,
        installation_epoch: None,
        login: None,
        scope: "read".parse().unwrap(),
        audience: None,
        absolute_expiry: at.after(Duration::from_hours(9000)),
        idle_expiry: at.after(Duration::from_hours(100)),
        refreshable: true,
    };
    let first = SessionEvent::TokensIssued { at, nonce: [0; 16].into(), access: issued(T0) };
    let mut events = vec![Some(SessionEvent::Started(started)), Some(first)];
    let (mut now, mut generation) = (T0, 0);
    for (step, wait) in steps {
        now += wait;
        let at = Timestamp::from_seconds(now);
        events.push(match step {
            Step::Rotate => {
                generation += 1;
                Some(SessionEvent::TokensRotated {
                    at,
                    generation: Generation(generation),
                    nonce: u128::from(generation).to_be_bytes().into(),
                    access: issued(now),
                    idle_expiry: at.after(Duration::from_hours(100)),
                })
            }
            Step::Retry => Some(SessionEvent::AccessTokenIssued { at, access: issued(now) }),
            Step::Foreign => {
                Some(SessionEvent::ForeignClientRefused { at, client: "other".parse().unwrap() })
            }
            Step::Reuse => {
                let (presented, current) = (Generation(0), Generation(generation));
                Some(SessionEvent::ReuseDetected {
                    at,
                    presented,
                    current,
                    seconds_since: 1,
                    code_redeemed_at: None,
                })
            }
            Step::Unreadable => None,
        });
    }
    (1..).zip(events).collect()
}

fn fold(stream: &Stream) -> Session {
    stream.iter().filter_map(|(_, event)| event.as_ref()).fold(None, Session::apply).unwrap()
}

/// Replaces events by a summary, as a store does.
fn replace(stream: &mut Stream, first: u64, last: u64, summary: Summary) {
    let event = stream.iter_mut().find(|(version, _)| *version == last).unwrap();
    event.1 = Some(SessionEvent::RotationsSummarized(summary));
    stream.retain(|(version, _)| !(first..last).contains(version));
}

/// Summarizes everything old, page by page; returns how many events were summarized for the first time.
fn shorten(stream: &mut Stream, old: Timestamp, page: usize) -> u64 {
    let session = fold(stream);
    let (mut after, mut done) = (0, 0);
    loop {
        let events: Stream =
            stream.iter().filter(|(version, _)| *version > after).take(page).cloned().collect();
        let full = events.len() == page;
        match summarizable(&session, &events, old) {
            Part::Old { first, last, events, summary } => {
                assert!(first > after && events > 0);
                replace(stream, first, last, *summary);
                assert_eq!(fold(stream), session);
                (after, done) = (first - 1, done + events);
            }
            Part::ReadOn { after: read } if full => {
                assert!(read > after, "it would never end");
                after = read;
            }
            Part::ReadOn { .. } | Part::Young { .. } => return done,
        }
    }
}

fn counts(stream: &Stream) -> [u64; 2] {
    stream.iter().fold([0, 0], |[rotations, others], (_, event)| match event {
        Some(SessionEvent::TokensRotated { .. }) => [rotations + 1, others],
        Some(SessionEvent::AccessTokenIssued { .. }) => [rotations, others + 1],
        Some(SessionEvent::RotationsSummarized(it)) => [rotations + it.rotations, others + it.access_tokens],
        Some(_) | None => [rotations, others],
    })
}

fn rotations(number: usize, every: u64) -> Vec<(Step, u64)> {
    vec![(Step::Rotate, every); number]
}

#[test]
fn old_rotations_become_one_event_and_the_newest_stay() {
    let original = history(&rotations(100, 60));
    let mut stream = original.clone();
    assert_eq!(shorten(&mut stream, Timestamp::from_seconds(T0 + 60 * 50), 60), 49);
    let versions: Vec<_> = stream.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, [vec![1, 2, 51], (52..=102).collect()].concat());
    let Some(SessionEvent::RotationsSummarized(summary)) = &stream[2].1 else { panic!("{:?}", stream[2]) };
    assert_eq!((summary.rotations, summary.access_tokens, summary.generation), (49, 0, Generation(49)));
    assert_eq!(summary.first, Timestamp::from_seconds(T0 + 60));
    assert_eq!(summary.last, Timestamp::from_seconds(T0 + 60 * 49));
    assert_eq!(fold(&stream), fold(&original));
    // All of it is old now: what the state remembers stays.
    assert_eq!(shorten(&mut stream, Timestamp::from_seconds(T0 * 2), 60), 46);
    assert_eq!(stream.len(), 3 + NAMED);
    assert_eq!(shorten(&mut stream, Timestamp::from_seconds(T0 * 2), 48), 0, "once");
}

#[test]
fn what_is_no_refresh_splits_and_short_rows_stay() {
    let other = |step| vec![(step, 60)];
    for step in [Step::Foreign, Step::Reuse, Step::Unreadable] {
        let rows = [rotations(40, 60), other(step), rotations(15, 60), other(step), rotations(60, 60)];
        let mut stream = history(&rows.concat());
        let kept: Vec<_> = stream[42..59].to_vec();
        assert_eq!(shorten(&mut stream, Timestamp::from_seconds(T0 * 2), 48), 95, "{step:?}");
        let names: Vec<_> =
            stream.iter().map(|(_, event)| event.as_ref().map_or("?", SessionEvent::name)).collect();
        assert_eq!(names.iter().filter(|name| **name == "rotations_summarized").count(), 2);
        assert_eq!(stream[3..20], kept, "{step:?}");
    }
}

#[test]
fn a_session_has_many_rotations_from_those_that_are_never_summarized_and_a_summary_worth() {
    let after = |number| fold(&history(&rotations(number, 60)));
    assert!(!has_many(&after(WORTH + NAMED - 1)));
    assert!(has_many(&after(WORTH + NAMED)) && has_many(&after(WORTH + NAMED + 1)));
}

#[test]
fn old_access_tokens_of_a_client_that_acts_for_itself_become_one_event() {
    let mut stream = history(&[(Step::Retry, 300); 40]);
    let Some(SessionEvent::Started(started)) = &mut stream[0].1 else { panic!("{:?}", stream[0]) };
    started.user = None;
    assert!(has_many(&fold(&stream)));
    assert_eq!(shorten(&mut stream, Timestamp::from_seconds(T0 + 300 * 31), 60), 30);
    assert_eq!(counts(&stream), [0, 40]);
    assert_eq!(stream.len(), 2 + 1 + 10);
}

#[test]
fn it_says_when_there_will_be_enough() {
    let stream = history(&rotations(100, 60));
    let session = fold(&stream);
    let at = |number: u64| Timestamp::from_seconds(T0 + 60 * number);
    let young = |events: &Stream, old| summarizable(&session, events, old);
    // The first two events are not refreshes.
    let expected = Part::Young { after: 2, worth_at: Some(at(16)) };
    assert_eq!(young(&stream, at(0)), expected);
    assert_eq!(young(&stream, at(16)), expected);
    assert!(matches!(young(&stream, at(17)), Part::Old { first: 3, last: 18, events: 16, .. }));
    let end = stream[90..].to_vec();
    assert_eq!(young(&end, at(96)), Part::Young { after: 90, worth_at: None });
    assert_eq!(young(&stream[..2].to_vec(), at(9)), Part::ReadOn { after: 2 });
    assert_eq!(young(&stream[..10].to_vec(), at(50)), Part::ReadOn { after: 2 });
}

#[test]
fn a_page_of_access_tokens_without_a_rotation_is_read_once() {
    let rows = [rotations(30, 60), vec![(Step::Foreign, 60)], vec![(Step::Retry, 60); 60], rotations(40, 60)];
    let mut stream = history(&rows.concat());
    let session = fold(&stream);
    let old = Timestamp::from_seconds(T0 * 2);
    let page = stream[33..33 + 48].to_vec();
    assert_eq!(summarizable(&session, &page, old), Part::ReadOn { after: page[47].0 });
    // The events at the end of the stream may still be followed by a rotation.
    assert_eq!(summarizable(&session, &page[..WORTH - 1], old), Part::ReadOn { after: page[0].0 - 1 });
    // The first rotations, and a page of what follows the one without any.
    assert_eq!(shorten(&mut stream, old, 48), 30 + 48);
}

#[test]
fn its_bytes_are_for_ever() {
    let mut stream = history(&rotations(30, 60));
    shorten(&mut stream, Timestamp::from_seconds(T0 * 2), 48);
    let event = stream[2].1.clone().unwrap();
    let bytes = event.encode();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
    assert_eq!(hex, FROZEN);
    assert_eq!(SessionEvent::decode(&bytes), Ok(event));
    assert!(bytes.len() < 400, "{}", bytes.len());
}

const FROZEN: &str = "01820781881819001a3b9bb4601a3bb1ad60181985821a3bae03e05000000000000000000000000000000015821a3baeee40\
    5000000000000000000000000000000016821a3bafd8a05000000000000000000000000000000017821a3bb0c30050000000\
    00000000000000000000000018821a3bb1ad605000000000000000000000000000000019841a000f481c1a000f4a74f65820\
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a1a5126d760";

fn step() -> impl Strategy<Value = (Step, u64)> {
    let step = prop_oneof![
        60 => Just(Step::Rotate),
        6 => Just(Step::Retry),
        1 => Just(Step::Foreign),
        1 => Just(Step::Reuse),
        1 => Just(Step::Unreadable),
    ];
    (step, 0..3u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn a_summarized_history_folds_to_the_same_state(
        steps in prop::collection::vec(step(), 0..200),
        cuts in prop::collection::vec((0..400u64, WORTH..60), 1..6),
    ) {
        let original = history(&steps);
        let mut stream = original.clone();
        let mut summarized = 0;
        for (cut, page) in cuts {
            let old = Timestamp::from_seconds(T0 + cut);
            let before = stream.clone();
            summarized += shorten(&mut stream, old, page);
            // Young events and events that are not refreshes are unchanged.
            for (version, event) in &before {
                let stays = event.as_ref().is_none_or(|event| event.at() >= old || !is_a_refresh(event));
                prop_assert!(!stays || stream.contains(&(*version, event.clone())), "{event:?}");
            }
        }
        prop_assert_eq!(counts(&stream), counts(&original));
        let left = stream.iter().filter(|(_, event)| matches!(event, Some(SessionEvent::RotationsSummarized(_))));
        prop_assert_eq!(stream.len() as u64 + summarized, original.len() as u64 + left.count() as u64);
        // At every event that is left, the state is unchanged.
        for (index, (version, _)) in stream.iter().enumerate() {
            let then: Stream = original.iter().filter(|event| event.0 <= *version).cloned().collect();
            prop_assert_eq!(fold(&stream[..=index].to_vec()), fold(&then));
        }
    }
}
