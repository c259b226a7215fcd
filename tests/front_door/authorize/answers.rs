//! What a client is answered.

use super::{CALLBACK, request, written};
use crate::support::web_browser::Browser;
use crate::support::{Server, USER};

#[tokio::test]
async fn a_person_signs_in_allows_the_client_and_it_gets_a_code_with_its_state_and_the_issuer() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let asked = request(&browser, &[]);
    let delivery = browser.sign_in(&asked, USER).await;
    assert_eq!(delivery.names(), ["code", "state", "iss"]);
    assert!(delivery.code().starts_with("hac_"), "{delivery:?}");
    assert_eq!((delivery.get("state"), delivery.get("iss")), ("a state", server.base.as_str()));
    assert!(delivery.url.as_str().starts_with(CALLBACK));
    // The second time nobody is asked anything.
    let page = browser.come_from("https://client.example/", &asked).await;
    assert!(page.leads_to().as_str().starts_with(CALLBACK), "{page:?}");
    let before = written(&server).await;
    assert!(before > 0);
}
