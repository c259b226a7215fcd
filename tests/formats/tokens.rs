//! Refresh tokens, authorization codes, the id of an access token, and authorization requests on their way through a
//! browser.

use std::sync::Arc;

use heirloom::clock::Timestamp;
use heirloom::oauth::sealed_request::Authentication;
use heirloom::oauth::{
    AuthorizationCode, LogoutRequest, MacKeys, Parameters, PkceRule, RefreshToken, RefreshTokenCodec,
    SealedRequest,
};
use heirloom::token::claims::jti;
use zeroize::Zeroizing;

use crate::frozen::Frozen;
use crate::values::{at, generation, login_id, nonce, session_id};

#[test]
fn a_refresh_token_is_made_and_read_as_it_was() {
    let mut frozen = Frozen::read("tokens.txt");
    let token = RefreshToken { session: session_id(), generation: generation(70_000), nonce: nonce(0x77) };
    let older = || [(3, Zeroizing::new([0x88; 32]))];
    let codec = RefreshTokenCodec::new(Arc::new(MacKeys::new((3, &[0x88; 32]), older())));
    let text = codec.encode(&token).unwrap();
    frozen.text("refresh token", &text);
    // A codec with a later secret makes tokens by that, and still reads those of the older one.
    let later = RefreshTokenCodec::new(Arc::new(MacKeys::new((4, &[0x99; 32]), older())));
    frozen.reads("refresh token", |text| assert_eq!(later.decode(text), Ok(token)));
    let code = AuthorizationCode { session: session_id(), nonce: nonce(0x77) };
    let keys = MacKeys::new((3, &[0x88; 32]), older());
    frozen.text("authorization code", &code.encode(&keys).unwrap());
    frozen.reads("authorization code", |text| {
        assert_eq!(AuthorizationCode::decode(later.keys(), text), Ok(code));
    });
    frozen.text("access token's id", &jti(session_id().as_bytes(), 70_000, 1_795_780_860, "read"));
    sealed_requests(&mut frozen);
    frozen.finish();
}

/// They are out for an hour at most, so only requests that are under way during an upgrade are concerned.
fn sealed_requests(frozen: &mut Frozen) {
    let keys = MacKeys::new((3, &[0x88; 32]), []);
    let usual = [
        ("client_id", "web"),
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let more = [
        ("response_mode", "form_post"),
        ("state", "a state"),
        ("scope", "openid read"),
        ("resource", "https://api.example"),
        ("nonce", "a nonce"),
        ("prompt", "login consent"),
        ("max_age", "3600"),
        ("ui_locales", "de fr"),
        ("login_hint", "ann"),
    ];
    let request = |pairs: &[(&str, &str)], is_pushed, hinted| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Parameters::new(pairs).request("web".parse().unwrap(), PkceRule::Required).unwrap();
        let at = Timestamp::from_millis(1_795_780_860_123);
        SealedRequest { request, at, session: session_id(), is_pushed, hinted, authentication: None }
    };
    let bare = request(&usual, false, None);
    let full = request(&[&usual[..], &more].concat(), true, Some([0x22; 16].into()));
    frozen.text("authorization request, bare", &bare.seal(&keys).unwrap());
    frozen.reads("authorization request, bare", |text| {
        assert_eq!(SealedRequest::open(&keys, text).as_ref(), Some(&bare));
    });
    frozen.text("authorization request, full", &full.seal(&keys).unwrap());
    frozen.reads("authorization request, full", |text| {
        assert_eq!(SealedRequest::open(&keys, text).as_ref(), Some(&full));
    });
    let authentication = Some(Authentication { login: login_id(), auth_time: at(60) });
    let authenticated = SealedRequest { authentication, ..full.clone() };
    frozen.text("authorization request, authenticated", &authenticated.seal(&keys).unwrap());
    frozen.reads("authorization request, authenticated", |text| {
        assert_eq!(SealedRequest::open(&keys, text).as_ref(), Some(&authenticated));
    });
    frozen.text("pushed request, full", &full.seal_pushed(&keys).unwrap());
    frozen.reads("pushed request, full", |text| {
        assert_eq!(SealedRequest::open_pushed(&keys, text).as_ref(), Some(&full));
    });
    let logout = LogoutRequest {
        client: "web".parse().unwrap(),
        user: [0x22; 16].into(),
        login: Some([0x33; 16].into()),
        redirect_uri: Some("https://app.example/goodbye".into()),
        state: Some("a state".into()),
        at: Timestamp::from_millis(1_795_780_860_123),
    };
    frozen.text("logout request", &logout.seal(&keys).unwrap());
    frozen.reads("logout request", |text| {
        assert_eq!(LogoutRequest::open(&keys, text).as_ref(), Some(&logout));
    });
}
