//! `grant_type=client_credentials` (RFC 6749 §4.4).

mod rate;

use std::time::Duration;

use heirloom::client::{
    ClientMetadata, Command, RefreshTokens, Registration, SecretDigest, TokenEndpointAuthMethod,
};
use heirloom::oauth::{Actor, GrantType, SessionId};
use heirloom::session::{EndReason, Session, SessionEvent};
use reqwest::Method;
use serde_json::json;

use crate::admin::Office;
use crate::support::{Answer, CONFIDENTIAL, NOW, PUBLIC, SECRET, Server, Setup, USER};
use crate::sweep::sweep_all;

/// The resource server of the audience `demo-api`.
const API: (&str, &str) = ("demo-api-server", "a secret of thirty-two characters");

fn with_a_resource_server(setup: &mut Setup) {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecret,
        grant_types: Vec::new(),
        refresh_tokens: RefreshTokens::Never,
        introspects: vec!["demo-api".parse().unwrap()],
        introspects_usernames: true,
        ..setup.config.clients[0].metadata.clone()
    };
    let (id, secrets) = (API.0.parse().unwrap(), vec![SecretDigest::of(API.1)]);
    setup.config.clients.push(Registration { id, metadata, secrets, disabled: false });
}

async fn ask_with(server: &Server, more: &[(&str, &str)]) -> Answer {
    let form = [&[("grant_type", "client_credentials")], more].concat();
    server.send(server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await
}

async fn ask(server: &Server) -> Answer {
    ask_with(server, &[]).await
}

async fn post(server: &Server, path: &str, (id, secret): (&str, &str), token: &str) -> Answer {
    let request = server.client.post(format!("{}{path}", server.base));
    server.send(request.basic_auth(id, Some(secret)).form(&[("token", token)])).await
}

async fn is_active(server: &Server, token: &str) -> bool {
    post(server, "/oauth/introspect", API, token).await.json["active"] == true
}

async fn reasons(server: &Server, id: SessionId) -> Vec<EndReason> {
    let events = server.events(id).await;
    let ended = |event: &SessionEvent| {
        if let SessionEvent::Ended { reason, .. } = event { Some(*reason) } else { None }
    };
    events.iter().filter_map(ended).collect()
}

#[tokio::test]
async fn a_client_gets_a_token_of_its_own_and_never_a_refresh_token() {
    let server = Server::start().await;
    let answer = ask(&server).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((answer.json.get("refresh_token"), answer.json["expires_in"].as_u64()), (None, Some(600)));
    assert_eq!(answer.json["scope"], "read write");
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let claims = answer.claims();
    for (name, value) in [
        ("sub", json!(CONFIDENTIAL)),
        ("client_id", json!(CONFIDENTIAL)),
        ("aud", json!("demo-api")),
        ("scope", json!("read write")),
        ("iat", json!(NOW.seconds())),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    // Nobody has signed in (RFC 9068 §2.2.1), and nobody has roles.
    assert_eq!((claims.get("auth_time"), claims.get("roles")), (None, None));
    assert_eq!(server.event_names(answer.session()).await, ["session_started", "tokens_issued"]);
}

/// Of a fleet that starts at once, all get one token: it is in the log once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_requests_at_once_one_begins_the_session_and_all_get_its_token() {
    let server = Server::start().await;
    let before = server.position().await;
    let answers = futures_util::future::join_all((0..32).map(|_| ask(&server))).await;
    let first = answers[0].access_token();
    assert!(answers.iter().all(|answer| answer.access_token() == first));
    assert_eq!(server.position().await - before, 2, "the session and its token");
    server.wait(301);
    let before = server.position().await;
    let answers = futures_util::future::join_all((0..32).map(|_| ask(&server))).await;
    assert!(answers.iter().all(|answer| answer.claims() == answers[0].claims()));
    assert_eq!(server.position().await - before, 1, "another token");
}

#[tokio::test]
async fn the_same_token_is_answered_until_half_of_its_life_is_over_and_nothing_is_written() {
    let server = Server::start().await;
    let first = ask(&server).await;
    let written = server.app.store.stats().changes;
    server.wait(300);
    let again = ask(&server).await;
    assert_eq!(again.access_token(), first.access_token());
    assert_eq!(again.json["expires_in"].as_u64(), Some(300), "it counts down");
    assert_eq!(server.app.store.stats().changes, written);
    server.wait(1);
    let next = ask(&server).await;
    assert_ne!(next.access_token(), first.access_token());
    assert_eq!((next.session(), next.json["expires_in"].as_u64()), (first.session(), Some(600)));
    // Also after a restart: it is made of what is in the log.
    let server = server.restart(|_| {}).await;
    assert_eq!(ask(&server).await.access_token(), next.access_token());
}

#[tokio::test]
async fn another_scope_is_another_session_and_its_order_makes_no_difference() {
    let server = Server::start().await;
    let both = ask(&server).await;
    assert_eq!(ask_with(&server, &[("scope", "write read")]).await.access_token(), both.access_token());
    let read = ask_with(&server, &[("scope", "read"), ("resource", "demo-api")]).await;
    assert_ne!(read.session(), both.session());
    assert_eq!((read.json["scope"].as_str(), read.claims()["scope"].as_str()), (Some("read"), Some("read")));
}

#[tokio::test]
async fn only_a_confidential_client_that_is_registered_for_it_gets_one() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.grant_types = GrantType::ALL.to_vec());
    })
    .await;
    let form = [("grant_type", "client_credentials"), ("client_id", PUBLIC)];
    assert_eq!(server.post(&form).await.outcome(), (400, "unauthorized_client"));
    let wrong = server.token().basic_auth(CONFIDENTIAL, Some("wrong")).form(&form[..1]);
    assert_eq!(server.send(wrong).await.outcome(), (401, "invalid_client"));
    let server = Server::with(|setup| {
        setup.client(CONFIDENTIAL, |client| {
            client.metadata.grant_types = vec![GrantType::Password, GrantType::RefreshToken];
        });
    })
    .await;
    assert_eq!(ask(&server).await.outcome(), (400, "unauthorized_client"));
}

