//! The edges of the rules for client metadata. What is said of each mistake stands in
//! `tests/front_door/client_metadata/table.rs`.

use std::time::Duration;

use super::super::raw::RawTime;
use super::super::rules::TokenRules;
use super::super::settings::{ConsentPolicy, PkcePolicy, RetryWindow};
use super::*;
use crate::oauth::{RedirectUri, SigningAlgorithm};

/// What is wrong with `raw`, as field and rule, beside an issuer; none if it is good.
fn mistakes(raw: &RawMetadata, issuer: Option<&str>, is_stored: bool) -> Vec<(Field, &'static str)> {
    validated(raw, issuer, is_stored).err().unwrap_or_default().iter().map(|it| (it.field, it.rule)).collect()
}

fn validated(
    raw: &RawMetadata,
    issuer: Option<&str>,
    is_stored: bool,
) -> Result<ClientMetadata, Vec<MetadataError>> {
    let (tokens, api): (_, Audience) = (TokenRules::default(), "api".parse().unwrap());
    let rules = MetadataRules {
        issuer: issuer.map(|issuer| issuer.parse().unwrap()),
        grant_types: GrantType::ALL.to_vec(),
        scopes: ["read", "write"].into(),
        audiences: [&api].into(),
        default_audience: api.clone(),
        tokens: &tokens,
        longest_access_token: Duration::from_mins(20),
        logos: None,
        id_token_algorithms: &SigningAlgorithm::ALL,
        is_stored,
    };
    raw.validate(None, &rules)
}

fn public() -> RawMetadata {
    RawMetadata { token_endpoint_auth_method: Some("public".to_owned()), ..RawMetadata::default() }
}

fn confidential() -> RawMetadata {
    RawMetadata { token_endpoint_auth_method: Some("confidential".to_owned()), ..RawMetadata::default() }
}

const fn seconds(seconds: u64) -> RawTime {
    RawTime::Exact(Duration::from_secs(seconds))
}

fn good(raw: &RawMetadata) -> ClientMetadata {
    validated(raw, None, true).unwrap()
}

fn wrong(raw: &RawMetadata) -> Vec<(Field, &'static str)> {
    mistakes(raw, None, true)
}

#[test]
fn a_name_has_up_to_200_bytes() {
    let named = |bytes| RawMetadata { client_name: Some("x".repeat(bytes)), ..public() };
    assert_eq!(good(&named(200)).client_name.len(), 200);
    assert_eq!(wrong(&named(201)), [(Field::ClientName, "not_permitted")]);
}

#[test]
fn a_client_has_up_to_64_scopes() {
    let scopes = |words| RawMetadata { scope: Some(vec!["read".to_owned(); words]), ..public() };
    assert_eq!(good(&scopes(64)).scope, "read".parse().unwrap());
    assert_eq!(wrong(&scopes(65)), [(Field::Scope, "not_permitted")]);
}

#[test]
fn an_access_token_lives_as_long_as_the_longest_of_the_configuration() {
    let lives = |time| RawMetadata { access_token: Some(seconds(time)), ..confidential() };
    assert_eq!(good(&lives(1200)).lifetimes.access_token, Duration::from_mins(20));
    for longer in [1201, 1300] {
        assert_eq!(wrong(&lives(longer)), [(Field::AccessToken, "range")], "{longer}");
    }
}

#[test]
fn lifetimes_are_in_order_whichever_of_two_is_set() {
    let idle = RawMetadata { refresh_idle: Some(seconds(599)), ..public() };
    assert_eq!(wrong(&idle), [(Field::RefreshIdle, "too_short")], "an access token lives 600 s");
    let idle = RawMetadata { refresh_idle: Some(seconds(61 * 86_400)), ..public() };
    assert_eq!(wrong(&idle), [(Field::RefreshIdle, "too_short")], "a session lives 60 days");
    // The usual life is not compared with the idle time in the place of one that is wrong.
    let wrong_life =
        RawMetadata { access_token: Some(seconds(0)), refresh_idle: Some(seconds(599)), ..public() };
    assert_eq!(wrong(&wrong_life), [(Field::AccessToken, "range")]);
    let both =
        RawMetadata { refresh_absolute: Some(seconds(600)), refresh_idle: Some(seconds(600)), ..public() };
    assert_eq!(good(&both).lifetimes.refresh_idle, Duration::from_mins(10));
}

