//! What ends something on one node holds on every other from the moment of the answer. The other node says nothing, hears
//! nothing, and can't read the log: what a request depends on is read with it.

use std::sync::Arc;

use heirloom::consent::ConsentId;
use heirloom::oauth::UserId;
use heirloom::store::{
    Append, Appended, RecordKey, RecordedEvent, Remove, Snapshot, Store, StoreFuture, StoreStats, StreamId,
    Summarize,
};
use serde_json::{Value, json};

use crate::admin::{Office, sign_in_for};
use crate::authorize::{CALLBACK, request};
use crate::backchannel_logout::endings::log_out;
use crate::introspection::{API, introspect, with_a_resource_server};
use crate::own_account::change_password;
use crate::support::codes::VERIFIER;
use crate::support::database::Pair;
use crate::support::web_browser::Browser;
use crate::support::{Answer, PUBLIC, Server, USER};

/// A store whose log never comes.
struct WithoutLog(Arc<dyn Store>);

impl Store for WithoutLog {
    fn append(&self, append: Append) -> StoreFuture<'_, Appended> {
        self.0.append(append)
    }
    fn remove(&self, remove: Remove) -> StoreFuture<'_, ()> {
        self.0.remove(remove)
    }
    fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()> {
        self.0.summarize(summarize)
    }
    fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        self.0.load(stream)
    }
    fn read_stream(&self, stream: StreamId, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        self.0.read_stream(stream, after, limit)
    }
    fn read_log(&self, _after: u64, _limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        Box::pin(std::future::pending())
    }
    fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.0.record(key)
    }
    fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>> {
        self.0.scan(prefix, after, limit)
    }
    fn is_nearly_full(&self) -> bool {
        false
    }
    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }
    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}

/// What somebody does on one node.
#[derive(Clone, Copy, Debug)]
enum Act {
    EndAllSessions,
    EndAllSessionsByAdministrator,
    EndSession,
    DisableUser,
    DeleteUser,
    ChangePassword,
    SetPasswordByAdministrator,
    DisableClient,
    EndSessionsOfClient,
    WithdrawConsent,
    LogOut,
}

const ACTS: [Act; 11] = [
    Act::EndAllSessions,
    Act::EndAllSessionsByAdministrator,
    Act::EndSession,
    Act::DisableUser,
    Act::DeleteUser,
    Act::ChangePassword,
    Act::SetPasswordByAdministrator,
    Act::DisableClient,
    Act::EndSessionsOfClient,
    Act::WithdrawConsent,
    Act::LogOut,
];

/// One node with an administrator, and another beside it.
pub(super) async fn offices() -> (Office, Server) {
    let without_log = |setup: &mut crate::support::Setup| {
        setup.store = Some(Box::new(|inner| Arc::new(WithoutLog(inner))));
    };
    let Pair { one, other, .. } = Pair::with(with_a_resource_server, without_log).await;
    (Office::on(one).await, other)
}

/// Signs in at the pages of a node.
async fn signed_in(node: &Server) -> (Browser, Answer) {
    let mut browser = Browser::of(node);
    let url = request(&browser, &[("client_id", PUBLIC), ("scope", "openid account read")]);
    let code = browser.sign_in(&url, USER).await.code().to_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", PUBLIC),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let tokens = node.post(&form).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    (browser, tokens)
}

async fn get(node: &Server, path: &str, tokens: &Answer) -> u16 {
    let url = format!("{}{path}", node.base);
    node.send(node.client.get(url).bearer_auth(tokens.access_token())).await.status
}

/// Whether a node answers by the tokens: introspection, userinfo, the own API.
async fn is_known(node: &Server, tokens: &Answer) -> [bool; 3] {
    let introspected = introspect(node, API, &tokens.access_token()).await;
    let userinfo = get(node, "/oauth/userinfo", tokens).await;
    let account = get(node, "/account", tokens).await;
    [introspected.json["active"] == true, userinfo == 200, account == 200]
}

