//! Old software that knows neither PKCE nor a nonce (`pkce = "legacy"`), and what holds for it all the same.

use heirloom::client::PkcePolicy;

use super::{CALLBACK, CHALLENGE, request};
use crate::support::codes::VERIFIER;
use crate::support::web_browser::Browser;
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, USER};

const WITHOUT: [(&str, &str); 2] = [("code_challenge", ""), ("code_challenge_method", "")];

async fn redeem(server: &Server, code: &str, verifier: Option<&str>) -> Answer {
    let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
    let verifier = verifier.map(|verifier| ("code_verifier", verifier));
    let form: Vec<_> = form.into_iter().chain(verifier).collect();
    server.send(server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await
}

#[tokio::test]
async fn a_legacy_client_needs_neither_pkce_nor_a_nonce_and_what_it_sends_is_enforced() {
    for (policy, works) in [(PkcePolicy::Legacy, true), (PkcePolicy::Optional, false)] {
        let server =
            Server::with(|setup| setup.client(CONFIDENTIAL, |client| client.metadata.pkce = policy)).await;
        let mut browser = Browser::of(&server);
        for scope in ["openid read", "read"] {
            let more = [&WITHOUT[..], &[("client_id", CONFIDENTIAL), ("scope", scope)]].concat();
            let delivery = browser.sign_in(&request(&browser, &more), USER).await;
            assert_eq!(delivery.get("error").is_empty(), works, "{policy:?} {scope}");
            if works {
                assert_eq!(redeem(&server, delivery.code(), Some(VERIFIER)).await.status, 400, "a downgrade");
                assert_eq!(redeem(&server, delivery.code(), None).await.status, 200);
            }
        }
        // With a challenge, the verifier is needed.
        let more = [("client_id", CONFIDENTIAL), ("code_challenge", CHALLENGE)];
        let delivery = browser.sign_in(&request(&browser, &more), USER).await;
        assert_eq!(redeem(&server, delivery.code(), None).await.status, 400);
        assert_eq!(redeem(&server, delivery.code(), Some(VERIFIER)).await.status, 200);
    }
}

/// Whatever a store from elsewhere says of it.
#[tokio::test]
async fn a_public_client_is_never_legacy() {
    let server =
        Server::with(|setup| setup.client(PUBLIC, |client| client.metadata.pkce = PkcePolicy::Legacy)).await;
    let mut browser = Browser::of(&server);
    let asked = request(&browser, &WITHOUT);
    assert_eq!(browser.begin(&asked).await.delivery().get("error"), "invalid_request");
}
