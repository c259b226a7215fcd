use super::*;
use crate::login::{LoggedIn, Login, LoginCookie, LoginEvent};
use crate::oauth::sealed_request::Authentication;
use crate::oauth::{LoginId, Parameters, PkceRule, UserId};

const ANN: [u8; 16] = [1; 16];
const BOB: [u8; 16] = [2; 16];
/// When the request was made.
const AT: u64 = 10_000;

/// Ann's login, in which she proved who she is at this time.
fn login(auth_time: u64) -> CurrentLogin {
    let at = Timestamp::from_seconds(auth_time);
    let begun = LoggedIn {
        at,
        user: UserId::from(ANN),
        user_epoch: 0,
        installation_epoch: 0,
        methods: Vec::new(),
        nonce: [0; 16].into(),
        persistent: false,
        absolute_expiry: Timestamp::from_seconds(100_000),
    };
    let cookie = LoginCookie { login: LoginId::from([3; 16]), nonce: begun.nonce, used: at };
    CurrentLogin::of(&Login::apply(None, &LoginEvent::LoggedIn(begun)).unwrap(), cookie)
}

/// A request with these parameters.
fn request(more: &[(&str, &str)]) -> SealedRequest {
    let usual = [
        ("client_id", "web"),
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let pairs = usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let parameters = Parameters::new(pairs.collect());
    SealedRequest {
        request: parameters.request("web".parse().unwrap(), PkceRule::Required).unwrap(),
        at: Timestamp::from_seconds(AT),
        session: [4; 16].into(),
        is_pushed: false,
        hinted: None,
        authentication: None,
    }
}

/// The same request after the person has signed in for it.
fn authenticated(request: &SealedRequest, login: &CurrentLogin) -> SealedRequest {
    let authentication = Authentication { login: login.id, auth_time: login.auth_time };
    SealedRequest { authentication: Some(authentication), ..request.clone() }
}

#[test]
fn who_must_sign_in() {
    use LogInReason::{Again, Nobody, SelectAccount, SignUp};
    // The login began 100 seconds before the request.
    let ann = login(AT - 100);
    for (more, without_login, with_login) in [
        (&[][..], Nobody, None),
        (&[("prompt", "none")], Nobody, None),
        (&[("prompt", "consent")], Nobody, None),
        (&[("prompt", "login")], Nobody, Some(Again)),
        (&[("prompt", "select_account")], Nobody, Some(SelectAccount)),
        (&[("prompt", "login select_account")], Nobody, Some(SelectAccount)),
        (&[("prompt", "create")], SignUp, Some(SignUp)),
        (&[("max_age", "0")], Nobody, Some(Again)),
        (&[("max_age", "99")], Nobody, Some(Again)),
        (&[("max_age", "100")], Nobody, None),
        (&[("max_age", "99"), ("prompt", "none")], Nobody, Some(Again)),
        (&[("login_hint", "bob")], Nobody, None),
    ] {
        let asked = request(more);
        assert_eq!(log_in(&asked, None), Asked::LogIn(without_login), "{more:?}");
        let expected = with_login.map_or(Asked::Nothing(&ann), Asked::LogIn);
        assert_eq!(log_in(&asked, Some(&ann)), expected, "{more:?}");
        // Once is enough, whatever the clock says.
        for late in [AT - 5_000, AT, AT + 5_000] {
            let ann = login(late);
            assert_eq!(log_in(&authenticated(&asked, &ann), Some(&ann)), Asked::Nothing(&ann), "{more:?}");
            assert_eq!(log_in(&authenticated(&asked, &ann), None), Asked::LogIn(without_login));
        }
    }
}

#[test]
fn who_signed_in_for_another_request_or_in_another_login_has_not_for_this_one() {
    let (again, before) = (request(&[("prompt", "login")]), login(AT + 50));
    let asked = |sealed: &SealedRequest| log_in(sealed, Some(&before)) == Asked::LogIn(LogInReason::Again);
    assert!(asked(&again), "by the clock it was after the request");
    let other_login = Authentication { login: [9; 16].into(), auth_time: before.auth_time };
    assert!(asked(&SealedRequest { authentication: Some(other_login), ..again.clone() }));
    assert!(asked(&authenticated(&again, &login(AT + 51))), "the login was not proved since");
    assert!(!asked(&authenticated(&again, &login(AT + 49))), "another tab has proved it once more");
}

#[test]
fn somebody_else_than_the_client_means_signs_in_once_and_then_the_client_is_told() {
    let ann = login(AT - 100);
    let hinted = |user: [u8; 16]| SealedRequest { hinted: Some(user.into()), ..request(&[]) };
    assert_eq!(log_in(&hinted(ANN), Some(&ann)), Asked::Nothing(&ann));
    assert_eq!(log_in(&hinted(BOB), None), Asked::LogIn(LogInReason::Nobody));
    assert_eq!(log_in(&hinted(BOB), Some(&ann)), Asked::LogIn(LogInReason::SomebodyElse));
    assert_eq!(log_in(&authenticated(&hinted(BOB), &ann), Some(&ann)), Asked::SomebodyElse);
}

#[test]
fn what_allows_a_client_to_begin() {
    use ConsentPolicy::{Ask, Implied};
    // By how old the login is: of before the request, or of the request.
    let ann = login(AT - 100);
    for (prompt, policy, is_native, before, now) in [
        ("none", Ask, false, ConsentRule::Remembered, ConsentRule::Remembered),
        ("none", Implied, false, ConsentRule::Implied, ConsentRule::Implied),
        ("consent", Ask, false, ConsentRule::Now, ConsentRule::Now),
        ("consent", Implied, false, ConsentRule::Now, ConsentRule::Now),
        ("none", Ask, true, ConsentRule::Now, ConsentRule::Remembered),
        ("none", Implied, true, ConsentRule::Now, ConsentRule::Implied),
        ("login", Implied, true, ConsentRule::Now, ConsentRule::Implied),
        ("consent", Implied, true, ConsentRule::Now, ConsentRule::Now),
    ] {
        let asked = request(&[("prompt", prompt)]);
        let rule = |sealed: &SealedRequest| consent(sealed, &ann, policy, is_native);
        let what = format!("{prompt} {policy:?} {is_native}");
        assert_eq!((rule(&asked), rule(&authenticated(&asked, &ann))), (before, now), "{what}");
    }
}
