//! Bodies in JSON: fields that don't match the specification are refused by name, and only to clients that may use the
//! endpoint.

use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::{Office, sign_in_for};
use crate::specification::Operation;
use crate::support::{Answer, Server, USER};

/// The operations that accept JSON.
fn operations() -> Vec<Operation> {
    let all =
        Operation::all().into_iter().filter(|operation| operation.content() == Some("application/json"));
    all.collect()
}

/// The wrong fields of an answer, each with the rule that it breaks.
fn mistakes(answer: &Answer) -> Vec<(&str, &str)> {
    assert_eq!(
        (answer.status, &answer.json["type"]),
        (400, &json!("urn:heirloom:problem:malformed")),
        "{}",
        answer.text
    );
    let errors =
        answer.json["errors"].as_array().unwrap_or_else(|| panic!("no errors: {}", answer.text)).iter();
    errors.map(|error| (error["field"].as_str().unwrap(), error["rule"].as_str().unwrap())).collect()
}

/// An administrator's office, and an access token of the usual user for the own account.
async fn office() -> (Office, String) {
    let office = Office::open().await;
    let own = sign_in_for(&office.server, USER, "account").await.access_token();
    (office, own)
}

async fn send(server: &Server, operation: &Operation, token: &str, body: &str) -> Answer {
    let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
    let url = format!("{}{}", server.base, operation.path_of("01890a5d-ac96-774b-bcce-b302099a8057"));
    let request = server.client.request(method, url).header("content-type", "application/json");
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    server.send(request.body(body.to_owned())).await
}

#[tokio::test]
async fn every_operation_names_a_field_that_is_repeated_or_unknown_or_of_another_type() {
    let (office, own) = office().await;
    let position = office.server.position().await;
    let operations = operations();
    assert!(operations.len() >= 11, "{}", operations.len());
    for operation in operations {
        let token = if operation.id().starts_with("admin") { &office.token } else { &own };
        let example = &operation.said["requestBody"]["content"]["application/json"]["example"];
        let (field, value) = example.as_object().unwrap().iter().next().unwrap();
        let rest = example.to_string();
        let rest = rest.strip_prefix('{').unwrap();
        for (body, field, rule) in [
            (format!(r#"{{"{field}": {value}, {rest}"#), field.as_str(), "repeated"),
            (format!(r#"{{"jwks_uri": [], {rest}"#), "jwks_uri", "unknown"),
            (example.to_string().replacen(&value.to_string(), "{}", 1), field, "type"),
            ("[]".to_owned(), "", "type"),
        ] {
            let answer = send(&office.server, &operation, token, &body).await;
            assert_eq!(mistakes(&answer), [(field, rule)], "{} {body}", operation.id());
        }
    }
    assert_eq!(office.server.position().await, position);
}

#[tokio::test]
async fn who_may_not_ask_is_told_so_before_anything_is_read() {
    let (office, own) = office().await;
    for operation in operations().iter().filter(|operation| operation.id() != "signUp") {
        assert_eq!(send(&office.server, operation, "", "{").await.status, 401, "{}", operation.id());
        let other = if operation.id().starts_with("admin") { &own } else { &office.token };
        assert_eq!(send(&office.server, operation, other, "{").await.status, 403, "{}", operation.id());
    }
    let url = format!("{}/admin/users?limit=many", office.server.base);
    assert_eq!(office.server.send(office.server.client.get(url)).await.status, 401);
    assert_eq!(office.get("/admin/users?limit=many").await.status, 400);
}

#[tokio::test]
async fn a_field_that_is_missing_is_named() {
    let (office, _) = office().await;
    let sign_up = async |body: &str| {
        let url = format!("{}/account", office.server.base);
        let request = office.server.client.post(url).header("content-type", "application/json");
        office.server.send(request.body(body.to_owned())).await
    };
    let answer = sign_up(r#"{"username": "bob", "password": "tulip-quartz-93-lantern"}"#).await;
    assert_eq!(mistakes(&answer), [("email", "required")]);
    assert_eq!(answer.json["errors"][0]["message"], "The field email is missing.");
    // All mistakes are reported at once.
    let answer = sign_up(r#"{"username": false, "email": null, "e_mail": "bob@example.com"}"#).await;
    let expected =
        [("email", "required"), ("password", "required"), ("username", "type"), ("e_mail", "unknown")];
    assert_eq!(mistakes(&answer), expected);
    assert!(!sign_up("").await.json["detail"].as_str().unwrap().is_empty());

    let answer = office.post("/admin/users", json!({"id": "7", "email": "bob@example.com"})).await;
    let expected =
        [("username", "required"), ("password", "required"), ("id", "unknown"), ("email", "unknown")];
    assert_eq!(mistakes(&answer), expected);
    let answer =
        office.post("/admin/clients", json!({"type": "public", "jwks_uri": "https://a.example"})).await;
    assert_eq!(mistakes(&answer), [("jwks_uri", "unknown")]);
}

#[tokio::test]
async fn a_password_that_breaks_a_rule_is_not_repeated() {
    let (office, _) = office().await;
    for (password, rule) in [(json!("hunter2-".repeat(200)), "not_permitted"), (json!(["hunter2"]), "type")] {
        let answer = office.post("/admin/users", json!({"username": "bob", "password": password})).await;
        assert_eq!(mistakes(&answer), [("password", rule)]);
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
}

#[tokio::test]
async fn no_new_client_has_dots_for_an_id() {
    let (office, _) = office().await;
    for id in [".", ".."] {
        let answer = office.post("/admin/clients", json!({"id": id, "type": "public"})).await;
        assert_eq!(
            (answer.status, &answer.json["errors"][0]["field"]),
            (422, &Value::from("id")),
            "{}",
            answer.text
        );
    }
    let answer = office.post("/admin/clients", json!({"id": "...", "type": "public"})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}
