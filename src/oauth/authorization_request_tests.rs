use proptest::prelude::*;

use super::*;
use crate::oauth::ErrorCode;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn pairs<'a>(more: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    let usual = [
        ("client_id", "web"),
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let kept = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    kept.chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parsed(more: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
    let parameters = Parameters::new(pairs(more));
    parameters.request("web".parse().unwrap(), PkceRule::Required)
}

fn parsed_by(pkce: PkceRule, more: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
    Parameters::new(pairs(more)).request("web".parse().unwrap(), pkce)
}

fn optional(more: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
    Parameters::new(pairs(more)).request("web".parse().unwrap(), PkceRule::OrNonce)
}

#[test]
fn a_request_has_what_was_asked_for_and_unknown_parameters_are_ignored() {
    let request = parsed(&[
        ("scope", " write  read "),
        ("state", "s"),
        ("nonce", "n"),
        ("resource", "https://a.example"),
        ("resource", "https://b.example"),
        ("max_age", "0"),
        ("ui_locales", "de-AT fr"),
        ("login_hint", "ann"),
        ("prompt", "login  consent"),
        ("display", "popup"),
        ("acr_values", "1 2"),
        ("claims_locales", "en"),
        ("claims", "{}"),
        ("extra", "foobar"),
    ])
    .unwrap();
    assert_eq!(request.client.as_str(), "web");
    assert_eq!(&*request.redirect_uri, "https://app.example/cb");
    assert_eq!(request.scope.unwrap().as_str(), "read write");
    assert_eq!(request.answer.state.as_deref(), Some("s"));
    assert_eq!(request.nonce.as_deref(), Some("n"));
    assert_eq!(request.resources.len(), 2);
    assert_eq!(request.max_age, Some(0));
    assert_eq!(request.ui_locales.as_deref(), Some("de-AT fr"));
    assert_eq!(request.login_hint.as_deref(), Some("ann"));
    let asked = Prompt::ALL.map(|prompt| request.prompts.contains(prompt));
    assert_eq!(asked, [false, true, true, false, false]);
    assert_eq!(request.challenge, CHALLENGE.parse().ok());
}

/// RFC 6749 §3.1.
#[test]
fn an_empty_parameter_counts_as_left_out() {
    let request =
        parsed(&[("scope", ""), ("state", ""), ("nonce", ""), ("prompt", ""), ("max_age", "")]).unwrap();
    assert_eq!((request.scope, request.answer.state, request.nonce), (None, None, None));
    assert_eq!((request.prompts, request.max_age), (Prompts::default(), None));
    assert_eq!(parsed(&[("scope", "  ")]).unwrap().scope, None);
    assert_eq!(parsed(&[("response_type", "")]).err(), Some(AuthorizationError::Missing("response_type")));
    let parameters = Parameters::new(pairs(&[("client_id", ""), ("redirect_uri", "")]));
    assert_eq!(parameters.client_id(), Err(PageError::Missing("client_id")));
    assert_eq!(parameters.redirect_uri(), Err(PageError::Missing("redirect_uri")));
}

/// RFC 6749 §3.1: request parameters MUST NOT be included more than once. With two clients or two redirect URIs nothing
/// is redirected, whatever else is there twice.
#[test]
fn each_parameter_is_refused_if_it_is_there_twice() {
    for name in KNOWN.into_iter().filter(|name| *name != "resource") {
        for values in [["a", "a"], ["a", "b"], ["", "a"]] {
            let twice = [(name, values[0]), (name, values[1])];
            let states = [("state", "s"), ("state", "t")];
            let parameters = Parameters::new(pairs(&[twice, states].concat()));
            match name {
                "client_id" => assert_eq!(parameters.client_id(), Err(PageError::Repeated(name))),
                "redirect_uri" => assert_eq!(parameters.redirect_uri(), Err(PageError::Repeated(name))),
                _ => assert_eq!(parsed(&twice).err(), Some(AuthorizationError::Repeated(name)), "{name}"),
            }
            assert_eq!(parameters.answer().state, None);
        }
    }
    let other = parsed(&[("<script>", "1"), ("<script>", "2")]).err();
    assert_eq!(other, Some(AuthorizationError::Repeated("unknown")));
}

