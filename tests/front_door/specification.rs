//! The server answers what the specification says.

use std::sync::OnceLock;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::admin::{Office, sign_in_for};
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, USER, client};

fn specification() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(&heirloom::http::docs::specification().unwrap()).unwrap())
}

/// An operation of the specification.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) said: &'static Value,
}

impl Operation {
    pub(crate) fn all() -> Vec<Self> {
        let paths = specification()["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, operations)| {
            operations.as_object().unwrap().iter().map(|(method, said)| Self { method, path, said })
        });
        all.collect()
    }

    pub(crate) fn id(&self) -> &'static str {
        self.said["operationId"].as_str().unwrap()
    }

    pub(crate) fn method(&self) -> Method {
        Method::from_bytes(self.method.to_uppercase().as_bytes()).unwrap()
    }

    pub(crate) fn content(&self) -> Option<&'static str> {
        let types = self.said["requestBody"]["content"].as_object()?;
        types.keys().next().map(String::as_str)
    }

    /// The 4xx statuses that the specification lists.
    fn refusals(&self) -> Vec<u16> {
        let statuses = self.said["responses"].as_object().unwrap().keys();
        statuses.map(|status| status.parse().unwrap()).filter(|status| (400..500).contains(status)).collect()
    }

    /// The path with `id` in place of its parameter.
    pub(crate) fn path_of(&self, id: &str) -> String {
        self.path.replace("{id}", id)
    }

    fn fits(&self, method: &Method, path: &str) -> bool {
        let (own, requested) = (self.path.split('/'), path.split('/'));
        method.as_str().eq_ignore_ascii_case(self.method)
            && self.path.split('/').count() == path.split('/').count()
            && own.zip(requested).all(|(own, requested)| own == requested || own.starts_with('{'))
    }
}

/// Fails unless the specification has the answer: its status, its media type, and the kind of an error.
pub(crate) fn insist(method: &Method, path: &str, answer: &Answer) {
    let Some(operation) = Operation::all().into_iter().find(|operation| operation.fits(method, path)) else {
        return;
    };
    let (id, status) = (operation.id(), answer.status);
    let response = &operation.said["responses"][status.to_string()];
    assert!(response.is_object(), "the specification of {id} has no {status}: {}", answer.text);
    if answer.text.is_empty() {
        return;
    }
    let media_type = answer.header("content-type").split(';').next().unwrap();
    let content = &response["content"][media_type];
    assert!(content.is_object(), "the specification of {id} has no {status} {media_type}: {}", answer.text);
    let kind =
        |body: &Value| [&body["error"], &body["type"]].into_iter().find_map(Value::as_str).map(str::to_owned);
    if status >= 400 && !path.starts_with("/health") {
        let examples = content["examples"].as_object().unwrap();
        let kinds: Vec<_> = examples.values().map(|example| kind(&example["value"])).collect();
        assert!(
            kinds.contains(&kind(&answer.json)),
            "{id} has no example of {status} {}: {kinds:?}",
            answer.text
        );
    }
}

/// An id that nobody has.
pub(crate) const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn of(request: reqwest::RequestBuilder, operation: &Operation) -> Answer {
    let answer = Answer::of(request.send().await.unwrap()).await;
    insist(&operation.method(), &operation.path_of("x"), &answer);
    answer
}

