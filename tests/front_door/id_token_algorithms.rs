//! What ID tokens are signed by: RS256, or ES256 for a client that has chosen it (`id_token_signed_response_alg`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::app::assemble::{make_keys, read_keys};
use heirloom::clock::{Clock, ManualClock};
use heirloom::oauth::SigningAlgorithm;
use heirloom::token::Keyring;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::authorize::{CALLBACK, request};
use crate::support::codes::{Ask, VERIFIER};
use crate::support::web_browser::Browser;
use crate::support::{Answer, CONFIDENTIAL, NOW, PUBLIC, SECRET, Server, Setup, USER};

const GOODBYE: &str = "https://app.example/goodbye";

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(NOW))
}

/// The public client has chosen ES256, the confidential one nothing.
fn chosen(setup: &mut Setup) {
    setup.config.id_token_algorithms = SigningAlgorithm::ALL.to_vec();
    setup.client(PUBLIC, |client| {
        client.metadata.id_token_signed_response_alg = SigningAlgorithm::Es256;
        client.metadata.post_logout_redirect_uris = vec![GOODBYE.parse().unwrap()];
    });
    // As a start does with the folder of a store that is there.
    read_keys(&keyring(setup), &setup.config, &clock()).unwrap();
}

/// The algorithm of a token that verifies by the published keys, and its claims.
async fn verified(server: &Server, token: &str, audience: &str) -> (Algorithm, Value) {
    let jwks: JwkSet = serde_json::from_value(server.get("/.well-known/jwks.json").await.json).unwrap();
    let header = decode_header(token).unwrap();
    let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    // The test's clock stands still, but this library reads the machine's clock.
    validation.validate_exp = false;
    (header.alg, decode(token, &key, &validation).unwrap().claims)
}

/// The algorithms of the access token and of the ID token of an answer; the ID token is bound to the access token.
async fn algorithms(server: &Server, answer: &Answer, client: &str) -> (Algorithm, Algorithm) {
    let access = answer.access_token();
    let (of_access, _) = verified(server, &access, "demo-api").await;
    let (of_id, claims) = verified(server, &answer.id_token(), client).await;
    let digest = ring::digest::digest(&ring::digest::SHA256, access.as_bytes());
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]));
    (of_access, of_id)
}

async fn stated(server: &Server) -> Value {
    let metadata = server.get("/.well-known/openid-configuration").await.json;
    metadata["id_token_signing_alg_values_supported"].clone()
}

#[tokio::test]
async fn a_client_gets_id_tokens_by_the_algorithm_that_it_chose_at_first_and_at_each_refresh() {
    let server = Server::with(chosen).await;
    let first = server.redeem(&server.code(Ask::default()).await).await;
    assert_eq!(algorithms(&server, &first, PUBLIC).await, (Algorithm::RS256, Algorithm::ES256));
    let next = server.refresh(&first.refresh_token()).await;
    assert_eq!(algorithms(&server, &next, PUBLIC).await, (Algorithm::RS256, Algorithm::ES256));

    let code = server.code(Ask { client: CONFIDENTIAL, session: 2, ..Ask::default() }).await;
    let other = server.redeem_confidential(&code, &[("code_verifier", VERIFIER)]).await;
    assert_eq!(algorithms(&server, &other, CONFIDENTIAL).await, (Algorithm::RS256, Algorithm::RS256));
    assert_eq!(stated(&server).await, json!(["RS256", "ES256"]));
}

#[tokio::test]
async fn an_id_token_by_es256_is_a_hint_for_signing_out() {
    let server = Server::with(chosen).await;
    let mut browser = Browser::of(&server);
    let code = browser.sign_in(&request(&browser, &[]), USER).await.code().to_owned();
    let more = [("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let hint = server.redeem_with(&code, &more).await.id_token();
    assert_eq!(decode_header(&hint).unwrap().alg, Algorithm::ES256);
    let mut url = browser.url("/oauth/logout");
    url.query_pairs_mut().extend_pairs([("id_token_hint", &*hint), ("post_logout_redirect_uri", GOODBYE)]);
    assert_eq!(browser.come_from("https://app.example/", &url).await.leads_to().as_str(), GOODBYE);
    let silent = browser.begin(&request(&browser, &[("prompt", "none")])).await.delivery();
    assert_eq!(silent.get("error"), "login_required");
}

/// RFC 9068 §4: a resource server takes no other kind of token.
#[tokio::test]
async fn an_id_token_by_es256_is_no_access_token() {
    let server = Server::with(chosen).await;
    let tokens = server.redeem(&server.code(Ask::default()).await).await;
    for id_token in [tokens.id_token(), server.refresh(&tokens.refresh_token()).await.id_token()] {
        let userinfo = server.client.get(format!("{}/oauth/userinfo", server.base)).bearer_auth(&id_token);
        assert_eq!(server.send(userinfo).await.status, 401);
        let introspect = server.client.post(format!("{}/oauth/introspect", server.base));
        let introspect = introspect.basic_auth(CONFIDENTIAL, Some(SECRET)).form(&[("token", &id_token)]);
        assert_eq!(server.send(introspect).await.json, json!({"active": false}));
    }
}

/// OpenID Connect Discovery §3: "The algorithm RS256 MUST be included."
#[tokio::test]
async fn a_server_that_signs_access_tokens_by_es256_signs_id_tokens_by_rs256_all_the_same() {
    let server = Server::with(|setup| {
        setup.config.algorithm = SigningAlgorithm::Es256;
        setup.config.id_token_algorithms = SigningAlgorithm::ALL.to_vec();
        std::fs::remove_dir_all(&setup.config.keys).unwrap();
        make_keys(&keyring(setup), &setup.config, &clock()).unwrap();
        make_keys(&keyring(setup), &setup.config, &clock()).unwrap();
        assert_eq!(kids(setup).len(), 2, "each is made once");
    })
    .await;
    let first = server.redeem(&server.code(Ask::default()).await).await;
    assert_eq!(algorithms(&server, &first, PUBLIC).await, (Algorithm::ES256, Algorithm::RS256));
    // The RS256 key is the newer one, and yet it signs no access token when both may.
    server.wait(3 * 3600);
    let next = server.refresh(&first.refresh_token()).await;
    assert_eq!(algorithms(&server, &next, PUBLIC).await, (Algorithm::ES256, Algorithm::RS256));
    assert_eq!(stated(&server).await, json!(["ES256", "RS256"]));
}

/// The operator has taken the algorithm out of the configuration, and its key away.
#[tokio::test]
async fn a_client_whose_algorithm_has_no_key_gets_what_access_tokens_are_signed_by() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.id_token_signed_response_alg = SigningAlgorithm::Es256;
        });
    })
    .await;
    let first = server.redeem(&server.code(Ask::default()).await).await;
    assert_eq!(algorithms(&server, &first, PUBLIC).await, (Algorithm::RS256, Algorithm::RS256));
    assert_eq!(stated(&server).await, json!(["RS256"]));
}

fn keyring(setup: &Setup) -> Keyring {
    Keyring::in_folder(&setup.config.keys)
}

fn kids(setup: &Setup) -> Vec<String> {
    let keys = keyring(setup).signing_keys(&heirloom::token::KeyLife::default(), NOW).unwrap();
    keys.into_iter().filter_map(|key| Some(key.kid?.to_string())).collect()
}
