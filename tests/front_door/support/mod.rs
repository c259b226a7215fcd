//! A real server on a real listener, in this process, with a clock that moves only when a test moves it.

mod answer;
pub(crate) mod codes;
pub(crate) mod database;
mod keys;
mod nodes;
#[path = "../../support/postgres.rs"]
pub(crate) mod postgres_server;
pub(crate) mod receiver;
pub(crate) mod web_browser;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heirloom::app::App;
use heirloom::app::assemble::Environment;
use heirloom::client::{Registration, SecretDigest};
use heirloom::clock::{Clock, ManualClock, Timestamp};
use heirloom::config::{self, Config, Dev};
use heirloom::http::{self, HttpSettings, server};
use heirloom::oauth::SessionId;
use heirloom::password::hash::Cost;
use heirloom::random::Random;
use heirloom::session::{Session, SessionEvent};
use heirloom::store::Store;
use heirloom::store::memory::MemoryStore;
use heirloom::store::postgres::PostgresSettings;
use heirloom::store::sled::SledOptions;
use heirloom::token::Keyring;
use tokio::sync::watch;

use crate::specification;
pub(crate) use answer::Answer;
use database::Database;

/// The time at which a test's clock begins.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(4_102_444_800);
/// The user of most tests.
pub(crate) const USER: (&str, &str) = ("ann", "tulip-quartz-93-lantern");
/// The secret of the confidential client.
pub(crate) const SECRET: &str = "s:e%c/r-t+32-characters-or-more!";
/// Where both clients get their answers besides.
pub(crate) const CALLBACK: &str = "http://127.0.0.1:3000/callback";
/// The public client.
pub(crate) const PUBLIC: &str = "web";
/// The confidential client.
pub(crate) const CONFIDENTIAL: &str = "my-web_app";

/// Wraps the real store in one with faults.
pub(crate) type Around = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store>>;

/// The setup of a server.
pub(crate) struct Setup {
    /// The configuration; tests may change it.
    pub(crate) config: Config,
    /// Wraps the store, for faults.
    pub(crate) store: Option<Around>,
    /// The cost of a hash.
    pub(crate) cost: Cost,
    /// The options of the store on the disk.
    pub(crate) sled: SledOptions,
    /// The keys, if they are not in the keys folder.
    pub(crate) keyring: Option<Keyring>,
    /// The store; if there is none, it is on the disk.
    elsewhere: Option<Elsewhere>,
    folder: Arc<tempfile::TempDir>,
    clock: Arc<ManualClock>,
}

/// A store that is not in the test's folder.
#[derive(Clone)]
enum Elsewhere {
    Memory(Arc<MemoryStore>),
    Postgres(Box<PostgresSettings>),
    Shared(Database),
}