#[test]
fn what_is_not_supported_has_errors_of_its_own() {
    for (more, code) in [
        (("request", "eyJ"), ErrorCode::RequestNotSupported),
        (("request_uri", "https://app.example/request.jwt"), ErrorCode::RequestUriNotSupported),
        (("registration", "{}"), ErrorCode::RegistrationNotSupported),
        (("response_type", "token"), ErrorCode::UnsupportedResponseType),
        (("response_type", "code id_token"), ErrorCode::UnsupportedResponseType),
        (("response_type", "none"), ErrorCode::UnsupportedResponseType),
        (("response_type", ""), ErrorCode::InvalidRequest),
        (("response_mode", "fragment"), ErrorCode::InvalidRequest),
        (("scope", "a\"b"), ErrorCode::InvalidScope),
        (("resource", "two words"), ErrorCode::InvalidTarget),
        (("prompt", "none login"), ErrorCode::InvalidRequest),
        (("prompt", "smile"), ErrorCode::InvalidRequest),
        (("max_age", "-1"), ErrorCode::InvalidRequest),
        (("max_age", "+1"), ErrorCode::InvalidRequest),
        (("max_age", "1.5"), ErrorCode::InvalidRequest),
        (("max_age", "9999999999999"), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(parsed(&[more]).err().map(AuthorizationError::code), Some(code), "{more:?}");
    }
    assert!(parsed(&[("prompt", "none")]).unwrap().prompts.contains(Prompt::None));
    let pushed = format!("{REQUEST_URI}hpr_abc");
    assert_eq!(Parameters::new(pairs(&[("request_uri", &pushed)])).pushed(), Some("hpr_abc"));
    assert_eq!(Parameters::new(pairs(&[("request_uri", "urn:other")])).pushed(), None);
}

/// RFC 7636 §4; RFC 9700 §2.1.1 and §4.8.2 (downgrade).
#[test]
fn pkce_is_s256_and_is_left_out_only_by_who_may_and_sends_a_nonce() {
    use AuthorizationError as E;
    for (challenge, method, error) in [
        ("", "", E::NoChallenge),
        ("", "S256", E::MethodAlone),
        (CHALLENGE, "", E::ChallengeMethod),
        (CHALLENGE, "plain", E::ChallengeMethod),
        (CHALLENGE, "s256", E::ChallengeMethod),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c", "S256", E::Challenge),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cMA", "S256", E::Challenge),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", "S256", E::Challenge),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", "S256", E::Challenge),
        // Not canonical (RFC 4648 §3.5).
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN", "S256", E::Challenge),
    ] {
        let sent = [("code_challenge", challenge), ("code_challenge_method", method)];
        assert_eq!(parsed(&sent).err(), Some(error), "{sent:?}");
        if error != E::NoChallenge {
            assert_eq!(optional(&sent).err(), Some(error), "{sent:?}");
        }
    }
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    let with = |more: &[(&'static str, &'static str)]| optional(&[&none[..], more].concat());
    assert_eq!(with(&[("scope", "openid"), ("nonce", "n")]).unwrap().challenge, None);
    // What is sent counts, even where nothing is needed.
    let legacy = |more: &[(&'static str, &'static str)]| parsed_by(PkceRule::NotNeeded, more);
    assert_eq!(legacy(&[&none[..], &[("scope", "read")]].concat()).unwrap().challenge, None);
    assert!(legacy(&[]).unwrap().challenge.is_some());
    assert_eq!(legacy(&[("code_challenge_method", "plain")]).err(), Some(E::ChallengeMethod));
    assert_eq!(with(&[("scope", "openid")]).err(), Some(E::NonceNeeded));
    assert_eq!(with(&[("scope", "read"), ("nonce", "n")]).err(), Some(E::NonceNeeded));
    assert!(optional(&[]).unwrap().challenge.is_some());
}