#[tokio::test]
async fn what_is_about_a_person_is_not_given_to_a_client_for_itself() {
    // It may ask for all of them, for its users.
    let wide = |setup: &mut Setup| {
        let scopes = "read write account admin profile".parse().unwrap();
        setup.client(CONFIDENTIAL, |client| client.metadata.scope = scopes);
    };
    let server = Server::with(wide).await;
    for scope in ["account", "admin", "openid", "profile", "email", "offline_access", "read offline_access"] {
        let answer = ask_with(&server, &[("scope", scope)]).await;
        assert_eq!(answer.outcome(), (400, "invalid_scope"), "{scope}");
        let sentence = answer.json["error_description"].as_str().unwrap();
        assert!(sentence.ends_with("is about a user: no client has it for itself."), "{scope}: {sentence}");
    }
    assert_eq!(ask_with(&server, &[("scope", "no-such")]).await.outcome(), (400, "invalid_scope"));
    let other = ask_with(&server, &[("resource", "https://other.example")]).await;
    assert_eq!(other.outcome(), (400, "invalid_target"));
    // Heirloom's own API is for people.
    let token = ask(&server).await.access_token();
    let account = server.client.get(format!("{}/account", server.base)).bearer_auth(token);
    assert_eq!(server.send(account).await.status, 403);
}

#[tokio::test]
async fn revoking_ends_the_session_and_the_next_request_begins_another() {
    let server = Server::with(with_a_resource_server).await;
    let first = ask(&server).await;
    assert!(is_active(&server, &first.access_token()).await);
    let revoked = post(&server, "/oauth/revoke", (CONFIDENTIAL, SECRET), &first.access_token()).await;
    assert_eq!(revoked.status, 200);
    assert!(!is_active(&server, &first.access_token()).await);
    assert_eq!(reasons(&server, first.session()).await, [EndReason::Logout]);
    // At the same second, on the same stream.
    let second = ask(&server).await;
    assert_ne!(second.access_token(), first.access_token());
    assert!(is_active(&server, &second.access_token()).await);
    assert!(!is_active(&server, &first.access_token()).await, "what was revoked stays revoked");
    // Revoked again, it ends nothing that has begun since.
    post(&server, "/oauth/revoke", (CONFIDENTIAL, SECRET), &first.access_token()).await;
    assert!(is_active(&server, &second.access_token()).await);
    assert_eq!(ask(&server).await.access_token(), second.access_token());
}

#[tokio::test]
async fn introspection_says_whose_it_is_and_an_earlier_token_stays_good() {
    let server = Server::with(with_a_resource_server).await;
    let first = ask(&server).await;
    server.wait(301);
    let second = ask(&server).await;
    assert_ne!(first.access_token(), second.access_token());
    for token in [&first, &second] {
        let claims = token.claims();
        let answer = post(&server, "/oauth/introspect", API, &token.access_token()).await;
        let expected = json!({
            "active": true, "token_type": "Bearer", "scope": "read write", "client_id": CONFIDENTIAL,
            "sub": CONFIDENTIAL, "aud": ["demo-api"], "iss": server.base, "exp": claims["exp"],
            "iat": claims["iat"], "sid": claims["sid"], "jti": claims["jti"],
        });
        assert_eq!(answer.json, expected);
    }
}