#[test]
fn a_registered_client_has_up_to_16_origins_and_a_declared_one_more() {
    let with = |number| RawMetadata {
        origins: Some((0..number).map(|n| format!("https://app{n}.example")).collect()),
        ..public()
    };
    for (number, is_stored, is_good) in
        [(16, true, true), (17, true, false), (18, true, false), (18, false, true)]
    {
        let told = mistakes(&with(number), None, is_stored);
        let expected = if is_good { Vec::new() } else { vec![(Field::Origins, "too_many")] };
        assert_eq!(told, expected, "{number} {is_stored}");
    }
}

#[test]
fn pages_without_tls_are_of_this_machine_beside_an_issuer_without_tls_on_it() {
    let page = RawMetadata { origins: Some(vec!["http://localhost:3000".to_owned()]), ..public() };
    for (issuer, is_good) in [
        (None, true),
        (Some("http://127.0.0.1:8080"), true),
        (Some("https://localhost"), false),
        (Some("http://id.example"), false),
        (Some("https://id.example"), false),
    ] {
        let expected = if is_good { Vec::new() } else { vec![(Field::Origins, "not_https")] };
        assert_eq!(mistakes(&page, issuer, true), expected, "{issuer:?}");
    }
}

#[test]
fn a_client_that_acts_for_itself_has_up_to_16_roles() {
    let with = |number| RawMetadata {
        grant_types: Some(vec!["client_credentials".to_owned()]),
        roles: Some((0..number).map(|n| format!("role{n}")).collect()),
        ..confidential()
    };
    assert_eq!(good(&with(16)).roles.len(), 16);
    assert_eq!(wrong(&with(17)), [(Field::Roles, "too_many")]);
}

#[test]
fn an_audience_that_is_listed_twice_is_introspected_once() {
    let raw = RawMetadata { introspects: Some(vec!["api".to_owned(), "api".to_owned()]), ..confidential() };
    assert_eq!(good(&raw).introspects, ["api".parse().unwrap()]);
}