async fn carry_out(act: Act, office: &Office, tokens: &Answer, browser: &mut Browser) {
    let node = &office.server;
    let user = office.user().await;
    let user_path = |rest: &str| format!("/admin/users/{user}{rest}");
    let new = "marble-kettle-57-orchid";
    let done = match act {
        Act::EndAllSessions => {
            let url = format!("{}/account/sessions", node.base);
            let request = node.client.delete(url).bearer_auth(tokens.access_token());
            // Also this one.
            node.send(request.query(&[("all", "true")])).await.status
        }
        Act::EndAllSessionsByAdministrator => office.delete(&user_path("/sessions")).await.status,
        Act::EndSession => office.delete(&format!("/admin/sessions/{}", tokens.session())).await.status,
        Act::DisableUser => office.post(&user_path("/disable"), Value::Null).await.status,
        Act::DeleteUser => office.delete(&user_path("")).await.status,
        Act::ChangePassword => {
            // By another session: that one is kept.
            let by = sign_in_for(node, USER, "account").await;
            change_password(node, &by.access_token(), USER.1, new).await.status
        }
        Act::SetPasswordByAdministrator => {
            office.put(&user_path("/password"), json!({"password": new})).await.status
        }
        Act::DisableClient => {
            office.post(&format!("/admin/clients/{PUBLIC}/disable"), Value::Null).await.status
        }
        Act::EndSessionsOfClient => office.delete(&format!("/admin/clients/{PUBLIC}/sessions")).await.status,
        Act::WithdrawConsent => {
            let user: UserId = user.parse().unwrap();
            let id = ConsentId { user, client: PUBLIC.parse().unwrap() };
            node.app.consents.withdraw(&id, None).await.unwrap();
            204
        }
        Act::LogOut => {
            log_out(browser).await;
            204
        }
    };
    assert!((200..300).contains(&done), "{act:?}: {done}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_sessions_on_one_node_holds_at_once_on_another() {
    for act in ACTS {
        let (office, other) = offices().await;
        let (mut browser, tokens) = signed_in(&office.server).await;
        // The other node has seen all of it: a memory would be filled now.
        assert_eq!(is_known(&other, &tokens).await, [true; 3], "{act:?}");
        let tokens = other.refresh(&tokens.refresh_token()).await;
        assert_eq!(tokens.status, 200, "{act:?}: {}", tokens.text);
        assert_eq!(is_known(&other, &tokens).await, [true; 3], "{act:?}");

        carry_out(act, &office, &tokens, &mut browser).await;
        assert_eq!(is_known(&other, &tokens).await, [false; 3], "{act:?}");
        let refreshed = other.refresh(&tokens.refresh_token()).await;
        let refused =
            (400, if matches!(act, Act::DisableClient) { "invalid_client" } else { "invalid_grant" });
        assert_eq!(refreshed.outcome(), refused, "{act:?}: {}", refreshed.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_withdrawn_on_one_node_is_gone_at_once_on_another() {
    let (office, other) = offices().await;
    let bob = json!({"username": "bob", "password": USER.1, "roles": ["admin"]});
    let bob = office.post("/admin/users", bob).await.json["id"].as_str().unwrap().to_owned();
    let tokens = sign_in_for(&office.server, ("bob", USER.1), "admin").await;
    assert_eq!(get(&other, "/admin/users", &tokens).await, 200);
    let tokens = other.refresh(&tokens.refresh_token()).await;
    assert_eq!(get(&other, "/admin/users", &tokens).await, 200);
    let withdrawn = office.put(&format!("/admin/users/{bob}/roles"), json!({"roles": ["user"]})).await;
    assert_eq!(withdrawn.status, 200);
    assert_eq!(get(&other, "/admin/users", &tokens).await, 403);
    let refreshed = other.refresh(&tokens.refresh_token()).await;
    assert_eq!((refreshed.status, get(&other, "/admin/users", &refreshed).await), (200, 403));
}

/// A client that is registered, changed and deleted on one node is so on the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_deleted_on_one_node_is_unknown_at_once_on_another() {
    let (office, other) = offices().await;
    let registered =
        office.post("/admin/clients", json!({"id": "tv", "type": "public", "scopes": ["read"]})).await;
    assert_eq!(registered.status, 201, "{}", registered.text);
    let form = [("grant_type", "password"), ("client_id", "tv"), ("username", USER.0), ("password", USER.1)];
    let tokens = other.post(&form).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    assert_eq!(office.delete("/admin/clients/tv").await.status, 204);
    assert_eq!(other.post(&form).await.outcome(), (400, "invalid_client"));
    assert_eq!(introspect(&other, API, &tokens.access_token()).await.json["active"], false);
}