/// Provokes an error by the form of the request. `None` if another table has the case.
fn provoked(
    office: &Office,
    operation: &Operation,
    status: u16,
    account: &str,
) -> Option<reqwest::RequestBuilder> {
    let method = operation.method();
    let token = if operation.id().starts_with("admin") { office.token.as_str() } else { account };
    let path = operation.path_of(NOBODY);
    let bare =
        |path: &str| office.server.client.request(method.clone(), format!("{}{path}", office.server.base));
    let typed = |request: reqwest::RequestBuilder, body: String| match operation.content() {
        Some(media_type) => request.header("content-type", media_type).body(body),
        None => request,
    };
    let example = || {
        let media = &operation.said["requestBody"]["content"]["application/json"];
        media["example"].to_string()
    };
    let is_form = operation.content() == Some("application/x-www-form-urlencoded");
    let is_form = is_form && operation.id() != "userinfoByPost";
    Some(match status {
        400 if operation.id() == "userinfoByPost" => {
            typed(bare(&path).bearer_auth(token), "access_token=x".to_owned())
        }
        400 if is_form => typed(bare(&format!("{path}?token=x")), "token=x".to_owned()),
        400 if operation.content().is_some() => typed(bare(&path).bearer_auth(token), "{".to_owned()),
        400 if operation.id() == "endSessions" => bare(&format!("{path}?all=perhaps")).bearer_auth(token),
        400 => bare(&format!("{path}?limit=0")).bearer_auth(token),
        401 if is_form => typed(bare(&path).basic_auth("nobody", Some("x")), "token=x".to_owned()),
        401 => typed(bare(&path), example()),
        403 if operation.id() == "signUp" => return None,
        403 => {
            let other = if operation.id().starts_with("admin") { account } else { &office.token };
            typed(bare(&path).bearer_auth(other), example())
        }
        // The list of an unknown id is empty; only an unparsable id is answered 404.
        404 if ["adminListUserSessions", "adminListClientSessions"].contains(&operation.id()) => {
            bare(&operation.path_of("%00")).bearer_auth(token)
        }
        404 => typed(bare(&path).bearer_auth(token), example()),
        413 => typed(bare(&path).bearer_auth(token), "x".repeat(65 * 1024)),
        415 if is_form => typed(bare(&path), "token=x".to_owned()).header("content-encoding", "gzip"),
        415 => bare(&path).bearer_auth(token).header("content-type", "text/plain").body(example()),
        421 => bare(&path).header("host", "rebound.example"),
        _ => return None,
    })
}

#[tokio::test]
async fn every_error_that_follows_from_the_request_is_answered() {
    let server = Server::with(|setup| setup.config.server.hosts = Some(Vec::new())).await;
    let office = Office::on(server).await;
    let account = sign_in_for(&office.server, USER, "account profile").await.access_token();
    let mut tried = 0;
    for operation in Operation::all() {
        for status in operation.refusals().into_iter().filter(|status| *status != 421) {
            let Some(request) = provoked(&office, &operation, status, &account) else { continue };
            let answer = of(request, &operation).await;
            assert_eq!(answer.status, status, "{}: {}", operation.id(), answer.text);
            tried += 1;
        }
    }
    assert!(tried > 140, "{tried}");
}

#[tokio::test]
async fn every_operation_refuses_another_host() {
    let server =
        Server::with(|setup| setup.config.server.hosts = Some(vec!["id.example.com".to_owned()])).await;
    for operation in Operation::all() {
        let method = operation.method();
        let request = client().request(method, format!("{}{}", server.base, operation.path_of(NOBODY)));
        let answer = of(request, &operation).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{}", operation.id());
    }
}

/// A request that breaks a rule of the operation: in its body, or in the query if it has no body.
fn broken(id: &str) -> Value {
    match id {
        "signUp" => {
            json!({"username": "", "email": "bob@example.com", "password": "tulip-quartz-93-lantern"})
        }
        "changeAccount" => json!({"email": "no address"}),
        "changePassword" => json!({"current_password": USER.1, "new_password": "short"}),
        "adminCreateUser" => json!({"username": "", "password": "tulip-quartz-93-lantern"}),
        "adminSetPassword" => json!({"password": ""}),
        "adminSetRoles" | "adminInvite" => json!({"roles": ["no role"]}),
        "adminRegisterClient" => json!({"id": "no id", "type": "public"}),
        "adminUpdateClient" => json!({"scopes": ["fly"]}),
        "adminListUsers" => json!("prefix=%00"),
        "listSessions"
        | "adminListUserSessions"
        | "adminListClientSessions"
        | "adminListInvitations"
        | "adminListLogoutDeliveries"
        | "adminFollowEvents" => json!("after=x"),
        "adminListClients" => json!("after=%00"),
        "adminListEvents" => json!("stream=x"),
        id => panic!("nothing is known that {id} refuses with 422"),
    }
}