#[test]
fn words_and_times_are_checked_without_a_configuration() {
    let text = |text: &str| Some(text.to_owned());
    let raw = RawMetadata {
        client_name: Some("\n".to_owned()),
        token_endpoint_auth_method: text("pubic"),
        grant_types: Some(vec!["password".to_owned(), "pasword".to_owned()]),
        scope: Some(vec!["fly".to_owned()]),
        refresh_tokens: text("sometimes"),
        access_token: Some(seconds(0)),
        refresh_idle: Some(seconds(0)),
        refresh_absolute: Some(seconds(0)),
        retry_window: Some(seconds(86_401)),
        reuse: text("end"),
        refresh_token_delivery: text("header"),
        pkce: text("plain"),
        consent: text("never"),
        ..RawMetadata::default()
    };
    let told: Vec<_> = raw.check_alone().iter().map(|it| (it.field, it.item)).collect();
    let expected = [
        (Field::TokenEndpointAuthMethod, None),
        (Field::GrantTypes, Some(1)),
        (Field::RefreshTokens, None),
        (Field::AccessToken, None),
        (Field::RefreshIdle, None),
        (Field::RefreshAbsolute, None),
        (Field::RetryWindow, None),
        (Field::Reuse, None),
        (Field::RefreshTokenDelivery, None),
        (Field::Pkce, None),
        (Field::Consent, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(public().check_alone(), []);
}

#[test]
fn a_client_that_is_changed_keeps_its_method_and_what_is_set() {
    let raw = RawMetadata { client_name: Some("TV".to_owned()), ..public() };
    let changed = raw.of_registered(TokenEndpointAuthMethod::ClientSecret);
    assert_eq!(changed.method(), Some(TokenEndpointAuthMethod::ClientSecret));
    assert_eq!(changed.client_name.as_deref(), Some("TV"));
}

/// As programs that speak the Model Context Protocol register: one client for an app, a page and this machine.
#[test]
fn an_app_s_scheme_a_page_and_this_machine_stand_in_one_registration() {
    let uris = [
        "cursor://anysphere.cursor-mcp/callback",
        "https://app.example/callback",
        "http://localhost/callback",
    ];
    let raw = RawMetadata { redirect_uris: Some(uris.map(str::to_owned).to_vec()), ..public() };
    let metadata = validated(&raw, Some("https://id.example"), true).unwrap();
    assert_eq!(metadata.redirect_uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>(), uris);
}

#[test]
fn a_client_with_a_redirect_uri_has_the_code_unless_it_lists_its_grants() {
    let redirect = || Some(vec!["https://app.example/callback".to_owned()]);
    let usual = [GrantType::Password, GrantType::RefreshToken];
    assert_eq!(good(&public()).grant_types, usual);
    assert_eq!(good(&RawMetadata { redirect_uris: Some(Vec::new()), ..public() }).grant_types, usual);
    let coded = good(&RawMetadata { redirect_uris: redirect(), ..public() });
    assert_eq!(coded.grant_types, [usual[0], usual[1], GrantType::AuthorizationCode]);
    assert_eq!((coded.pkce, coded.consent), (PkcePolicy::Required, ConsentPolicy::Ask));
    let listed = Some(vec!["authorization_code".to_owned()]);
    let listed = good(&RawMetadata { redirect_uris: redirect(), grant_types: listed, ..public() });
    assert_eq!(listed.grant_types, [GrantType::AuthorizationCode]);
}

#[test]
fn a_registered_client_has_up_to_16_redirect_uris_and_a_declared_one_more() {
    let with = |number| RawMetadata {
        redirect_uris: Some((0..number).map(|n| format!("https://app.example/{n}")).collect()),
        ..public()
    };
    for (number, is_stored, is_good) in [(16, true, true), (17, true, false), (17, false, true)] {
        let told = mistakes(&with(number), None, is_stored);
        let expected = if is_good { Vec::new() } else { vec![(Field::RedirectUris, "too_many")] };
        assert_eq!(told, expected, "{number} {is_stored}");
    }
}

#[test]
fn where_a_client_is_told_of_a_logout_is_https_or_on_this_machine_beside_an_issuer_on_it() {
    let told = |url: &str| RawMetadata {
        redirect_uris: Some(vec!["https://app.example/callback".to_owned()]),
        backchannel_logout_uri: Some(url.to_owned()),
        ..confidential()
    };
    for (url, issuer, is_good) in [
        ("https://app.example/logout", "https://id.example", true),
        ("http://127.0.0.1:9/logout", "http://127.0.0.1:8080", true),
        ("http://127.0.0.1:9/logout", "https://id.example", false),
        ("http://app.example/logout", "http://127.0.0.1:8080", false),
    ] {
        let expected = if is_good { Vec::new() } else { vec![(Field::BackchannelLogoutUri, "not_https")] };
        assert_eq!(mistakes(&told(url), Some(issuer), true), expected, "{url} {issuer}");
    }
}

#[test]
fn until_used_lasts_the_usual_window_for_earlier_generations() {
    assert_eq!(RetryWindow::UntilUsed.duration(), Duration::from_secs(30));
    assert_eq!(RetryWindow::For(Duration::from_secs(5)).duration(), Duration::from_secs(5));
}

#[test]
fn an_algorithm_for_id_tokens_is_of_a_client_that_gets_some() {
    let es256 = RawMetadata { id_token_signed_response_alg: Some("ES256".to_owned()), ..public() };
    assert_eq!(wrong(&es256), [(Field::IdTokenSignedResponseAlg, "no_grant")]);
    let redirect_uris = Some(vec!["https://app.example.com/callback".to_owned()]);
    let with_code = RawMetadata { redirect_uris, ..es256 };
    assert_eq!(good(&with_code).id_token_signed_response_alg, SigningAlgorithm::Es256);
}
