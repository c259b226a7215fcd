//! Makes a recorded folder: uses all that today's heirloom can do, with a clock that is moved forward.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use heirloom::app::assemble::make_keys;
use heirloom::clock::{Clock, ManualClock, Timestamp};
use heirloom::oauth::{Actor, SigningAlgorithm};
use heirloom::session::index;
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{RecordKey, Store as _};
use heirloom::token::Keyring;
use heirloom::user::Command as UserCommand;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::recorded::{
    Family, Invitation, KnownClient, Person, Recorded, all_folders, keep, key_states, setup, token_of,
};
use crate::support::{Answer, Server};

/// 2026-09-20T08:00:00Z: when the recording begins. It covers 52 days of the clock, and ends before today.
const BEGIN: Timestamp = Timestamp::from_seconds(1_789_891_200);
const DAY: u64 = 86_400;
const ISSUER: &str = "https://id.example.com";
const ORIGIN: &str = "https://app.example.com";
const PASSWORD: &str = "tulip-quartz-93-lantern";
const PHONE: &str = "phone";
const BACKEND: &str = "backend";
const PAGE: &str = "page";

/// A server that is being recorded, and what is known about it so far.
struct Recording {
    server: Server,
    recorded: Recorded,
}

#[tokio::test]
#[ignore = "makes a new folder: HEIRLOOM_RECORD=name cargo test --test formats record -- --ignored"]
async fn record_a_folder() {
    let name =
        std::env::var("HEIRLOOM_RECORD").unwrap_or_else(|_| panic!("HEIRLOOM_RECORD names the new folder"));
    assert!(!all_folders().join(&name).exists(), "{name} is there: what was recorded stays as it is");
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::at(BEGIN));
    let mut recording = Recording::begin(&folder, &clock).await;
    recording.people().await;
    recording.clients().await;
    let mut recording = recording.weeks_before(&folder).await;
    recording.endings().await;
    recording.families().await;
    recording.invitations().await;
    recording.believed_time().await;
    let Recording { server, mut recorded } = recording;
    recorded.at = server.now().millis();
    drop(server.stopped().await);
    by_the_binary(&folder).await;
    recorded.position = position(&folder);
    recorded.doubted = Some(DAY);
    recorded.keys = key_states(&folder.path().join("keys"), Timestamp::from_millis(recorded.at));
    keep(folder.path(), &name, &recorded);
}

impl Recording {
    /// A new store. Its first refresh secret is declared as compromised before it has made a token.
    async fn begin(folder: &Arc<tempfile::TempDir>, clock: &Arc<ManualClock>) -> Self {
        let setup = setup(folder, clock, ISSUER);
        let the_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let keys = Keyring::in_folder(&setup.config.keys);
        make_keys(&keys, &setup.config, &the_clock).unwrap();
        keys.rotate_refresh_secret(BEGIN).unwrap();
        keys.compromised_refresh_secret(1, BEGIN).unwrap();
        let server = setup.start().await;
        server.app.keys.check().await.unwrap();
        server.app.indexes.prepare().await.unwrap();
        let recorded = Recorded {
            made_by: format!("heirloom {}, tests/formats/recorder.rs", env!("CARGO_PKG_VERSION")),
            issuer: ISSUER.to_owned(),
            at: 0,
            position: 0,
            index_version: index::VERSION,
            knows_keys: true,
            believed: None,
            doubted: None,
            users: Vec::new(),
            clients: Vec::new(),
            families: Vec::new(),
            invitations: Vec::new(),
            keys: Vec::new(),
        };
        Self { server, recorded }
    }

