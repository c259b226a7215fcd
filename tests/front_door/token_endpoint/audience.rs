//! `resource` (RFC 8707): which resource server a token is for.

use crate::support::{PUBLIC, Server};
use crate::token_endpoint::{FORM, assert_refused, raw, sign_in_body};

#[tokio::test]
async fn a_resource_is_honoured_or_an_invalid_target() {
    let server = Server::start().await;
    for (resource, status) in [("demo-api", 200), ("other-api", 400), ("%20", 400)] {
        let answer = raw(&server, FORM, sign_in_body(&format!("&resource={resource}"))).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(status == 200 || answer.error() == "invalid_target");
    }
    // heirloom's own API is a resource too. A token for another resource is not what the client asked for.
    let issuer = &server.base;
    for more in [String::new(), "&scope=read".to_owned()] {
        let answer = raw(&server, FORM, sign_in_body(&format!("{more}&resource={issuer}"))).await;
        assert_refused(&answer, 400, "invalid_target");
    }
    let own = raw(&server, FORM, sign_in_body(&format!("&scope=profile&resource={issuer}"))).await;
    assert_eq!(own.claims()["aud"], *issuer);
    let again = server.refresh_with(&own.refresh_token(), &[("resource", issuer)]).await;
    assert_eq!(again.claims()["aud"], *issuer);
    let other = server.sign_in().await.refresh_token();
    let refused = server.refresh_with(&other, &[("resource", issuer)]).await;
    assert_refused(&refused, 400, "invalid_target");
    assert_eq!(server.refresh_with(&other, &[("resource", "demo-api")]).await.status, 200);
}

#[tokio::test]
async fn a_token_is_for_one_resource_server_and_only_for_one_of_the_clients() {
    let server = Server::with(|setup| {
        for (name, scope) in [("billing", "invoices"), ("backstage", "levers")] {
            let mut rules = setup.config.audiences[0].clone();
            (rules.name, rules.scopes) = (name.parse().unwrap(), scope.parse().unwrap());
            setup.config.audiences.push(rules);
        }
        setup.client(PUBLIC, |client| {
            client.metadata.scope = "read write invoices".parse().unwrap();
            client.metadata.refresh_tokens = heirloom::client::RefreshTokens::Never;
        });
    })
    .await;
    let sent = async |more: &str| raw(&server, FORM, sign_in_body(more)).await;
    let billing = sent("&resource=billing").await;
    assert_eq!(
        (billing.claims()["aud"].as_str(), billing.json["scope"].as_str()),
        (Some("billing"), Some("invoices"))
    );
    assert_eq!(sent("&scope=invoices").await.claims()["aud"], "billing");
    assert_refused(&sent("&scope=read+invoices").await, 400, "invalid_scope");
    assert_refused(&sent("&scope=read&resource=billing").await, 400, "invalid_scope");
    assert_refused(&sent("&resource=billing&resource=demo-api").await, 400, "invalid_target");
    assert_refused(&sent("&resource=backstage").await, 400, "invalid_target");
    assert_refused(&sent("&scope=levers").await, 400, "invalid_scope");
    assert_refused(&sent("&scope=offline_access").await, 400, "invalid_scope");
}

#[tokio::test]
async fn a_token_is_for_one_resource_server() {
    let server = Server::with(|setup| {
        let (name, scopes) = ("other-api".parse().unwrap(), "pay".parse().unwrap());
        let typ = heirloom::config::AccessTokenType::Jwt;
        setup.config.audiences.push(heirloom::config::AudienceRules { name, scopes, typ });
        setup.client(PUBLIC, |client| client.metadata.scope = "read write pay account".parse().unwrap());
    })
    .await;
    let mixed = raw(&server, FORM, sign_in_body("&scope=read+pay")).await;
    assert_refused(&mixed, 400, "invalid_scope");
    let contradicted = raw(&server, FORM, sign_in_body("&scope=read&resource=other-api")).await;
    assert_refused(&contradicted, 400, "invalid_scope");
    for resources in ["&resource=demo-api&resource=other-api", "&resource=demo-api&resource=nobody"] {
        assert_refused(&raw(&server, FORM, sign_in_body(resources)).await, 400, "invalid_target");
    }
    for (more, scope, audience) in [
        ("&scope=pay", "pay", serde_json::json!("other-api")),
        ("&resource=other-api", "pay", serde_json::json!("other-api")),
        ("", "read write", serde_json::json!("demo-api")),
        ("&scope=account", "account", serde_json::json!(server.base)),
        ("&scope=account+pay", "account pay", serde_json::json!(["other-api", server.base])),
    ] {
        let answer = raw(&server, FORM, sign_in_body(more)).await;
        assert_eq!(answer.json["scope"], scope, "{more}");
        assert_eq!(answer.claims()["aud"], audience, "{more}");
        let header = jsonwebtoken::decode_header(answer.access_token()).unwrap();
        let typ = if more.contains("pay") || more.contains("other") { "JWT" } else { "at+jwt" };
        assert_eq!(header.typ.as_deref(), Some(typ), "{more}");
    }
}