#[tokio::test]
async fn a_client_that_is_switched_off_gets_none_and_what_it_has_is_no_good() {
    let server = Server::with(with_a_resource_server).await;
    let first = ask(&server).await;
    let id = CONFIDENTIAL.parse().unwrap();
    let order = |command| server.app.administration.administer_client(&id, command, Actor::System);
    order(Command::Disable).await.unwrap();
    assert_eq!(ask(&server).await.outcome(), (401, "invalid_client"));
    assert!(!is_active(&server, &first.access_token()).await);
    order(Command::Enable).await.unwrap();
    let second = ask(&server).await;
    assert!(is_active(&server, &second.access_token()).await);
    assert!(!is_active(&server, &first.access_token()).await);
    assert_eq!(reasons(&server, first.session()).await, [EndReason::ClientEpoch]);
}

#[tokio::test]
async fn ending_all_sessions_of_the_client_ends_its_own() {
    let server = Server::with(with_a_resource_server).await;
    let first = ask(&server).await.access_token();
    let order = |command| async {
        let id = CONFIDENTIAL.parse().unwrap();
        server.app.administration.administer_client(&id, command, Actor::System).await.unwrap();
    };
    assert_eq!(ask(&server).await.access_token(), first);
    order(Command::EndSessions).await;
    assert!(!is_active(&server, &first).await);
    let second = ask(&server).await;
    assert_ne!(second.access_token(), first);
    assert!(is_active(&server, &second.access_token()).await);
    assert_eq!(reasons(&server, second.session()).await, [EndReason::ClientEpoch]);
}

#[tokio::test]
async fn the_sweeper_ends_and_removes_it_and_the_next_request_begins_another() {
    const DAY: u64 = 24 * 60 * 60;
    let server = Server::with(with_a_resource_server).await;
    let id = ask(&server).await.session();
    server.wait(14 * DAY);
    assert_eq!(sweep_all(&server).await.ended, 1);
    assert_eq!(reasons(&server, id).await, [EndReason::Expired]);
    // A session that begins meanwhile is not removed with the one before.
    assert_eq!(ask(&server).await.session(), id);
    server.wait(13 * DAY);
    ask(&server).await;
    server.wait(13 * DAY);
    assert!(is_active(&server, &ask(&server).await.access_token()).await);
    server.wait(14 * DAY);
    assert_eq!(sweep_all(&server).await.ended, 1);
    server.wait(365 * DAY);
    assert_eq!(sweep_all(&server).await.removed, 1);
    assert_eq!(server.events(id).await.len(), 0);
    assert!(is_active(&server, &ask(&server).await.access_token()).await);
}

#[tokio::test]
async fn a_client_that_asks_daily_for_months_has_a_short_log_and_goes_on() {
    const DAY: u64 = 24 * 60 * 60;
    let server = Server::with(|setup| {
        setup.client(CONFIDENTIAL, |client| {
            client.metadata.lifetimes.refresh_absolute = Duration::from_hours(365 * 24);
        });
    })
    .await;
    let id = ask(&server).await.session();
    for _ in 0..60 {
        server.wait(DAY);
        ask(&server).await;
    }
    assert_eq!(server.events(id).await.len(), 62);
    assert_eq!(sweep_all(&server).await.summarized, 29);
    let names = server.event_names(id).await;
    assert_eq!(names[..3], ["session_started", "tokens_issued", "rotations_summarized"]);
    assert_eq!(names[3..], ["access_token_issued"; 31]);
    let snapshot = server.app.store.load(Session::stream(id).unwrap()).await.unwrap().unwrap();
    let folded = server.events(id).await.iter().fold(None, Session::apply);
    assert_eq!(folded, Some(Session::decode(&snapshot.data).unwrap()));
    assert_eq!(ask(&server).await.session(), id);
}

