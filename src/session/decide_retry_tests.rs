//! A token that comes again: the retry that gets the same answer, and where its window ends.

use super::*;
use crate::clock::StepWatch;

#[test]
fn an_append_of_its_own_is_no_second_use_even_without_a_window() {
    let mut family = Family::new();
    family.policy.retry_window = Duration::ZERO;
    let first = family.present(family.tokens[0], &at(T0)).outcome.unwrap();
    // The next request draws the nonce of this one: it is the same request, which did not learn that its append
    // succeeded.
    family.nonces -= 1;
    let again = family.present(family.tokens[0], &at(T0));
    assert_eq!(names(&again), [] as [&str; 0]);
    assert_eq!(again.outcome.unwrap().refresh, first.refresh);
    // It is not reuse either if somebody has used the successor meanwhile.
    let second = family.rotate(T0);
    family.nonces = 0;
    let again = family.present(family.tokens[0], &at(T0)).outcome.unwrap();
    assert_eq!(again.refresh, Some(second));
    family.nonces = 9;
    assert_eq!(family.present(family.tokens[0], &at(T0)).outcome, Err(Denied::Reuse));
}

/// Hydra signed people out when an answer was lost (issue 1831).
#[test]
fn row_8_a_retry_gets_the_same_pair_and_records_nothing() {
    let mut family = Family::new();
    let first = family.present(family.tokens[0], &at(T0 + 60)).outcome.unwrap();
    for later in [0, 1, WINDOW - 1] {
        let decision = family.present(family.tokens[0], &at(T0 + 60 + later));
        assert_eq!(decision.events, []);
        assert_eq!(decision.outcome.unwrap(), Granted { retried: true, ..first.clone() });
    }
    let late = family.present(family.tokens[0], &at(T0 + 60 + WINDOW));
    assert_eq!(names(&late), ["reuse_detected", "session_ended"], "a retry extends nothing");
}

#[test]
fn row_8_a_retry_for_which_the_access_token_does_not_fit_gets_another_one() {
    let mut family = Family::new();
    family.policy.retry_until_used = true;
    let first = family.present(family.tokens[0], &at(T0)).outcome.unwrap();
    assert_eq!(names(&family.present(family.tokens[0], &at(T0 + 300))), [] as [&str; 0]);
    let decision = family.present(family.tokens[0], &at(T0 + 301));
    assert_eq!(names(&decision), ["access_token_issued"]);
    let renewed = decision.outcome.unwrap();
    assert_eq!((renewed.refresh, renewed.access.exp), (first.refresh, T0 + 901));
    let narrower = family.present(family.tokens[0], &Sent { scope: Some("read"), ..at(T0 + 301) });
    assert_eq!(names(&narrower), ["access_token_issued"]);
    assert_eq!(narrower.outcome.unwrap().scope, scope("read"));
}

#[test]
fn row_8_lasts_until_the_successor_is_used_where_the_client_has_credentials() {
    let mut family = Family::new();
    family.policy.retry_until_used = true;
    let old = family.tokens[0];
    let successor = family.rotate(T0);
    let retried = family.present(old, &at(T0 + 86_400)).outcome.unwrap();
    assert_eq!(retried.refresh, Some(successor));
    family.rotate(T0 + 86_401);
    assert_eq!(family.present(old, &at(T0 + 86_407)).outcome, Err(Denied::Reuse));
}

#[test]
fn time_in_which_the_server_was_down_does_not_count() {
    let mut family = Family::new();
    family.rotate(T0);
    let old = family.tokens[0];
    family.uptime = WINDOW - 1;
    assert!(family.present(old, &at(T0 + 150)).outcome.unwrap().retried);
    family.uptime = WINDOW;
    assert_eq!(family.present(old, &at(T0 + 151)).outcome, Err(Denied::Reuse));
}

/// The clocks are read at `wall` and `passed` seconds after `T0`.
fn jumped(wall: u64, passed: u64) -> Steps {
    let watch = StepWatch::since(Timestamp::from_seconds(T0), Duration::ZERO);
    let passed = Duration::from_secs(passed);
    watch.look(passed, Timestamp::from_seconds(wall), passed)
}

#[test]
fn time_that_the_clock_jumped_ahead_does_not_count() {
    let mut family = Family::new();
    family.rotate(T0);
    let old = family.tokens[0];
    family.steps = jumped(T0 + 125, 5);
    for (time, open) in [(T0 + 125, true), (T0 + 149, true), (T0 + 150, false)] {
        assert_eq!(family.decision(old, &at(time)).outcome.is_ok(), open, "{time}");
    }
    // A token rotated after the jump has no more than its window.
    family.rotate(T0 + 130);
    for (time, open) in [(T0 + 159, true), (T0 + 160, false)] {
        assert_eq!(family.decision(family.tokens[1], &at(time)).outcome.is_ok(), open, "{time}");
    }
}

#[test]
fn a_clock_that_is_set_back_opens_no_window_again_and_closes_none() {
    let mut family = Family::new();
    family.rotate(T0);
    let old = family.tokens[0];
    family.steps = jumped(T0 + 40 - 3600, 40);
    for time in [T0 - 3560, T0 - 3500, T0 - 2] {
        assert_eq!(family.decision(old, &at(time)).outcome, Err(Denied::Reuse), "{time}");
    }
    family.rotate(T0 - 3500);
    for (time, open) in [(T0 - 3500, true), (T0 - 3471, true), (T0 - 3470, false)] {
        assert_eq!(family.decision(family.tokens[1], &at(time)).outcome.is_ok(), open, "{time}");
    }
}

