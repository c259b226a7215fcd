//! Property test: any sequence of steps gets the same answers from an authorization as from a small model. And one case of row 5.

use proptest::prelude::*;

use super::*;

pub(super) const OTHER_VERIFIER: &str = "another-verifier-that-is-long-enough-to-be-one";

/// One thing that happens to an authorization.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody presents the code, or one that was forged.
    Present { other_client: bool, forged: bool, uri: Choice, verifier: Choice, wider: bool },
    /// The last request is decided again, as if it had not learned what became of its append.
    Again,
    /// The same question is asked again at heirloom's own pages.
    Authorize,
    /// The session is ended.
    Revoke,
    /// The login ends.
    LogOut,
    /// The person withdraws the consent, and may give it anew.
    Withdraw { anew: bool },
    /// Time passes, or the clock is set back.
    Wait(i64),
}

/// What is sent as a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Right,
    Wrong,
    None,
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![12 => Just(Choice::Right), 1 => Just(Choice::Wrong), 1 => Just(Choice::None)]
}

fn step() -> impl Strategy<Value = Step> {
    let rarely = || prop::bool::weighted(0.05);
    prop_oneof![
        10 => (rarely(), rarely(), choice(), choice(), rarely()).prop_map(
            |(other_client, forged, uri, verifier, wider)| {
                Step::Present { other_client, forged, uri, verifier, wider }
            }
        ),
        2 => Just(Step::Again),
        2 => Just(Step::Authorize),
        1 => Just(Step::Revoke),
        1 => Just(Step::LogOut),
        1 => any::<bool>().prop_map(|anew| Step::Withdraw { anew }),
        6 => prop_oneof![0..8i64, Just(30), Just(59), Just(61), Just(86_400), -100..0i64].prop_map(Step::Wait),
    ]
}

/// The simplest model of an authorization.
struct Model {
    /// When its code was redeemed.
    redeemed: Option<u64>,
    /// When the last event happened.
    last_event: u64,
    over: bool,
    logged_out: bool,
    /// Whether the consent that it rests on still stands; none if it rests on none.
    consent_stands: Option<bool>,
    has_challenge: bool,
}

/// The answer of a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Refuses(CodeRefused),
    Ends(CodeRefused),
    Issues,
}

impl Model {
    fn row(&self, step: Step, time: u64) -> Row {
        let Step::Present { other_client, forged, uri, verifier, wider } = step else { unreachable!() };
        let now = time.max(self.last_event);
        let verifier_fits = match verifier {
            Choice::Right => self.has_challenge,
            Choice::Wrong => false,
            Choice::None => !self.has_challenge,
        };
        if forged {
            Row::Refuses(CodeRefused::Unknown)
        } else if self.over {
            Row::Refuses(CodeRefused::Ended(EndReason::Logout))
        } else if other_client {
            Row::Refuses(CodeRefused::ForeignClient)
        } else if uri == Choice::Wrong || (uri == Choice::None && !self.has_challenge) {
            Row::Refuses(CodeRefused::RedirectUri)
        } else if !verifier_fits {
            Row::Refuses(CodeRefused::Verifier)
        } else if (self.redeemed.is_none() && now >= T0 + LIFE) || now >= T0 + 86_400 {
            Row::Refuses(CodeRefused::Expired)
        } else if self.logged_out {
            Row::Ends(CodeRefused::Login)
        } else if self.redeemed.is_none() && self.consent_stands == Some(false) {
            Row::Ends(CodeRefused::Consent)
        } else {
            match self.redeemed {
                None if wider => Row::Refuses(CodeRefused::Scope),
                None => Row::Issues,
                Some(at) if now < at + 5 => Row::Refuses(CodeRefused::Twice),
                Some(_) => Row::Ends(CodeRefused::Reuse),
            }
        }
    }
}

fn sent(step: Step, time: u64) -> Sent<'static> {
    let Step::Present { other_client, forged, uri, verifier, wider } = step else { unreachable!() };
    let chosen = |choice, right, wrong| match choice {
        Choice::Right => Some(right),
        Choice::Wrong => Some(wrong),
        Choice::None => None,
    };
    Sent {
        at: time,
        client: if other_client { "other" } else { "web" },
        code: if forged { 6 } else { 5 },
        redirect_uri: chosen(uri, URI, "https://evil.example/cb"),
        verifier: chosen(verifier, VERIFIER, OTHER_VERIFIER),
        scope: wider.then_some("admin"),
    }
}

