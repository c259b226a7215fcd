//! Any sequence of what can happen to a family, against a small model.

use proptest::prelude::*;

use super::*;

/// One thing that happens to a family.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody presents the token that was issued `back` generations before the newest.
    Present { back: usize, other_client: bool, narrower: bool, wider: bool },
    /// The family is ended.
    Revoke,
    /// Time passes, or the clock is set back.
    Wait(i64),
    /// The process restarts.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..6usize, prop::bool::weighted(0.05), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
            |(back, other_client, narrower, wider)| Step::Present { back, other_client, narrower, wider }
        ),
        1 => Just(Step::Revoke),
        6 => prop_oneof![0..8i64, Just(29), Just(31), Just(400), Just(14 * 86_400), -100..0i64].prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

/// What a family must answer, kept as simply as can be: who succeeded whom, and whether it is over.
#[derive(Default)]
struct Model {
    successors: std::collections::BTreeMap<u32, Presented>,
    over: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_family_never_forks_and_never_revives(steps in prop::collection::vec(step(), 1..60), unlimited: bool) {
        let mut family = Family::new();
        family.policy.retry_window = if unlimited { None } else { Some(Duration::from_secs(WINDOW)) };
        let mut model = Model::default();
        let mut now = T0;
        for step in steps {
            match step {
                Step::Wait(seconds) => now = now.saturating_add_signed(seconds),
                Step::Restart => family.process_started = now,
                Step::Revoke => {
                    let events =
                        end(family.session.as_ref().unwrap(), EndReason::Logout, Timestamp::from_seconds(now));
                    prop_assert_eq!(events.is_empty(), model.over);
                    family.land(&Decision { events, outcome: Err(Denied::Unknown) });
                    model.over = true;
                }
                Step::Present { back, other_client, narrower, wider } => {
                    let newest = family.tokens.len() - 1;
                    let index = newest.saturating_sub(back);
                    let token = family.tokens[index];
                    let asked = if wider { Some("admin") } else { narrower.then_some("read") };
                    let sent = Sent { at: now, client: if other_client { "other" } else { "web" }, scope: asked };
                    let before = family.session.clone();
                    let decision = family.present(token, &sent);
                    if let Ok(granted) = &decision.outcome {
                        prop_assert!(!model.over, "an ended family answered");
                        prop_assert!(!other_client && !wider);
                        prop_assert!(index + 1 >= newest, "an old generation was answered");
                        let successor = granted.refresh.unwrap();
                        prop_assert_eq!(successor.generation.0, token.generation.0 + 1);
                        let known = *model.successors.entry(token.generation.0).or_insert(successor);
                        prop_assert_eq!(known, successor, "two successors of one token");
                        prop_assert!(granted.access.exp > granted.access.iat);
                    }
                    if matches!(decision.outcome, Err(Denied::Scope | Denied::Straggler | Denied::Expired)) {
                        prop_assert_eq!(&family.session, &before, "a harmless refusal changed something");
                    }
                    if family.ended().is_some() {
                        prop_assert!(model.over || matches!(decision.outcome, Err(Denied::Reuse)));
                        model.over = true;
                    }
                }
            }
            prop_assert_eq!(family.ended().is_some(), model.over);
        }
    }
}