/// A jump long ago says nothing of a token that another node, whose clock is ahead, has just rotated.
#[test]
fn a_rotation_that_lies_ahead_was_a_moment_ago_whatever_jumped_before() {
    for (skew, ahead) in [(5, 5), (5, 1), (0, 1)] {
        for steps in [Steps::default(), jumped(T0 + 125, 5), jumped(T0 - 3600, 5)] {
            let mut family = Family::new();
            (family.skew, family.steps) = (skew, steps);
            let later = T0 + 4000;
            let second = family.rotate(later);
            let decision = family.present(family.tokens[0], &at(later - ahead));
            assert_eq!(decision.outcome.unwrap().refresh, Some(second), "{skew} {ahead}");
            let closed = later + WINDOW + skew;
            assert_eq!(family.present(family.tokens[0], &at(closed)).outcome, Err(Denied::Reuse));
        }
    }
}

#[test]
fn without_a_window_a_second_use_ends_the_family() {
    let mut family = Family::new();
    family.policy.retry_window = Duration::ZERO;
    family.rotate(T0);
    assert_eq!(family.present(family.tokens[0], &at(T0)).outcome, Err(Denied::Reuse));
    assert_eq!(family.ended(), Some(EndReason::Reuse));
}

#[test]
fn row_8_processes_that_share_a_token_end_up_with_the_same_pair() {
    let mut family = Family::new();
    family.rotate(T0);
    family.rotate(T0 + 6);
    let third = family.rotate(T0 + 7);
    // Each of the last four, as long as its own window is open.
    for (generation, time) in [(0, 8), (1, 8), (2, 8), (0, 29), (1, 35), (2, 36)] {
        let decision = family.present(family.tokens[generation], &at(T0 + time));
        assert_eq!(decision.events, [], "{generation} {time}");
        let granted = decision.outcome.unwrap();
        assert_eq!((granted.refresh, granted.retried), (Some(third), true), "{generation} {time}");
    }
    for (generation, time) in [(0, 30), (1, 36), (2, 37)] {
        let decision = family.decision(family.tokens[generation], &at(T0 + time));
        assert_eq!(decision.outcome, Err(Denied::Reuse), "{generation}");
    }
}

#[test]
fn row_8_until_used_holds_for_the_generation_before_and_the_window_for_earlier_ones() {
    let mut family = Family::new();
    family.policy.retry_until_used = true;
    family.rotate(T0);
    let second = family.rotate(T0 + 6);
    assert_eq!(family.present(family.tokens[0], &at(T0 + 29)).outcome.unwrap().refresh, Some(second));
    assert_eq!(family.present(family.tokens[1], &at(T0 + 86_400)).outcome.unwrap().refresh, Some(second));
    assert_eq!(family.present(family.tokens[0], &at(T0 + 86_400)).outcome, Err(Denied::Reuse));
}

#[test]
fn row_9_of_more_than_four_rotations_within_the_window_the_first_are_refused_and_the_family_lives() {
    let mut family = Family::new();
    for time in 0..6 {
        family.rotate(T0 + time);
    }
    // The oldest remembered rotation is that of generation 2, two seconds after the first.
    for (generation, answered) in [(5, true), (2, true), (1, false), (0, false)] {
        let decision = family.present(family.tokens[generation], &at(T0 + 1 + WINDOW));
        if answered {
            assert_eq!(decision.outcome.unwrap().refresh, Some(family.tokens[6]));
        } else {
            assert_eq!(decision, refuse(Denied::Straggler), "{generation}");
        }
    }
    assert_eq!(family.present(family.tokens[1], &at(T0 + 2 + WINDOW)).outcome, Err(Denied::Reuse));
}

/// The snapshot of a release that kept four times and one nonce: after rotations at `T0` + 10, 20, 21, 22, 23, 24.
const OLDER_SNAPSHOT: &str = "\
    018b8a1a3b9aca0063776562005002020202020202020202020202020202006a72656164207772697465f61b0000\
    000170985a001a83b3d200f582008006500606060606060606060606060606060650050505050505050505050505\
    05050505841a3b9b27c01a3b9b23d81a3b9b1ff01a3b9b1c08841a000f42581a000f44b0f6582003030303030303\
    030303030303030303030303030303030303030303030303031a83b42fc0f4f61a3b9b27c0";

#[test]
fn a_snapshot_with_one_earlier_nonce_is_read_and_what_it_can_t_compare_is_not_answered() {
    let bytes: Vec<u8> = (0..OLDER_SNAPSHOT.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&OLDER_SNAPSHOT[index..index + 2], 16).unwrap())
        .collect();
    let token = |generation: u8| Presented {
        generation: Generation(u32::from(generation)),
        nonce: Nonce::from([generation; 16]),
    };
    let mut family = Family { session: Some(Session::decode(&bytes).unwrap()), nonces: 6, ..Family::new() };
    assert_eq!(family.decision(token(5), &at(T0 + 30)).outcome.unwrap().refresh, Some(token(6)));
    for generation in [0, 1, 2, 3, 4] {
        assert_eq!(
            family.decision(token(generation), &at(T0 + 30)),
            refuse(Denied::Straggler),
            "{generation}"
        );
        assert_eq!(
            family.decision(token(generation), &at(T0 + 54)).outcome,
            Err(Denied::Reuse),
            "{generation}"
        );
    }
    let rotated = family.decision(token(6), &at(T0 + 40));
    let newer = Session::apply(family.session, &rotated.events[0]).unwrap();
    assert_eq!(Session::decode(&newer.encode()).as_ref(), Ok(&newer));
    family.session = Some(newer);
    for generation in [5, 6] {
        assert_eq!(
            family.decision(token(generation), &at(T0 + 41)).outcome.unwrap().refresh,
            Some(token(7)),
            "{generation}"
        );
    }
    assert_eq!(family.decision(token(4), &at(T0 + 41)), refuse(Denied::Straggler));
}
