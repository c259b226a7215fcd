//! An issuer with a path: everything is served below it.

use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::admin::Office;
use crate::specification::Operation;
use crate::support::{Answer, PUBLIC, Server, Setup, USER};

const ISSUER: &str = "https://example.com/auth/id";
const PATH: &str = "/auth/id";

fn under_a_path(setup: &mut Setup) {
    ISSUER.clone_into(&mut setup.config.issuer);
    setup.client(PUBLIC, |client| client.metadata.origins = vec!["https://app.example.com".parse().unwrap()]);
}

async fn ask(server: &Server, method: &str, path: &str) -> Answer {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let request = server.client.request(method, format!("{}{path}", server.base));
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn every_operation_of_the_specification_is_there() {
    let server = Server::with(under_a_path).await;
    let here = "/.well-known/oauth-authorization-server";
    for operation in Operation::all() {
        let path = operation.path_of("01890a5d-ac96-774b-bcce-b302099a8057");
        let answer = ask(&server, operation.method, &format!("{PATH}{path}")).await;
        assert!(!answer.text.contains("There is nothing at this path"), "{path}: {}", answer.text);
        // Without the issuer's path these are answered 404, so that a proxy's rules for that path can't be evaded.
        for bare in [path.clone(), format!("{PATH}{PATH}{path}")] {
            let health = bare.starts_with("/health/");
            assert_eq!(ask(&server, operation.method, &bare).await.status == 404, !health, "{bare}");
        }
        // A path that only begins like the issuer's path is not it.
        let other = ask(&server, operation.method, &format!("{PATH}x{path}")).await;
        assert_eq!(other.status, 404, "{path}");
    }
    for path in ["/docs", "/docs/page.js", "/openapi.json", "/health/ready", "/", here] {
        assert_eq!(ask(&server, "GET", &format!("{PATH}{path}")).await.status, 200, "{path}");
    }
    for path in ["/nothing", "/auth/id/oauth/token"] {
        let answer = ask(&server, "GET", &format!("{PATH}{path}")).await;
        assert_eq!((answer.status, answer.error()), (404, "invalid_request"), "{path}");
    }
    for path in ["/", "/docs", "/openapi.json", "/metrics", here] {
        assert_eq!(ask(&server, "GET", path).await.status, 404, "{path}");
    }
    // The metadata of another issuer on the same host.
    assert_eq!(ask(&server, "GET", &format!("{here}/auth/other")).await.status, 404);
}

#[tokio::test]
async fn metadata_is_where_both_standards_look_and_names_what_is_there() {
    let server = Server::with(under_a_path).await;
    let expected = ask(&server, "GET", &format!("{PATH}/.well-known/oauth-authorization-server")).await;
    assert_eq!(expected.json["issuer"], ISSUER);
    for path in [
        // RFC 8414 §3.1.
        "/.well-known/oauth-authorization-server/auth/id",
        // OpenID Connect Discovery §4.
        "/auth/id/.well-known/openid-configuration",
        // RFC 8414 §5.
        "/.well-known/openid-configuration/auth/id",
    ] {
        let answer = ask(&server, "GET", path).await;
        assert_eq!((answer.status, &answer.json["issuer"]), (200, &Value::from(ISSUER)), "{path}");
        assert_eq!(answer.json["token_endpoint"], expected.json["token_endpoint"], "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
    for (name, place) in expected.json.as_object().unwrap() {
        let Some(url) = place.as_str().filter(|place| place.starts_with("https:") && *place != ISSUER) else {
            continue;
        };
        let path = Url::parse(url).unwrap().path().to_owned();
        assert!(path.starts_with(PATH), "{name}: {url}");
        assert_ne!(ask(&server, "GET", &path).await.status, 404, "{name}: {url}");
    }
}

#[tokio::test]
async fn people_sign_in_refresh_and_see_their_account_there() {
    let mut server = Server::with(under_a_path).await;
    server.base.push_str(PATH);
    let first = server.sign_in_for_account().await;
    assert_eq!(first.claims()["iss"], ISSUER);
    let second = server.refresh(&first.refresh_token()).await;
    let own = server.client.get(format!("{}/account?x=y", server.base)).bearer_auth(second.access_token());
    assert_eq!(server.send(own).await.json["username"], USER.0);
    let preflight = server.client.request(Method::OPTIONS, format!("{}/oauth/token", server.base));
    let preflight =
        preflight.header("origin", "https://app.example.com").header("access-control-request-method", "POST");
    let preflight = Answer::of(preflight.send().await.unwrap()).await;
    assert_eq!(preflight.header("access-control-allow-methods"), "POST");
    let wrong_method = ask(&server, "DELETE", "/oauth/token").await;
    assert_eq!((wrong_method.status, wrong_method.header("cache-control")), (405, "no-store"));
    assert!(wrong_method.header("allow").contains("POST"));
}

#[tokio::test]
async fn a_location_is_below_the_path() {
    let mut server = Server::with(under_a_path).await;
    server.base.push_str(PATH);
    let office = Office::on(server).await;
    let answer = office.post("/admin/clients", json!({"id": "tv", "type": "public"})).await;
    assert_eq!((answer.status, answer.header("location")), (201, "/auth/id/admin/clients/tv"));
    let person =
        json!({"username": "bob", "email": "bob@example.com", "password": "marble-kettle-57-orchid"});
    let answer = office.server.client.post(format!("{}/account", office.server.base)).json(&person);
    assert_eq!(office.server.send(answer).await.header("location"), "/auth/id/account");
}

#[tokio::test]
async fn behind_a_proxy_that_takes_the_path_off_nothing_is_below_it() {
    let server = Server::with(|setup| {
        under_a_path(setup);
        setup.config.server.path_stripped = true;
    })
    .await;
    for path in ["/docs", "/openapi.json", "/health/ready", "/", "/.well-known/oauth-authorization-server"] {
        assert_eq!(ask(&server, "GET", path).await.status, 200, "{path}");
        assert_eq!(ask(&server, "GET", &format!("{PATH}{path}")).await.status, 404, "{path}");
    }
    assert_eq!(ask(&server, "POST", &format!("{PATH}/oauth/token")).await.status, 404);
    assert_eq!(ask(&server, "GET", &format!("{PATH}/admin/users")).await.status, 404);
    assert_eq!(ask(&server, "GET", "/admin/users").await.status, 401);
    let metadata = ask(&server, "GET", "/.well-known/oauth-authorization-server/auth/id").await;
    assert_eq!(metadata.json["token_endpoint"], format!("{ISSUER}/oauth/token"));
}