    async fn people(&mut self) {
        for (name, role, signs_in) in [
            ("ann", "user", true),
            ("boss", "admin", true),
            ("carl", "user", true),
            ("dora", "user", true),
            ("eve", "user", false),
            ("fay", "user", false),
        ] {
            self.server.app.accounts.register(name, PASSWORD, vec![role.to_owned()]).await.unwrap();
            let name = name.to_owned();
            self.recorded.users.push(Person { name, password: PASSWORD.to_owned(), signs_in });
        }
        let app = &self.server.app;
        app.accounts.change("eve", UserCommand::Disable).await.unwrap();
        app.accounts.change("carl", UserCommand::Disable).await.unwrap();
        app.accounts.change("carl", UserCommand::Enable).await.unwrap();
        app.accounts
            .change("ann", UserCommand::SetRoles { roles: vec!["moderator".to_owned(), "user".to_owned()] })
            .await
            .unwrap();
        app.accounts.delete_user("fay").await.unwrap();
        let wrong = ("ann", "not-the-password", false);
        let (name, password, signs_in) = wrong;
        self.recorded.users.push(Person { name: name.to_owned(), password: password.to_owned(), signs_in });
    }

    /// Sends a request to the administration API.
    async fn administer(&self, method: reqwest::Method, path: &str, body: &Value) -> Answer {
        let form = [
            ("grant_type", "password"),
            ("client_id", crate::support::PUBLIC),
            ("username", "boss"),
            ("password", PASSWORD),
            ("scope", "admin"),
        ];
        let token = self.server.post(&form).await.access_token();
        let url = format!("{}{path}", self.server.base);
        let request = self.server.client.request(method, url).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = self.server.send(request).await;
        assert!(answer.status < 300, "{path}: {}", answer.text);
        answer
    }

    async fn register(&mut self, body: Value) {
        let answer = self.administer(reqwest::Method::POST, "/admin/clients", &body).await;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.recorded.clients.push(KnownClient {
            id: text(&body["id"]).unwrap(),
            secrets: text(&answer.json["client_secret"]).into_iter().collect(),
            origin: body["origins"].get(0).and_then(text),
            is_good: true,
        });
    }

    async fn clients(&mut self) {
        let scopes = json!(["account", "offline_access", "read", "write"]);
        self.register(json!({"id": PHONE, "type": "public", "name": "The phone app", "scopes": scopes}))
            .await;
        self.register(json!({
            "id": BACKEND, "type": "confidential", "scopes": scopes, "access_token": 300, "refresh_idle": 1_000_000,
            "refresh_absolute": 4_000_000, "introspects": ["demo-api"], "introspects_usernames": true,
        }))
        .await;
        self.register(json!({
            "id": PAGE, "type": "public", "scopes": scopes, "origins": [ORIGIN], "refresh_token_delivery": "cookie",
            "reuse": "end-family", "retry_window": "45",
        }))
        .await;
        for id in ["gone", "off"] {
            self.register(json!({"id": id, "type": "public", "scopes": ["read"]})).await;
            self.recorded.clients.last_mut().unwrap().is_good = false;
        }
        self.administer(reqwest::Method::DELETE, "/admin/clients/gone", &Value::Null).await;
        self.administer(reqwest::Method::POST, "/admin/clients/off/disable", &Value::Null).await;
        let update = json!({"name": "The phone app", "scopes": scopes, "revoke_access_tokens": false});
        self.administer(reqwest::Method::PUT, "/admin/clients/phone", &update).await;
    }

    fn family(&mut self, what: &str, client: &str, answers: &[&Answer], lives: bool) -> &mut Family {
        let tokens = answers.iter().map(|answer| token_of(answer)).collect();
        let (what, client) = (what.to_owned(), client.to_owned());
        self.recorded.families.push(Family { what, client, tokens, lives, access_token: None });
        self.recorded.families.last_mut().unwrap()
    }

    async fn sign_in(&self, client: &str, name: &str) -> Answer {
        let form = [("grant_type", "password"), ("username", name), ("password", PASSWORD)];
        self.ask(client, &[&form[..], &[("device_label", "Ann's phone")]].concat(), None).await
    }

    async fn refresh(&self, client: &str, last: &Answer, more: &[(&str, &str)]) -> Answer {
        let token = token_of(last);
        let mut form = [&[("grant_type", "refresh_token")][..], more].concat();
        if client != PAGE {
            form.push(("refresh_token", &token));
        }
        self.ask(client, &form, Some(&token)).await
    }