#[tokio::test]
async fn no_user_sees_it_in_a_list_and_an_administrator_sees_what_it_is() {
    let office = Office::open().await;
    let id = ask(&office.server).await.session().to_string();
    let user = office.server.sign_in().await.claims()["sub"].as_str().unwrap().to_owned();
    let of_user = office.get(&format!("/admin/users/{user}/sessions")).await;
    let ids = |answer: &Answer| -> Vec<String> {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let sessions = answer.json["sessions"].as_array().unwrap();
        sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(!ids(&of_user).is_empty() && !ids(&of_user).contains(&id), "{}", of_user.text);
    let account = office.server.sign_in_for_account().await.access_token();
    let devices = office.server.client.get(format!("{}/account/sessions", office.server.base));
    let devices = office.server.send(devices.bearer_auth(account)).await;
    assert!(!ids(&devices).is_empty() && !ids(&devices).contains(&id), "{}", devices.text);
    let of_client = office.get(&format!("/admin/clients/{CONFIDENTIAL}/sessions")).await;
    let listed = &of_client.json["sessions"];
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((listed[0]["id"].as_str(), listed[0].get("user")), (Some(id.as_str()), None));
    assert_eq!(listed[0]["scope"], "read write");
    let timeline = office.get(&format!("/admin/sessions/{id}/events")).await;
    assert!(timeline.text.contains("began to act for itself"), "{}", timeline.text);
    let events = office.get(&format!("/admin/events?stream=session:{id}")).await;
    let began = &events.json["events"][0]["data"];
    assert_eq!((began["client"].as_str(), began.get("user")), (Some(CONFIDENTIAL), None), "{began}");
    let ended = office.send(Method::DELETE, &format!("/admin/sessions/{id}"), &json!(null)).await;
    assert_eq!(ended.status, 204);
    assert_eq!(reasons(&office.server, id.parse().unwrap()).await, [EndReason::Admin]);
}

#[tokio::test]
async fn the_metadata_names_the_grant() {
    let server = Server::start().await;
    let grants =
        server.get("/.well-known/oauth-authorization-server").await.json["grant_types_supported"].clone();
    assert_eq!(grants, json!(["password", "refresh_token", "client_credentials", "authorization_code"]));
}

/// `write` needs the role `editor`.
fn needs_a_role(setup: &mut Setup) {
    setup.config.scope_roles.insert("write".to_owned(), vec!["editor".to_owned()]);
}

#[tokio::test]
async fn its_own_roles_open_scopes_and_are_in_the_token() {
    let server = Server::with(needs_a_role).await;
    let refused = ask_with(&server, &[("scope", "write")]).await;
    assert_eq!(refused.outcome(), (400, "invalid_scope"));
    let told = &refused.json["error_description"];
    assert_eq!(told, "The scope write needs a role that the client does not have.");
    let narrowed = ask(&server).await;
    assert_eq!((narrowed.json["scope"].as_str(), narrowed.claims().get("roles")), (Some("read"), None));
    // As soon as it has the role, the session's next token has the scope.
    let server = server
        .restart(|setup| {
            needs_a_role(setup);
            with_a_resource_server(setup);
            setup.client(CONFIDENTIAL, |client| client.metadata.roles = vec!["editor".to_owned()]);
        })
        .await;
    let both = ask(&server).await;
    assert_eq!((both.session(), both.json["scope"].as_str()), (narrowed.session(), Some("read write")));
    assert_eq!(both.claims()["roles"], json!(["editor"]));
    let told = post(&server, "/oauth/introspect", API, &both.access_token()).await;
    assert_eq!(told.json["roles"], json!(["editor"]));
    assert_eq!(ask_with(&server, &[("scope", "write")]).await.status, 200);
    // A user of the client gets none of them.
    let user = server.token().basic_auth(CONFIDENTIAL, Some(SECRET));
    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1), ("scope", "read")];
    let roles = server.send(user.form(&form)).await.claims()["roles"].clone();
    assert!(!roles.to_string().contains("editor"), "{roles}");
}

#[tokio::test]
async fn an_administrator_gives_a_client_roles_and_the_grant_but_not_the_id_of_a_user() {
    let office = Office::open().await;
    let settings = json!({
        "id": "nightly", "type": "confidential", "scopes": ["read"], "grants": ["client_credentials"],
        "roles": ["reporter"],
    });
    let made = office.post("/admin/clients", settings).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = made.json["client_secret"].as_str().unwrap();
    let server = &office.server;
    let form = [("grant_type", "client_credentials")];
    let token = server.send(server.token().basic_auth("nightly", Some(secret)).form(&form)).await;
    assert_eq!((&token.claims()["roles"], &token.claims()["sub"]), (&json!(["reporter"]), &json!("nightly")));
    assert_eq!(office.get("/admin/clients/nightly").await.json["roles"], json!(["reporter"]));
    let log = office.get("/admin/events?stream=client:nightly").await;
    assert_eq!(log.json["events"][0]["data"]["roles"], json!(["reporter"]));
    // A client with a user's id may sign users in, and never get the grant later.
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let made = office.post("/admin/clients", json!({"id": id, "type": "confidential"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let grant = json!({"grants": ["client_credentials"]});
    let refused = office.send(Method::PUT, &format!("/admin/clients/{id}"), &grant).await;
    assert_eq!((refused.status, &refused.json["errors"][0]["rule"]), (422, &json!("id_of_a_user")));
}
