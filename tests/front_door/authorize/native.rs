//! Apps on the person's device: any other app there may receive their answers, so nothing is answered without the person
//! (RFC 8252 §8.6).

use heirloom::client::ConsentPolicy;

use super::{CALLBACK, request};
use crate::support::web_browser::Browser;
use crate::support::web_browser::signing_in::Arrival;
use crate::support::{CONFIDENTIAL, PUBLIC, Server, USER};

const OWN_SCHEME: &str = "com.example.app:/callback";
const FREE_PORT: &str = "http://127.0.0.1:4711/callback";
/// Registered as it is, and its port, 80, is as free as any.
const NO_PORT: &str = "http://[::1]/callback";

async fn server(consent: ConsentPolicy) -> Server {
    Server::with(|setup| {
        for id in [PUBLIC, CONFIDENTIAL] {
            setup.client(id, |client| {
                client.metadata.consent = consent;
                if id == PUBLIC {
                    client
                        .metadata
                        .redirect_uris
                        .extend([OWN_SCHEME, NO_PORT].map(|uri| uri.parse().unwrap()));
                }
            });
        }
    })
    .await
}

/// The error of a request with `prompt=none`, or "".
async fn quiet(browser: &mut Browser, more: &[(&str, &str)]) -> String {
    let asked = request(browser, &[more, &[("prompt", "none")]].concat());
    browser.begin(&asked).await.delivery().get("error").to_owned()
}

#[tokio::test]
async fn an_app_on_the_device_gets_no_code_that_the_person_does_not_know_of() {
    for consent in [ConsentPolicy::Ask, ConsentPolicy::Implied] {
        let server = server(consent).await;
        let mut browser = Browser::of(&server);
        // The person has allowed it before.
        for uri in [CALLBACK, OWN_SCHEME, FREE_PORT, NO_PORT] {
            browser.sign_in(&request(&browser, &[("redirect_uri", uri)]), USER).await;
        }
        server.wait(60);
        for uri in [OWN_SCHEME, FREE_PORT, NO_PORT] {
            let native = [("redirect_uri", uri)];
            assert_eq!(quiet(&mut browser, &native).await, "consent_required", "{consent:?} {uri}");
            let asked = request(&browser, &native);
            let page = browser.begin(&asked).await.page();
            assert_eq!(page.url.path(), "/consent", "{consent:?} {uri}");
            let allowed = browser.submit(page.form_to("/consent").press("action", "allow")).await;
            assert!(!browser.settle(allowed).await.delivery().code().is_empty());
            // It is still asked: the answer was for that request.
            assert_eq!(quiet(&mut browser, &native).await, "consent_required", "{consent:?} {uri}");
        }
        // A page that is developed on this machine, and a client with a secret.
        assert_eq!(quiet(&mut browser, &[("redirect_uri", CALLBACK)]).await, "");
        let confidential = [("client_id", CONFIDENTIAL), ("redirect_uri", FREE_PORT)];
        browser.sign_in(&request(&browser, &confidential), USER).await;
        assert_eq!(quiet(&mut browser, &confidential).await, "");
    }
}

#[tokio::test]
async fn whoever_types_the_password_for_an_app_is_not_asked_for_a_consent_that_stands() {
    for (consent, more) in [(ConsentPolicy::Ask, &[("prompt", "login")][..]), (ConsentPolicy::Implied, &[])] {
        let server = server(consent).await;
        let mut browser = Browser::of(&server);
        let native = [&[("redirect_uri", OWN_SCHEME)], more].concat();
        if consent == ConsentPolicy::Ask {
            browser.sign_in(&request(&browser, &native), USER).await;
        }
        server.wait(60);
        let asked = request(&browser, &native);
        let page = browser.begin(&asked).await.page();
        let next =
            browser.submit(page.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
        let Arrival::Client(delivery) = browser.settle(next).await else {
            panic!("{consent:?}: asked again")
        };
        assert!(delivery.url.as_str().starts_with(OWN_SCHEME) && !delivery.code().is_empty());
    }
}
