use proptest::prelude::*;

use super::*;
use crate::login::state::Login;

const PASSWORD: AuthenticationMethod = AuthenticationMethod::Password;
const BOUNDS: Bounds = Bounds {
    idle: Duration::from_secs(100),
    absolute: Duration::from_secs(1_000),
    persistent: Some(Duration::from_secs(5_000)),
};

fn id() -> LoginId {
    LoginId::from([1; 16])
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn log_in_at(seconds: u64, persistent: bool) -> LogIn {
    LogIn {
        user: (UserId::from([2; 16]), SessionEpoch::default()),
        installation_epoch: 0,
        methods: vec![PASSWORD],
        nonce: [0; 16].into(),
        persistent,
        bounds: BOUNDS,
        now: at(seconds),
    }
}

fn folded(events: &[LoginEvent]) -> Login {
    events.iter().fold(None, Login::apply).unwrap()
}

fn begun(persistent: bool) -> Login {
    folded(&log_in(log_in_at(0, persistent)))
}

/// The person proves it again, by a form of its own.
fn again(nonce: u8, seconds: u64, persistent: bool) -> Reauthenticate {
    Reauthenticate {
        methods: vec![PASSWORD],
        nonce: [nonce; 16].into(),
        form: None,
        persistent,
        bounds: BOUNDS,
        now: at(seconds),
    }
}

fn standing(seconds: u64) -> Standing {
    Standing { user: Some(SessionEpoch::default()), installation_epoch: 0, now: at(seconds) }
}

fn cookie(nonce: u8, used: u64) -> LoginCookie {
    LoginCookie { login: id(), nonce: [nonce; 16].into(), used: at(used) }
}

#[test]
fn a_login_that_is_used_lives_until_its_absolute_expiry_and_an_idle_one_until_its_idle_time() {
    let login = begun(false);
    let takes = |used, now| accepts(&login, &cookie(0, used), &standing(now), BOUNDS.idle);
    assert!(takes(0, 99) && !takes(0, 100), "idle");
    assert!(takes(950, 999) && !takes(950, 1_000), "absolute");
    assert_eq!(why_over(id(), &login, &standing(999)), None);
    assert_eq!(why_over(id(), &login, &standing(1_000)), Some(LogoutReason::Expired));
}

#[test]
fn a_persistent_login_has_no_idle_time_and_there_is_none_where_they_are_off() {
    let login = begun(true);
    let takes = |now| accepts(&login, &cookie(0, 0), &standing(now), BOUNDS.idle);
    assert!(login.begun.persistent && takes(4_999) && !takes(5_000));
    let off = LogIn { bounds: Bounds { persistent: None, ..BOUNDS }, ..log_in_at(0, true) };
    let login = folded(&log_in(off));
    assert!(!login.begun.persistent);
    assert_eq!(login.begun.absolute_expiry, at(1_000));
}

#[test]
fn whoever_proves_it_again_gets_another_cookie_and_the_one_before_is_good_for_a_minute() {
    let mut login = begun(false);
    let proved = reauthenticate(id(), &login, again(1, 50, false));
    login = Login::apply(Some(login), &proved[0]).unwrap();
    assert_eq!((login.auth_time, login.begun.at), (at(50), at(0)));
    assert!(accepts(&login, &cookie(1, 50), &standing(60), BOUNDS.idle));
    // The answer with the new cookie may be lost, or another tab's may come after it.
    assert!(accepts(&login, &cookie(0, 50), &standing(109), BOUNDS.idle));
    assert!(!accepts(&login, &cookie(0, 50), &standing(110), BOUNDS.idle));
    assert_eq!(
        login.life(),
        Life { persistent: false, absolute_expiry: at(1_050) },
        "as one that begins then"
    );
}

#[test]
fn a_login_whose_person_proves_it_again_lasts_as_long_as_a_new_one_and_never_shorter() {
    let mut login = begun(false);
    let mut prove = |command: Reauthenticate| {
        let events = reauthenticate(id(), &login, command);
        login = events.iter().fold(Some(login.clone()), Login::apply).unwrap();
        (login.life().persistent, login.life().absolute_expiry)
    };
    assert_eq!(prove(again(1, 100, false)), (false, at(1_100)));
    assert_eq!(prove(again(2, 200, true)), (true, at(5_200)), "keep me signed in");
    assert_eq!(prove(again(3, 300, false)), (true, at(5_300)), "the box is not ticked again");
    let shorter = Bounds { persistent: Some(Duration::from_secs(10)), ..BOUNDS };
    assert_eq!(prove(Reauthenticate { bounds: shorter, ..again(4, 400, true) }), (true, at(5_300)));
    let off = Bounds { persistent: None, ..BOUNDS };
    assert_eq!(prove(Reauthenticate { bounds: off, ..again(5, 4_900, true) }), (true, at(5_900)));
    assert_eq!(login.begun.absolute_expiry, at(1_000), "by which the queue knows it");
    // Where nobody may stay.
    let never = Reauthenticate { bounds: off, ..again(1, 50, true) };
    let events = reauthenticate(id(), &begun(false), never);
    let login = events.iter().fold(Some(begun(false)), Login::apply).unwrap();
    assert_eq!(login.life(), Life { persistent: false, absolute_expiry: at(1_050) });
}

#[test]
fn a_form_that_is_sent_twice_counts_once() {
    let by =
        |form: u8, seconds| Reauthenticate { form: Some([form; 16].into()), ..again(form, seconds, false) };
    let mut login = begun(false);
    // The form by which it began has its id.
    assert_eq!(reauthenticate(id(), &login, by(1, 59)), []);
    assert_eq!(reauthenticate(id(), &login, by(1, 60)).len(), 1, "a minute later it counts");
    for form in [2, 3] {
        let events = reauthenticate(id(), &login, by(form, 100));
        login = events.iter().fold(Some(login), Login::apply).unwrap();
        assert_eq!((events.len(), login.nonce), (1, [form; 16].into()));
        assert_eq!(reauthenticate(id(), &login, by(form, 101)), []);
    }
    for older in [1, 2] {
        assert_eq!(reauthenticate(id(), &login, by(older, 101)).len(), 1, "another was sent since");
    }
}

#[test]
fn an_epoch_ends_a_login_unless_it_is_the_one_that_is_kept() {
    let login = begun(false);
    let over = |user: Option<SessionEpoch>| why_over(id(), &login, &Standing { user, ..standing(1) });
    let raised = |kept: Option<LoginId>| Some(SessionEpoch::default().raised(kept.map(Into::into)));
    assert_eq!(over(raised(None)), Some(LogoutReason::UserEpoch));
    assert_eq!(over(raised(Some([9; 16].into()))), Some(LogoutReason::UserEpoch));
    assert_eq!(over(raised(Some(id()))), None);
    assert_eq!(over(None), Some(LogoutReason::UserEpoch), "an account that is not active");
    let restored = Standing { installation_epoch: 1, ..standing(1) };
    assert_eq!(why_over(id(), &login, &restored), Some(LogoutReason::Restored));
    assert_eq!(login.ended(at(1)), None, "what only ends with the login asks for no epoch");
}

#[test]
fn a_login_ends_once_and_nothing_revives_it() {
    let login = begun(false);
    let out = log_out(&login, LogoutReason::Logout, None, at(10));
    let login = Login::apply(Some(login), &out[0]).unwrap();
    assert_eq!(why_over(id(), &login, &standing(11)), Some(LogoutReason::Logout));
    assert_eq!(log_out(&login, LogoutReason::Expired, None, at(20)), []);
    assert_eq!(reauthenticate(id(), &login, again(1, 20, false)), []);
    assert!(!accepts(&login, &cookie(0, 10), &standing(11), BOUNDS.idle));
}

#[test]
fn a_clock_that_was_set_back_revives_nothing() {
    let login = begun(false);
    let late = reauthenticate(id(), &login, again(1, 990, false));
    let mut login = Login::apply(Some(login), &late[0]).unwrap();
    assert!(!accepts(&login, &cookie(1, 800), &standing(1), BOUNDS.idle), "idle since");
    login.last_event_at = at(1_990);
    assert_eq!(why_over(id(), &login, &standing(1)), Some(LogoutReason::Expired));
}

/// What can happen to a login.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Use,
    UseOlder,
    Again,
    Out,
    EndAll { keep: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..150_u64).prop_map(Step::Pass),
        6 => Just(Step::Use),
        1 => Just(Step::UseOlder),
        2 => Just(Step::Again),
        1 => Just(Step::Out),
        1 => any::<bool>().prop_map(|keep| Step::EndAll { keep }),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    /// The model knows no events and no cookies: only when the person was there last, and whether anything has ended it.
    #[test]
    fn a_cookie_is_accepted_exactly_as_long_as_the_model_says(steps in steps(), persistent: bool) {
        let mut login = begun(persistent);
        let mut epoch = SessionEpoch::default();
        let (mut now, mut nonce) = (0, 0_u8);
        let (mut browser, mut older) = (cookie(0, 0), None);
        // The model.
        let (mut last_used, mut ended) = (0, false);
        let longest = if persistent { 5_000 } else { 1_000 };
        let mut expiry = longest;
        for step in steps {
            let standing = Standing { user: Some(epoch), ..standing(now) };
            let lives = !ended
                && now < expiry
                && (persistent || now < last_used + 100);
            match step {
                Step::Pass(seconds) => now += seconds,
                Step::Use => {
                    let accepted = accepts(&login, &browser, &standing, BOUNDS.idle);
                    prop_assert_eq!(accepted, lives, "at {}: {:?}", now, login);
                    if accepted {
                        last_used = now;
                        browser.used = at(now);
                    }
                }
                Step::UseOlder => {
                    if let Some((older, replaced)) = older {
                        let accepted = accepts(&login, &older, &standing, BOUNDS.idle);
                        prop_assert_eq!(accepted, lives && now < replaced + 60, "at {}: {:?}", now, login);
                    }
                }
                Step::Again if lives => {
                    nonce += 1;
                    for event in reauthenticate(id(), &login, again(nonce, now, false)) {
                        login = Login::apply(Some(login), &event).unwrap();
                    }
                    older = Some((LoginCookie { used: at(now), ..browser }, now));
                    browser = cookie(nonce, now);
                    last_used = now;
                    expiry = now + longest;
                }
                Step::Again => {}
                Step::Out => {
                    for event in log_out(&login, LogoutReason::Logout, None, at(now)) {
                        login = Login::apply(Some(login), &event).unwrap();
                    }
                    ended = true;
                }
                Step::EndAll { keep } => {
                    epoch = epoch.raised((keep && lives).then(|| id().into()));
                    ended |= !(keep && lives);
                }
            }
            let snapshot = Login::decode(&login.encode()).unwrap();
            prop_assert_eq!(&snapshot, &login);
        }
    }
}