#[test]
fn state_and_nonce_are_kept_byte_for_byte_up_to_their_bounds() {
    for text in ["+", " ", "%00", "\0", "a\r\nb", "ä€🦀", "\u{202e}", "&=#?/\\\"'<>"] {
        let request = parsed(&[("state", text), ("nonce", text)]).unwrap();
        assert_eq!(request.answer.state.as_deref(), Some(text));
        assert_eq!(request.nonce.as_deref(), Some(text));
    }
    let (state, nonce) = ("ä".repeat(MAX_STATE / 2), "n".repeat(MAX_NONCE));
    let request = parsed(&[("state", &state), ("nonce", &nonce)]).unwrap();
    assert_eq!((request.answer.state.as_deref(), request.nonce.as_deref()), (Some(&*state), Some(&*nonce)));
    let longer = format!("{state}x");
    assert_eq!(parsed(&[("state", &longer)]).err(), Some(AuthorizationError::TooLong("state", MAX_STATE)));
    assert_eq!(Parameters::new(pairs(&[("state", &longer)])).answer().state, None);
    let longer = format!("{nonce}x");
    assert_eq!(parsed(&[("nonce", &longer)]).err(), Some(AuthorizationError::TooLong("nonce", MAX_NONCE)));
    for name in ["login_hint", "ui_locales"] {
        assert!(parsed(&[(name, &"x".repeat(256))]).is_ok(), "{name}");
        assert_eq!(parsed(&[(name, &"x".repeat(257))]).err(), Some(AuthorizationError::TooLong(name, 256)));
    }
}

/// A browser changes line breaks and NUL in a form's fields.
#[test]
fn by_a_form_a_state_has_no_control_characters() {
    let form = |state| parsed(&[("response_mode", "form_post"), ("state", state)]);
    assert_eq!(form("ä ").unwrap().answer.state.as_deref(), Some("ä "));
    for state in ["a\nb", "\0", "\u{7f}", "\u{85}"] {
        assert_eq!(form(state).err(), Some(AuthorizationError::StateInForm), "{state:?}");
    }
}

/// RFC 6749 §4.1.2.1: `error_description` has printable ASCII without quotes and backslashes.
#[test]
fn every_message_fits_into_an_error_description() {
    use AuthorizationError as E;
    for error in [
        E::Repeated("state"),
        E::Missing("scope"),
        E::TooLong("nonce", MAX_NONCE),
        E::ResponseType,
        E::ResponseMode,
        E::StateInForm,
        E::RequestObject,
        E::ForeignRequestUri,
        E::RequestUri,
        E::Registration,
        E::NotPushed,
        E::Scope,
        E::Resource,
        E::NoChallenge,
        E::Challenge,
        E::ChallengeMethod,
        E::MethodAlone,
        E::NonceNeeded,
        E::Prompt,
        E::MaxAge,
    ] {
        let text = error.to_string();
        assert!(text.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)), "{text}");
    }
}

proptest! {
    #[test]
    fn no_pairs_make_it_fail_otherwise_than_by_an_error(pairs: Vec<(String, String)>) {
        let parameters = Parameters::new(pairs);
        let _ = (parameters.client_id(), parameters.redirect_uri(), parameters.answer());
        let _ = parameters.request("web".parse().unwrap(), PkceRule::OrNonce);
    }

    #[test]
    fn state_and_nonce_of_any_text_are_kept(text in ".{1,400}") {
        let request = parsed(&[("state", &text), ("nonce", &text)]).unwrap();
        prop_assert_eq!(request.answer.state.as_deref(), Some(&*text));
        prop_assert_eq!(request.nonce.as_deref(), Some(&*text));
    }
}
