//! Property test: any sequence of steps gets the same answers from a family as from a small model.

use proptest::prelude::*;

use super::*;

/// One thing that happens to a family.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody presents the token issued `back` generations before the newest, or a forged one of that generation.
    Present { back: usize, other_client: bool, forged: bool, narrower: bool, wider: bool },
    /// The family is ended.
    Revoke,
    /// Time passes, or the clock is set back.
    Wait(i64),
    /// The process restarts.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let rarely = prop::bool::weighted(0.05);
    prop_oneof![
        12 => (0..8usize, rarely, rarely, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
            |(back, other_client, forged, narrower, wider)| {
                Step::Present { back, other_client, forged, narrower, wider }
            }
        ),
        1 => Just(Step::Revoke),
        6 => prop_oneof![0..8i64, Just(29), Just(31), Just(400), Just(14 * 86_400), -100..0i64].prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

/// The simplest model of a family: when each generation was rotated, when the last event happened, and whether the
/// family has ended.
#[derive(Default)]
struct Model {
    rotated_at: Vec<u64>,
    last_event: u64,
    over: bool,
}

/// The answer of a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Rotates,
    AnswersTheCurrentPair,
    Refuses,
    EndsTheFamily(EndReason),
}

impl Model {
    /// Rows 6 to 10 for the token of `generation`.
    fn row(&self, generation: usize, forged: bool, family: &Family, now: u64) -> Row {
        let newest = self.rotated_at.len();
        let is_known = newest - generation <= 4;
        if forged && is_known {
            return Row::EndsTheFamily(EndReason::Rollback);
        }
        if generation == newest {
            return Row::Rotates;
        }
        if family.policy.retry_until_used && generation + 1 == newest {
            return Row::AnswersTheCurrentPair;
        }
        let rotated_at = self.rotated_at[if is_known { generation } else { newest - 4 }];
        let until = if rotated_at > now { self.last_event } else { now };
        match ((until - rotated_at).min(family.uptime) < family.policy.retry_window.as_secs(), is_known) {
            (true, true) => Row::AnswersTheCurrentPair,
            (true, false) => Row::Refuses,
            (false, _) => Row::EndsTheFamily(EndReason::Reuse),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_family_never_forks_never_revives_and_answers_as_the_table_says(
        steps in prop::collection::vec(step(), 1..60),
        until_used: bool,
        window in prop_oneof![Just(WINDOW), Just(0)],
    ) {
        let mut family = Family::new();
        family.policy.retry_until_used = until_used;
        family.policy.retry_window = Duration::from_secs(window);
        let mut model = Model { last_event: T0, ..Model::default() };
        let mut now = T0;
        for step in steps {
            match step {
                Step::Wait(seconds) => {
                    now = now.saturating_add_signed(seconds);
                    family.uptime = family.uptime.saturating_add(u64::try_from(seconds).unwrap_or_default());
                }
                Step::Restart => family.uptime = 0,
                Step::Revoke => {
                    let events =
                        end(family.session.as_ref().unwrap(), EndReason::Logout, Timestamp::from_seconds(now));
                    prop_assert_eq!(events.is_empty(), model.over);
                    family.land(&Decision { events, outcome: Err(Denied::Unknown) });
                    model.over = true;
                }
                Step::Present { back, other_client, forged, narrower, wider } => {
                    let newest = family.tokens.len() - 1;
                    let index = newest.saturating_sub(back);
                    let mut token = family.tokens[index];
                    if forged {
                        token.nonce = Nonce::from([255; 16]);
                    }
                    let requested = if wider { Some("admin") } else { narrower.then_some("read") };
                    let sent = Sent { at: now, client: if other_client { "other" } else { "web" }, scope: requested };
                    let before = family.session.clone();
                    let row = model.row(index, forged, &family, now);
                    let decision = family.present(token, &sent);
                    match &decision.outcome {
                        Ok(granted) => {
                            prop_assert!(!model.over, "an ended family answered");
                            prop_assert!(!other_client && !wider);
                            prop_assert!(granted.access.exp > granted.access.iat);
                            let line = &family.tokens;
                            prop_assert_eq!(granted.refresh, line.last().copied(), "not the newest token");
                            let rotated = line.len() - 1 - newest;
                            let expected = if granted.retried { (Row::AnswersTheCurrentPair, 0) } else { (Row::Rotates, 1) };
                            prop_assert_eq!((row, rotated), expected);
                            if rotated == 1 {
                                model.rotated_at.push(now);
                            }
                        }
                        Err(Denied::Reuse) => prop_assert_eq!(row, Row::EndsTheFamily(EndReason::Reuse)),
                        Err(Denied::Rollback) => prop_assert_eq!(row, Row::EndsTheFamily(EndReason::Rollback)),
                        Err(Denied::Straggler) => prop_assert_eq!(row, Row::Refuses),
                        Err(Denied::Scope) => {
                            prop_assert!(wider);
                            prop_assert!(matches!(row, Row::Rotates | Row::AnswersTheCurrentPair));
                        }
                        Err(Denied::ForeignClient) => prop_assert!(other_client),
                        Err(Denied::Expired) => prop_assert!(now.max(model.last_event) >= T0 + 14 * 86_400),
                        Err(denied) => prop_assert!(model.over, "{denied}"),
                    }
                    if matches!(decision.outcome, Err(Denied::Scope | Denied::Straggler | Denied::Expired)) {
                        prop_assert_eq!(&family.session, &before, "a harmless refusal changed something");
                    }
                    if !decision.events.is_empty() {
                        model.last_event = now.max(model.last_event);
                    }
                    model.over |= matches!(decision.outcome, Err(Denied::Reuse | Denied::Rollback));
                }
            }
            prop_assert_eq!(family.ended().is_some(), model.over);
        }
    }
}