#[tokio::test]
async fn every_operation_that_says_it_has_rules_has_some() {
    let office = Office::open().await;
    let account = sign_in_for(&office.server, USER, "account").await.access_token();
    let user = office.user().await;
    office.post("/admin/clients", json!({"id": "tv", "type": "public"})).await;
    for operation in Operation::all().iter().filter(|operation| operation.refusals().contains(&422)) {
        let token = if operation.id().starts_with("admin") { office.token.as_str() } else { &account };
        let id = if operation.path.starts_with("/admin/clients") { "tv" } else { &user };
        let broken = broken(operation.id());
        let query = broken.as_str().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}{}{query}", office.server.base, operation.path_of(id));
        let method = operation.method();
        let request = office.server.client.request(method, url).bearer_auth(token);
        let request = if broken.is_string() { request } else { request.json(&broken) };
        let answer = of(request, operation).await;
        assert_eq!(answer.status, 422, "{}: {}", operation.id(), answer.text);
    }
}

#[tokio::test]
async fn every_operation_that_says_so_refuses_what_the_configuration_declares() {
    let server = Server::with(|setup| setup.client(CONFIDENTIAL, |client| client.disabled = true)).await;
    let office = Office::on(server).await;
    let mut tried = 0;
    let of_clients = |operation: &&Operation| operation.path.starts_with("/admin/clients");
    let all = Operation::all();
    for operation in all.iter().filter(of_clients).filter(|operation| operation.refusals().contains(&409)) {
        let path =
            operation.path_of(if operation.id() == "adminEnableClient" { CONFIDENTIAL } else { PUBLIC });
        let method = operation.method();
        let body = if operation.content().is_some() { json!({}) } else { Value::Null };
        let answer = office.send(method, &path, &body).await;
        assert_eq!(
            answer.json["type"],
            "urn:heirloom:problem:declared",
            "{}: {}",
            operation.id(),
            answer.text
        );
        tried += 1;
    }
    assert_eq!(tried, 4);
}

#[tokio::test]
async fn a_client_that_proves_itself_is_told_what_else_is_wrong() {
    let server = Server::start().await;
    for path in ["token", "revoke", "introspect"] {
        let url = format!("{}/oauth/{path}", server.base);
        let request = server.client.post(url).basic_auth(CONFIDENTIAL, Some(SECRET)).form(&[("x", "y")]);
        assert_eq!(server.send(request).await.outcome(), (400, "invalid_request"), "{path}");
    }
}

/// Names that generators use for something else: Go's constructors begin with `New`, the others are types or modules.
const GENERATED: [&str; 9] = [
    "ApiClient",
    "AuthenticatedClient",
    "Client",
    "ClientOption",
    "Configuration",
    "Error",
    "Response",
    "Service",
    "Unset",
];

#[test]
fn no_schema_has_a_name_that_generators_need_themselves() {
    let specification = specification();
    let schemas = specification["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(!name.starts_with("New") && !GENERATED.contains(&name.as_str()), "{name}");
    }
    for operation in Operation::all() {
        for media in
            operation.said["requestBody"]["content"].as_object().into_iter().flat_map(|types| types.values())
        {
            let reference = media["schema"]["$ref"].as_str().unwrap();
            assert!(reference.ends_with("Request"), "{} is sent {reference}", operation.id());
        }
    }
}

#[test]
fn a_reference_stands_by_itself_or_is_the_one_member_of_an_all_of() {
    fn walk(value: &Value) {
        if let Some(fields) = value.as_object() {
            assert!(!fields.contains_key("$ref") || fields.len() == 1, "{value}");
            if let Some(members) = fields.get("allOf") {
                assert!(
                    members.as_array().unwrap().iter().all(|member| member["$ref"].is_string()),
                    "{value}"
                );
            }
            fields.values().for_each(walk);
        }
        value.as_array().into_iter().flatten().for_each(walk);
    }
    walk(specification());
}

/// Go has one name for a value, in whichever enumeration it is.
#[test]
fn no_two_enumerations_have_a_value_in_common() {
    let schemas = specification()["components"]["schemas"].as_object().unwrap();
    let mut values: Vec<_> =
        schemas.values().filter_map(|schema| schema["enum"].as_array()).flatten().collect();
    let all = values.len();
    values.sort_by_key(ToString::to_string);
    values.dedup();
    assert_eq!(values.len(), all, "{values:?}");
}