    async fn ask(&self, client: &str, form: &[(&str, &str)], cookie: Option<&str>) -> Answer {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let request = self.server.token().header("user-agent", agent);
        let known = self.recorded.clients.iter().find(|known| known.id == client).unwrap();
        if let Some(secret) = known.secrets.last() {
            return self.server.send(request.basic_auth(client, Some(secret)).form(form)).await;
        }
        let request = match (&known.origin, cookie) {
            (Some(origin), Some(cookie)) => request.header("origin", origin).header("cookie", cookie),
            (Some(origin), None) => request.header("origin", origin),
            (None, _) => request,
        };
        self.server.send(request.form(&[form, &[("client_id", client)]].concat())).await
    }

    /// What happens weeks before the end: a restore, a session that is refreshed daily until the end, and a new pepper
    /// and refresh secret.
    async fn weeks_before(mut self, folder: &Arc<tempfile::TempDir>) -> Self {
        let before = self.sign_in(PHONE, "ann").await;
        self.family("began before the restore", PHONE, &[&before], false);
        self.server.app.installation.end_sessions_by_restore(Actor::Operator(0)).await.unwrap();
        let expires = self.sign_in(PHONE, "dora").await;
        self.family("expired", PHONE, &[&expires], false);
        let mut daily = self.sign_in(PHONE, "ann").await;
        for _ in 0..45 {
            self.server.wait(DAY);
            daily = self.refresh(PHONE, &daily, &[]).await;
        }
        let older = self.sign_in(PHONE, "dora").await;
        self.family("its token was made by an older refresh secret", PHONE, &[&older], true);
        let (keys, now) = (Keyring::in_folder(folder.path().join("keys")), self.server.now());
        keys.rotate_refresh_secret(now).unwrap();
        keys.rotate_pepper(now).unwrap();
        self.server = self.server.restart(|_| {}).await;
        self.server.app.keys.check().await.unwrap();
        for _ in 0..7 {
            self.server.wait(DAY);
            daily = self.refresh(PHONE, &daily, &[]).await;
        }
        while self.server.app.sweeper.sweep(10).await.unwrap().more {}
        self.family("refreshed daily, and summarized", PHONE, &[&daily], true);
        keys.rotate_signing(SigningAlgorithm::Es256, self.server.now()).unwrap();
        self
    }

    /// Families that stay alive.
    async fn families(&mut self) {
        for client in [PHONE, BACKEND, PAGE] {
            let first = self.sign_in(client, "ann").await;
            self.server.wait(1);
            let second = self.refresh(client, &first, &[]).await;
            self.server.wait(1);
            let third = self.refresh(client, &second, &[]).await;
            let access_token = Some(third.access_token());
            let family = self.family("just refreshed", client, &[&first, &second, &third], true);
            family.access_token = access_token;
        }
        let first = self.sign_in(PHONE, "ann").await;
        let narrow = [("scope", "read")];
        let second = self.refresh(PHONE, &first, &narrow).await;
        let retried = self.refresh(PHONE, &first, &[]).await;
        assert_eq!(second.refresh_token(), retried.refresh_token());
        self.family("another access token beside the refresh token", PHONE, &[&second], true);
        // A replaced secret stays valid for a while.
        let replaced = json!({"overlap": 86_400});
        let path = format!("/admin/clients/{BACKEND}/secret");
        let rotated = self.administer(reqwest::Method::POST, &path, &replaced).await;
        let new = rotated.json["client_secret"].as_str().unwrap().to_owned();
        self.recorded.clients.iter_mut().find(|client| client.id == BACKEND).unwrap().secrets.push(new);
    }

