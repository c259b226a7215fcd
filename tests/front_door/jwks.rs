//! The published keys: how long each is there, and which of them signs.

use std::collections::HashSet;

use crate::discovery::verified;
use crate::support::{Answer, PUBLIC, Server, USER};
use heirloom::token::SigningAlgorithm;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;

#[tokio::test]
async fn the_jwks_is_public_cacheable_and_open_to_any_origin() {
    let server = Server::start().await;
    let jwks = server.get("/.well-known/jwks.json").await;
    assert_eq!(jwks.status, 200);
    assert_eq!(jwks.header("content-type"), "application/json");
    assert_eq!(jwks.header("access-control-allow-origin"), "*");
    assert!(jwks.header("cache-control").starts_with("public, max-age="));
    let keys = jwks.json["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let members: HashSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, HashSet::from(["kty", "use", "alg", "kid", "n", "e"]));
        assert_eq!((key["use"].as_str(), key["alg"].as_str()), (Some("sig"), Some("RS256")));
    }
    let kids: HashSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids.len(), keys.len());
    let etag = jwks.header("etag").to_owned();
    for (tag, status) in
        [(etag.as_str(), 304), ("*", 304), (&format!("W/{etag}, \"x\""), 304), ("\"x\"", 200)]
    {
        let request = server.client.get(format!("{}/.well-known/jwks.json", server.base));
        let again = server.send(request.header("if-none-match", tag)).await;
        assert_eq!(again.status, status, "{tag}");
        assert_eq!(again.header("etag"), etag);
        // A 304 renews a cached answer, so it must have the same headers.
        for name in ["cache-control", "pragma", "access-control-allow-origin"] {
            assert_eq!(again.header(name), jwks.header(name), "{tag}: {name}");
        }
    }
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_is_kept() {
    let server = Server::start().await;
    let kid = |answer: &Answer| decode_header(answer.access_token()).unwrap().kid.unwrap();
    let published = async || -> Vec<String> {
        let jwks = server.get("/.well-known/jwks.json").await.json;
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let signed_in = server.sign_in_confidential().await;
    let old = kid(&signed_in);
    server.wait(60);
    let folder = heirloom::token::Keyring::in_folder(&server.config.keys);
    let new = folder.rotate_signing(SigningAlgorithm::Rs256, server.now()).unwrap().kid.to_string();
    assert!(server.app.keys.signing.reload().is_empty());
    assert_eq!(published().await, [old.clone(), new.clone()], "published at once");
    assert_eq!(kid(&server.sign_in().await), old, "signs later");
    // A cache that was filled just before the rotation is two hours old when the new key begins to sign.
    server.wait(2 * 3600);
    let second = server.refresh_confidential(&signed_in.refresh_token()).await;
    assert_eq!(kid(&second), new);
    assert_eq!(published().await.len(), 2, "kept for the tokens that it signed");
    server.wait(600 + 2 * 3600);
    assert_eq!(published().await, [new]);
}

#[tokio::test]
async fn a_retry_is_signed_by_the_key_that_signed_before() {
    let server = Server::start().await;
    let folder = heirloom::token::Keyring::in_folder(&server.config.keys);
    let new = folder.rotate_signing(SigningAlgorithm::Rs256, server.now()).unwrap().kid;
    assert!(server.app.keys.signing.reload().is_empty());
    server.wait(2 * 3600 - 60);
    let first = server.sign_in_confidential().await;
    let lost = server.refresh_confidential(&first.refresh_token()).await;
    server.wait(120);
    assert_eq!(server.app.keys.signing.signer().unwrap().kid(), new, "the new key signs now");
    let again = server.refresh_confidential(&first.refresh_token()).await;
    assert_eq!(again.access_token(), lost.access_token());
}

#[tokio::test]
async fn es256_tokens_verify_by_the_jwks_and_at_our_own_api() {
    let server = Server::start().await;
    let folder = heirloom::token::Keyring::in_folder(&server.config.keys);
    let new = folder.rotate_signing(SigningAlgorithm::Es256, server.now()).unwrap().kid;
    assert!(server.app.keys.signing.reload().is_empty());
    let by_rsa = server.sign_in_confidential().await;
    server.wait(2 * 3600 + 1);
    assert_eq!(server.app.keys.signing.signer().unwrap().kid(), new);
    let first = server.refresh_confidential(&by_rsa.refresh_token()).await;
    let again = server.refresh_confidential(&by_rsa.refresh_token()).await;
    assert_eq!(first.refresh_token(), again.refresh_token(), "a retry");

    let jwks: JwkSet = serde_json::from_value(server.get("/.well-known/jwks.json").await.json).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["demo-api"]);
    // The test's clock stands still, but this library reads the machine's clock.
    validation.validate_exp = false;
    let claims = |answer: &Answer| {
        let header = decode_header(answer.access_token()).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::ES256, Some(&*new.to_string())));
        let key = DecodingKey::from_jwk(jwks.find(&new.to_string()).unwrap()).unwrap();
        decode::<Value>(&answer.access_token(), &key, &validation).unwrap().claims
    };
    assert_eq!(claims(&first), claims(&again), "the same claims; ECDSA has a random part");

    let scope = ("scope", "profile");
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", USER.0),
        ("password", USER.1),
        scope,
    ];
    let own = server.post(&form).await;
    let userinfo = async |token: &str| {
        server
            .send(server.client.get(format!("{}/oauth/userinfo", server.base)).bearer_auth(token))
            .await
            .status
    };
    assert_eq!(userinfo(&own.access_token()).await, 200);
    let (head, signature) =
        own.access_token().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{flipped}{}", &signature[1..]);
    assert_eq!(userinfo(&forged).await, 401);
}

#[tokio::test]
async fn a_retry_after_a_key_was_compromised_is_signed_by_the_new_one() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    server.wait(2);
    let folder = heirloom::token::Keyring::in_folder(&server.config.keys);
    let old = server.app.keys.signing.signer().unwrap().kid();
    let new = folder.compromised_signing(old, server.now()).unwrap().kid;
    assert!(server.app.keys.signing.reload().is_empty());
    let retried = server.refresh(&first.refresh_token()).await;
    assert_eq!(retried.refresh_token(), second.refresh_token());
    assert_eq!(retried.claims(), second.claims());
    let header = decode_header(retried.access_token()).unwrap();
    assert_eq!(header.kid, Some(new.to_string()));
    verified(&server, &retried.access_token()).await;
}