/// Two ends look the same, whatever their reason is.
fn kind(refused: CodeRefused) -> CodeRefused {
    if let CodeRefused::Ended(_) = refused { CodeRefused::Ended(EndReason::Logout) } else { refused }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_code_begins_one_session_and_answers_as_the_table_says(
        steps in prop::collection::vec(step(), 1..40),
        has_challenge: bool,
        rests_on_consent: bool,
    ) {
        let challenge = asked().code.challenge.filter(|_| has_challenge);
        let consent_since = asked().code.consent_since.filter(|_| rests_on_consent);
        let asked = || Authorize { code: Code { challenge, consent_since, ..asked().code }, ..asked() };
        let mut authorization = Authorization::of(asked());
        let consent_stands = rests_on_consent.then_some(true);
        let mut model = Model {
            redeemed: None,
            last_event: T0,
            over: false,
            logged_out: false,
            consent_stands,
            has_challenge,
        };
        let (mut now, mut issued, mut last) = (T0, None, None);
        for step in steps {
            let before = authorization.log.len();
            match step {
                Step::Wait(seconds) => now = now.saturating_add_signed(seconds),
                Step::LogOut => {
                    authorization.login_has_ended = true;
                    model.logged_out = true;
                }
                Step::Withdraw { anew } => {
                    authorization.consent_since = anew.then(|| seconds(now + 1_000_000));
                    model.consent_stands = model.consent_stands.map(|_| false);
                }
                Step::Revoke => {
                    let events = end(authorization.session.as_ref().unwrap(), EndReason::Logout, seconds(now));
                    prop_assert_eq!(events.is_empty(), model.over);
                    authorization.land(&events);
                    model.over = true;
                }
                Step::Authorize => {
                    let again = authorize(authorization.session.as_ref(), Authorize { now: seconds(now), ..asked() });
                    let is_good = !model.over && model.redeemed.is_none() && now.max(model.last_event) < T0 + LIFE;
                    prop_assert_eq!(again.is_ok(), is_good);
                    prop_assert!(again.is_ok_and(|again| again.events.is_empty()) || !is_good);
                }
                Step::Again => {
                    let (Some((sent, nonce)), false, false) = (last, model.over, model.logged_out) else { continue };
                    let decision = authorization.decision(Sent { at: now, ..sent }, nonce);
                    if let Some((granted, of)) = &issued && *of == nonce && now.max(model.last_event) < T0 + 86_400 {
                        prop_assert!(decision.events.is_empty());
                        prop_assert_eq!(&decision.outcome.unwrap(), granted);
                    }
                }
                Step::Present { .. } => {
                    let row = model.row(step, now);
                    let decision = authorization.present(sent(step, now));
                    last = Some((sent(step, now), authorization.nonces));
                    match &decision.outcome {
                        Ok(granted) => {
                            prop_assert_eq!(row, Row::Issues);
                            prop_assert!(issued.is_none(), "the code was redeemed twice");
                            issued = Some((Granted { retried: true, ..granted.clone() }, authorization.nonces));
                            model.redeemed = Some(now.max(model.last_event));
                        }
                        Err(refused) => {
                            let ends = authorization.ended().is_some() && !model.over;
                            let refused = kind(*refused);
                            prop_assert_eq!(row, if ends { Row::Ends(refused) } else { Row::Refuses(refused) });
                            model.over |= ends;
                        }
                    }
                    if authorization.log.len() > before {
                        model.last_event = now.max(model.last_event);
                    }
                }
            }
            if let Step::Revoke = step && authorization.log.len() > before {
                model.last_event = now.max(model.last_event);
            }
            prop_assert_eq!(authorization.ended().is_some(), model.over);
        }
        let begun = authorization.log.iter().filter(|event| matches!(event, SessionEvent::TokensIssued { .. }));
        prop_assert!(begun.count() <= 1);
    }
}

#[test]
fn a_login_that_ended_later_does_not_end_what_lives_without_it() {
    for (scope, refused) in [("openid", CodeRefused::Login), ("openid offline_access", CodeRefused::Twice)] {
        let mut authorization = Authorization::of(Authorize { scope: scope.parse().unwrap(), ..asked() });
        authorization.present(at(T0)).outcome.unwrap();
        authorization.login_has_ended = true;
        assert_eq!(authorization.present(at(T0 + 1)).outcome, Err(refused), "{scope}");
    }
}

#[test]
fn row_5_in_the_last_second_of_what_the_code_would_begin_there_is_no_token() {
    let login_expiry = Timestamp::from_millis((T0 + 10) * 1000 + 500);
    let mut authorization = Authorization::of(Authorize { login_expiry, ..asked() });
    assert_eq!(authorization.present(at(T0 + 10)), refuse(CodeRefused::Expired));
}