impl Setup {
    /// A setup with two clients, an empty store and a new folder. The user is added after the start.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        keys::copy(&folder.path().join("keys"));
        Self::on(Arc::new(folder), Arc::new(ManualClock::at(NOW)))
    }

    /// A setup on a folder that has `data` and `keys`, or will get them.
    pub(crate) fn on(folder: Arc<tempfile::TempDir>, clock: Arc<ManualClock>) -> Self {
        let dev = Dev {
            listen: Vec::new(),
            port: 0,
            data: folder.path().join("data"),
            keys: folder.path().join("keys"),
            public_client: PUBLIC.parse().unwrap(),
            confidential_client: CONFIDENTIAL.parse().unwrap(),
            secret: SecretDigest::of(SECRET),
        };
        let mut config = Config::dev(dev).unwrap();
        config.server.hosts = None;
        // A page that somebody develops on this machine.
        for client in &mut config.clients {
            client.metadata.redirect_uris.push(CALLBACK.parse().unwrap());
        }
        let sled = SledOptions::default();
        Self {
            config,
            store: None,
            cost: cheap(),
            sled,
            keyring: None,
            elsewhere: elsewhere(),
            folder,
            clock,
        }
    }

    /// Uses the store on the disk even with `HEIRLOOM_TEST_STORE`, for a test about the disk.
    pub(crate) fn on_disk(&mut self) {
        self.elsewhere = None;
    }

    /// Uses a store in PostgreSQL, for a test about several nodes.
    pub(crate) fn in_postgres(&mut self) {
        self.in_postgres_at(postgres_server::settings());
    }

    pub(crate) fn in_postgres_at(&mut self, place: PostgresSettings) {
        self.elsewhere = Some(Elsewhere::Postgres(place.into()));
    }

    /// Uses a store in PostgreSQL, for a test of several nodes. They share the clock, and nothing else.
    pub(crate) fn node(settings: &PostgresSettings, clock: &Arc<ManualClock>) -> Self {
        let mut node = Self::on(Arc::new(tempfile::tempdir().unwrap()), Arc::clone(clock));
        node.elsewhere = Some(Elsewhere::Postgres(settings.clone().into()));
        node.config.store = config::Store::Postgres(Box::new(settings.clone()));
        node
    }

    /// Changes a client's registration.
    pub(crate) fn client(&mut self, id: &str, change: impl FnOnce(&mut Registration)) {
        let client = self.config.clients.iter_mut().find(|client| client.id.as_str() == id);
        change(client.unwrap());
    }

    /// Starts a server.
    pub(crate) async fn start(mut self) -> Server {
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // A restart takes another port, but keeps the issuer.
        if self.config.issuer.ends_with(":0") {
            self.config.issuer = format!("http://{address}");
        }
        let (store, cluster, exchange) = self.open().await;
        let store = match self.store {
            Some(around) => around(store),
            None => store,
        };
        let environment = Environment {
            store,
            cluster,
            exchange,
            keyring: self.keyring.clone().unwrap_or_else(|| Keyring::in_folder(&self.config.keys)),
            clock: Arc::<ManualClock>::clone(&self.clock),
            random: Random::system(),
            cost: self.cost,
        };
        let app = Arc::new(App::assemble(&self.config, environment).unwrap());
        app.installation.read().await.unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let proxies = self.config.server.trusted_proxies.join(",").parse().unwrap();
        let hosts = self.config.server.hosts.clone().unwrap_or_default();
        let endpoint = http::endpoint(
            Arc::clone(&app),
            HttpSettings {
                proxies,
                hosts,
                path_stripped: self.config.server.path_stripped,
                hsts: self.config.server.hsts,
                cors_headers: self.config.server.cors_headers.clone(),
                stopping: Some(stopped.clone()),
                ..HttpSettings::default()
            },
        )
        .unwrap();
        let serving = tokio::spawn(async move {
            let options = server::ServerOptions::default();
            server::serve(listener, endpoint, options, async { drop(stopped.wait_for(|stop| *stop).await) })
                .await
                .unwrap();
        });
        Server {
            base: format!("http://{address}"),
            client: client(),
            app,
            clock: self.clock,
            config: self.config,
            folder: self.folder,
            keyring: self.keyring,
            elsewhere: self.elsewhere,
            running: Some((stop, serving)),
        }
    }
}

/// A new store in memory or in PostgreSQL, if `HEIRLOOM_TEST_STORE` asks for one.
fn elsewhere() -> Option<Elsewhere> {
    match std::env::var("HEIRLOOM_TEST_STORE").as_deref() {
        Err(std::env::VarError::NotPresent) | Ok("sled") => None,
        Ok("memory") => Some(Elsewhere::Memory(Arc::default())),
        Ok("postgres") => Some(Elsewhere::Postgres(postgres_server::settings().into())),
        other => panic!("HEIRLOOM_TEST_STORE: {other:?} is not sled, memory or postgres"),
    }
}

/// The cheapest cost that Argon2 allows, so that tests can hash a lot.
pub(crate) fn cheap() -> Cost {
    Cost::new(64, 1, 1).unwrap()
}

