//! Clients as JSON, there and back.

use poem_openapi::registry::Registry;
use poem_openapi::types::{ParseFromJSON, ToJSON};

use super::*;
use crate::client::metadata::LONGEST_ACCESS_TOKEN;
use crate::client::{
    ConsentPolicy, Delivery, Lifetimes, MetadataRules, PkcePolicy, RefreshTokens, ResponseType, ReusePolicy,
    TokenRules,
};
use crate::oauth::word_list::Word;
use crate::oauth::{Audience, GrantType, SigningAlgorithm};

/// Whether JSON has every word of a list, and no other.
fn has_all<W: Word, J: ToJSON + ParseFromJSON>() -> bool {
    let written = |one: &W| word::<J>(*one).as_ref().and_then(text);
    let schema = J::schema_ref();
    let mut registry = Registry::new();
    J::register(&mut registry);
    let words = registry.schemas[schema.unwrap_reference()].enum_items.len();
    words == W::ALL.len() && W::ALL.iter().all(|one| written(one).as_deref() == Some(one.as_str()))
}

#[test]
fn json_has_every_word_of_the_closed_lists() {
    assert!(has_all::<TokenEndpointAuthMethod, ClientType>());
    assert!(has_all::<GrantType, Grant>());
    assert!(has_all::<RefreshTokens, RefreshTokensWord>());
    assert!(has_all::<ReusePolicy, ReuseWord>());
    assert!(has_all::<Delivery, DeliveryWord>());
    assert!(has_all::<ResponseType, ResponseTypeWord>());
    assert!(has_all::<PkcePolicy, PkceWord>());
    assert!(has_all::<ConsentPolicy, ConsentWord>());
    assert!(has_all::<SigningAlgorithm, AlgorithmWord>());
}

#[test]
fn what_is_shown_can_be_sent_back_and_is_the_same() {
    let method = TokenEndpointAuthMethod::ClientSecret;
    let audience: Audience = "api".parse().unwrap();
    let tokens = TokenRules::default();
    let rules = MetadataRules {
        issuer: None,
        grant_types: GrantType::ALL.to_vec(),
        scopes: ["read", "write"].into(),
        audiences: [&audience].into(),
        default_audience: audience.clone(),
        tokens: &tokens,
        longest_access_token: LONGEST_ACCESS_TOKEN,
        logos: Some([("tv.png", None)].into()),
        id_token_algorithms: &SigningAlgorithm::ALL,
        is_stored: true,
    };
    let all = ClientMetadata {
        client_name: "TV".to_owned(),
        token_endpoint_auth_method: method,
        grant_types: vec![GrantType::AuthorizationCode, GrantType::ClientCredentials],
        roles: vec!["reporter".to_owned()],
        scope: "read write".parse().unwrap(),
        default_audience: audience.clone(),
        refresh_tokens: RefreshTokens::Never,
        lifetimes: Lifetimes {
            access_token: Duration::from_secs(61),
            refresh_idle: Duration::from_secs(62),
            refresh_absolute: Duration::from_secs(63),
        },
        retry_window: RetryWindow::For(Duration::from_millis(1500)),
        reuse: ReusePolicy::Refuse,
        revoke_access_tokens: false,
        introspects: vec![audience.clone()],
        introspects_usernames: true,
        origins: vec!["https://app.example.com".parse().unwrap()],
        refresh_token_delivery: Delivery::Body,
        redirect_uris: vec!["https://app.example.com/callback".parse().unwrap()],
        post_logout_redirect_uris: vec!["https://app.example.com/".parse().unwrap()],
        require_pushed_authorization_requests: true,
        pkce: PkcePolicy::Optional,
        consent: ConsentPolicy::Implied,
        backchannel_logout_uri: "https://app.example.com/logout".parse().ok(),
        client_uri: "https://app.example.com".parse().ok(),
        policy_uri: "https://app.example.com/privacy".parse().ok(),
        tos_uri: "https://app.example.com/terms#all".parse().ok(),
        logo: Some("tv.png".to_owned()),
        id_token_signed_response_alg: SigningAlgorithm::Es256,
    };
    for metadata in [all, rules.usual(method)] {
        let raw = RawMetadata::from(ClientSettings::from(&metadata)).of_registered(method);
        assert_eq!(raw.validate(None, &rules), Ok(metadata));
    }
    let nothing = RawMetadata::default().of_registered(method);
    assert_eq!(nothing.validate(None, &rules), Ok(rules.usual(method)), "what is left out is as usual");
}