    /// Families that end.
    async fn endings(&mut self) {
        let first = self.sign_in(PHONE, "ann").await;
        let second = self.refresh(PHONE, &first, &[]).await;
        self.server.wait(60);
        let third = self.refresh(PHONE, &second, &[]).await;
        self.server.wait(60);
        assert_eq!(self.refresh(PHONE, &first, &[]).await.status, 400);
        self.family("an old token was used again", PHONE, &[&first, &second, &third], false);

        let foreign = self.sign_in(BACKEND, "ann").await;
        assert_eq!(self.refresh(PHONE, &foreign, &[]).await.status, 400);
        self.family("another client has tried", BACKEND, &[&foreign], true);

        let signed_out = self.sign_in(PHONE, "ann").await;
        let form = [("token", signed_out.refresh_token()), ("client_id", PHONE.to_owned())];
        let url = format!("{}/oauth/revoke", self.server.base);
        assert_eq!(self.server.send(self.server.client.post(url).form(&form)).await.status, 200);
        self.family("signed out", PHONE, &[&signed_out], false);

        let all_ended = self.sign_in(PHONE, "carl").await;
        self.server.app.accounts.change("carl", UserCommand::EndSessions { keep: None }).await.unwrap();
        self.family("all sessions of the user were ended", PHONE, &[&all_ended], false);
    }

    async fn invitations(&mut self) {
        let week = json!({"roles": ["user"], "valid_for": 7 * DAY});
        for (name, is_good) in [("gil", false), ("withdrawn", false), ("open", true)] {
            let invited = self.administer(reqwest::Method::POST, "/admin/invitations", &week).await;
            let code = invited.json["code"].as_str().unwrap().to_owned();
            let account = invited.json["user"].as_str().unwrap();
            match name {
                "gil" => self.sign_up(name, &code).await,
                "withdrawn" => {
                    let path = format!("/admin/invitations/{account}");
                    self.administer(reqwest::Method::DELETE, &path, &Value::Null).await;
                }
                _ => {}
            }
            self.recorded.invitations.push(Invitation { code, is_good });
        }
    }

    async fn sign_up(&mut self, name: &str, code: &str) {
        let email = format!("{name}@example.com");
        let body = json!({
            "username": name, "email": email, "display_name": "Gil B.", "password": "violet-anchor-71-harbour",
            "invitation": code,
        });
        let url = format!("{}/account", self.server.base);
        let answer = self.server.send(self.server.client.post(url).json(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        for name in [name.to_owned(), email] {
            let password = "violet-anchor-71-harbour".to_owned();
            self.recorded.users.push(Person { name, password, signs_in: true });
        }
    }

    /// Waits until the sweeper has stored the time that it believes.
    async fn believed_time(&mut self) {
        let app = &self.server.app;
        let evidence = app.sweeper.clock_evidence().await;
        let sweeper =
            tokio::spawn(Arc::clone(&app.sweeper).keep_sweeping(Duration::from_millis(10), evidence));
        while app.store.record(RecordKey::index(0, &[b"sweeper"])).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        sweeper.abort();
        assert!(sweeper.await.unwrap_err().is_cancelled());
        self.recorded.believed = Some(self.server.now().millis());
    }
}

/// Starts and stops the program on the folder. It writes what only a whole server writes (`keys.known`,
/// `data.position`), and that it doubts its clock, which is weeks ahead of the log.
async fn by_the_binary(folder: &tempfile::TempDir) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = folder.path().join("heirloom.toml");
    let config = format!(
        "issuer = \"http://127.0.0.1:{port}\"\n[server]\nlisten = \"127.0.0.1:{port}\"\n[data]\nfolder = \"data\"\n\
         [keys]\nfolder = \"keys\"\n[audiences.demo-api]\nscopes = [\"read\", \"write\"]\n"
    );
    fs::write(&file, config).unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    command.arg("serve").arg("--config").arg(&file).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    while !(said().contains("listening") && folder.path().join("keys/data.position").exists()) {
        assert!(server.try_wait().unwrap().is_none(), "{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    // The doubt is stored right after the start.
    while !said().contains("jumped ahead") {
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success(), "{}", said());
    let store = SledStore::open(&folder.path().join("data"), SledOptions::default()).unwrap();
    let doubt = store.record(RecordKey::index(0, &[b"sweeper doubts"]));
    assert!(doubt.await.unwrap().is_some(), "it was stopped too early: record again");
}

/// The position at which the log ends.
fn position(folder: &tempfile::TempDir) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    let output = command.args(["data", "verify", "--json"]).arg(folder.path().join("data")).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["whole"], json!(true), "{found}");
    found["position"].as_u64().unwrap()
}