/// An HTTP client that uses no proxy.
pub(crate) fn client() -> reqwest::Client {
    // Only the first caller of the process can install it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A running server.
pub(crate) struct Server {
    /// Its issuer.
    pub(crate) base: String,
    /// An HTTP client for it.
    pub(crate) client: reqwest::Client,
    /// Its use cases, for what has no endpoint.
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: Config,
    folder: Arc<tempfile::TempDir>,
    keyring: Option<Keyring>,
    elsewhere: Option<Elsewhere>,
    running: Option<(watch::Sender<bool>, tokio::task::JoinHandle<()>)>,
}

impl Server {
    /// Starts a server with the default setup, and adds the user.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a server with a changed setup, and adds the user.
    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new();
        change(&mut setup);
        let server = setup.start().await;
        server.app.accounts.register(USER.0, USER.1, vec!["user".to_owned()]).await.unwrap();
        server
    }

    /// Stops it and starts it again on the same store and keys, with a changed setup. Connections are closed; the clock
    /// does not move.
    pub(crate) async fn restart(self, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = self.stopped().await;
        change(&mut setup);
        setup.start().await
    }

    /// Stops it, changes its data folder, and starts it again. The server must be [on the disk](Setup::on_disk).
    pub(crate) async fn restart_on(self, change: impl FnOnce(&Path)) -> Self {
        let setup = self.stopped().await;
        assert!(setup.elsewhere.is_none(), "the test is about the disk: Setup::on_disk");
        change(&setup.config.data);
        setup.start().await
    }

    /// Stops it. Afterwards nobody has the store on the disk open; another store is passed on.
    pub(crate) async fn stopped(mut self) -> Setup {
        let mut setup = Setup::on(Arc::clone(&self.folder), Arc::clone(&self.clock));
        setup.config = self.config.clone();
        setup.keyring = self.keyring.clone();
        setup.elsewhere = self.elsewhere.take();
        if let Some((stop, serving)) = self.running.take() {
            let _ = stop.send(true);
            self.client = client();
            serving.await.unwrap();
        }
        setup
    }

    /// Starts another node with the same keys and the same clock. The store must be [in PostgreSQL](Setup::in_postgres).
    pub(crate) async fn another_node(&self) -> Self {
        let mut setup = Setup::on(Arc::clone(&self.folder), Arc::clone(&self.clock));
        setup.config = self.config.clone();
        setup.elsewhere = self.elsewhere.clone();
        setup.start().await
    }

    /// Moves the clock forward.
    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends a form to the token endpoint, without credentials in the header.
    pub(crate) async fn post(&self, form: &[(&str, &str)]) -> Answer {
        self.send(self.token().form(form)).await
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Answer::of(client.execute(request).await.unwrap()).await;
        // Every answer has this header.
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{method} {path}");
        specification::insist(&method, &path, &answer);
        answer
    }

    pub(crate) fn token(&self) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/oauth/token", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    /// Signs the user in with the public client.
    pub(crate) async fn sign_in(&self) -> Answer {
        self.sign_in_as(USER.0, USER.1).await
    }

    pub(crate) async fn sign_in_as(&self, name: &str, password: &str) -> Answer {
        self.post(&[
            ("grant_type", "password"),
            ("client_id", PUBLIC),
            ("username", name),
            ("password", password),
        ])
        .await
    }

    /// Signs the user in for the endpoints of the user's own account.
    pub(crate) async fn sign_in_for_account(&self) -> Answer {
        let form =
            [("grant_type", "password"), ("client_id", PUBLIC), ("username", USER.0), ("password", USER.1)];
        self.post(&[&form[..], &[("scope", "account")]].concat()).await
    }

    /// Signs the user in with the confidential client.
    pub(crate) async fn sign_in_confidential(&self) -> Answer {
        let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
        self.send(self.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await
    }

    /// Refreshes with the public client.
    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.refresh_with(token, &[]).await
    }

    pub(crate) async fn refresh_with(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", token)];
        form.extend_from_slice(more);
        self.post(&form).await
    }

    /// Refreshes with the confidential client.
    pub(crate) async fn refresh_confidential(&self, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.send(self.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await
    }

    /// The events of a session, oldest first.
    pub(crate) async fn events(&self, id: SessionId) -> Vec<SessionEvent> {
        let stream = Session::stream(id).unwrap();
        let recorded = self.app.store.read_stream(stream, 0, 100_000).await.unwrap();
        recorded.iter().map(|event| SessionEvent::decode(&event.data).unwrap()).collect()
    }

    /// The names of a session's events, oldest first.
    pub(crate) async fn event_names(&self, id: SessionId) -> Vec<&'static str> {
        self.events(id).await.iter().map(SessionEvent::name).collect()
    }

    /// The position of the newest event.
    pub(crate) async fn position(&self) -> u64 {
        let log = self.app.store.read_log(0, 1_000_000).await.unwrap();
        log.last().map_or(0, |event| event.position)
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
