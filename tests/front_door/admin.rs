//! The administration API.

mod actors;
mod clients;
pub(crate) mod events;
mod invitations;
mod load;
mod sessions;
mod users;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PUBLIC, Server, USER};

/// The administrator in these tests.
pub(crate) const ADMIN: (&str, &str) = ("root", "walnut-copper-58-harbour");

/// A server with an administrator who is signed in.
pub(crate) struct Office {
    pub(crate) server: Server,
    /// The administrator's access token.
    pub(crate) token: String,
    /// The administrator's id.
    pub(crate) admin: String,
}

impl Office {
    pub(crate) async fn open() -> Self {
        Self::on(Server::start().await).await
    }

    pub(crate) async fn on(server: Server) -> Self {
        let roles = vec!["admin".to_owned()];
        let admin = server.app.accounts.register(ADMIN.0, ADMIN.1, roles).await.unwrap().to_string();
        let token = sign_in_for(&server, ADMIN, "admin").await.access_token();
        Self { server, token, admin }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.server.base);
        self.server.client.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.server.send(self.request(Method::GET, path)).await
    }

    /// Like [`Office::get`], but with a new access token, since the first one may have expired.
    pub(crate) async fn get_again(&self, path: &str) -> Answer {
        let token = sign_in_for(&self.server, ADMIN, "admin").await.access_token();
        let url = format!("{}{path}", self.server.base);
        self.server.send(self.server.client.get(url).bearer_auth(token)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path);
        let request = if body.is_null() { request } else { request.json(body) };
        self.server.send(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &Value::Null).await
    }

    /// The administrator as an event's `by`.
    pub(crate) fn actor(&self) -> Value {
        json!({"kind": "administrator", "id": self.admin})
    }

    /// The id of the user that every test server has.
    pub(crate) async fn user(&self) -> String {
        self.server.app.administration.find_user(USER.0).await.unwrap().to_string()
    }
}

/// Signs in for `scope` with the public client.
pub(crate) async fn sign_in_for(server: &Server, (name, password): (&str, &str), scope: &str) -> Answer {
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", name),
        ("password", password),
        ("scope", scope),
    ];
    server.post(&form).await
}

/// Every administration endpoint of the specification: method, path with an id, and the example body.
fn endpoints() -> Vec<(Method, String, Value)> {
    let text = heirloom::http::docs::specification().unwrap();
    let specification: Value = serde_json::from_str(&text).unwrap();
    let paths = specification["paths"].as_object().unwrap();
    // The specification's text has each path once, although two groups of endpoints share it.
    assert_eq!(text.matches("\"/admin/users/{id}/sessions\": {").count(), 1);
    let of_admin = paths.iter().filter(|(path, _)| path.starts_with("/admin"));
    of_admin
        .flat_map(|(path, operations)| {
            let path = path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
            let schemas = &specification["components"]["schemas"];
            operations.as_object().unwrap().iter().map(move |(method, operation)| {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
                let body = name.map_or(Value::Null, |name| schemas[name]["example"].clone());
                (Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), path.clone(), body)
            })
        })
        .collect()
}

#[tokio::test]
async fn every_endpoint_of_the_administration_needs_the_scope_and_the_role() {
    let office = Office::open().await;
    let endpoints = endpoints();
    assert!(endpoints.len() >= 25, "{endpoints:?}");
    let account = sign_in_for(&office.server, ADMIN, "account").await.access_token();
    // A user without the role is not granted the scope.
    let requested = sign_in_for(&office.server, USER, "admin account").await;
    assert_eq!(requested.json["scope"], "account");
    for (method, path, body) in endpoints {
        let bare = || office.server.client.request(method.clone(), format!("{}{path}", office.server.base));
        let answer = office.server.send(bare().json(&body)).await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
        assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
        for token in [&account, &requested.access_token()] {
            let answer = office.server.send(bare().bearer_auth(token).json(&body)).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            assert!(answer.header("www-authenticate").contains("insufficient_scope"));
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
}

#[tokio::test]
async fn an_administrator_who_loses_the_role_loses_access_at_once() {
    let office = Office::open().await;
    assert_eq!(office.get("/admin/users").await.status, 200);
    let path = format!("/admin/users/{}/roles", office.admin);
    let demoted = office.put(&path, json!({"roles": ["user"]})).await;
    assert_eq!(demoted.status, 200, "{}", demoted.text);
    assert_eq!(office.get("/admin/users").await.status, 403);
}

#[tokio::test]
async fn what_is_malformed_is_answered_with_a_problem_document() {
    let office = Office::open().await;
    let broken = office.request(Method::POST, "/admin/users").header("content-type", "application/json");
    let broken = office.server.send(broken.body("{")).await;
    let missing = office.post("/admin/users", json!({"username": "bob"})).await;
    let too_many = office.get("/admin/users?limit=101").await;
    for answer in [broken, missing, too_many] {
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json["type"], "urn:heirloom:problem:malformed");
    }
    let nothing = office.get("/admin/nothing").await;
    assert_eq!((nothing.status, nothing.json["status"].as_u64()), (404, Some(404)), "{}", nothing.text);
}
