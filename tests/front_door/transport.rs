//! `Strict-Transport-Security` in answers.

use std::time::Duration;

use crate::support::{Server, Setup};

async fn strict(change: impl FnOnce(&mut Setup), forwarded: &[&str]) -> String {
    let server = Server::with(|setup| {
        "https://id.example.com".clone_into(&mut setup.config.issuer);
        setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
        change(setup);
    })
    .await;
    let mut request = server.client.get(format!("{}/nothing", server.base));
    for line in forwarded {
        request = request.header("x-forwarded-proto", *line);
    }
    server.send(request).await.header("strict-transport-security").to_owned()
}

#[tokio::test]
async fn browsers_are_told_to_come_by_tls_only_where_they_have() {
    const YEAR: &str = "max-age=31536000";
    let as_it_is = |_: &mut Setup| {};
    assert_eq!(strict(as_it_is, &["https"]).await, YEAR);
    assert_eq!(strict(as_it_is, &[]).await, YEAR, "a proxy that says nothing stands where the issuer is");
    assert_eq!(strict(as_it_is, &["http"]).await, "");
    assert_eq!(strict(as_it_is, &["https, http"]).await, "", "the nearest proxy's word counts");
    assert_eq!(strict(as_it_is, &["http", "https"]).await, YEAR);
    assert_eq!(strict(|setup| setup.config.server.trusted_proxies.clear(), &["https"]).await, "");
    assert_eq!(strict(|setup| setup.config.server.hsts = None, &["https"]).await, "");
    let forget = |setup: &mut Setup| setup.config.server.hsts = Some(Duration::ZERO);
    assert_eq!(strict(forget, &["https"]).await, "max-age=0");
    for issuer in ["http://id.example.com", "https://localhost:8443", "https://127.0.0.1"] {
        let change = |setup: &mut Setup| issuer.clone_into(&mut setup.config.issuer);
        assert_eq!(strict(change, &["https"]).await, "", "{issuer}");
    }
}
