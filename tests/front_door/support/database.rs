//! Several nodes on one database, each with a clock of its own, and the database too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heirloom::clock::{Clock as _, ManualClock, SystemClock, Timestamp};
use heirloom::store::cluster::{Answered, Cluster, ExpectedClock, Heartbeat, NodeId, Standing};
use heirloom::store::memory::MemoryStore;
use heirloom::store::postgres::{PostgresSettings, PostgresStore};
use heirloom::store::sled::SledStore;
use heirloom::store::{Exchange, Store, StoreFuture};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::{Elsewhere, NOW, Server, Setup, postgres_server};

/// A database.
#[derive(Clone)]
pub(crate) struct Database {
    settings: Arc<PostgresSettings>,
    pub(crate) clock: Arc<ManualClock>,
    /// What each node has said.
    said: Arc<Mutex<HashMap<NodeId, Said>>>,
}

/// What a node has said, by the test's clock.
#[derive(Clone, Copy, Default)]
struct Said {
    seen: Timestamp,
    answered: Option<Answered>,
    has_left: bool,
}

impl Database {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        Self { settings: Arc::new(postgres_server::settings()), clock, said: Arc::default() }
    }

    async fn open(&self) -> Opened {
        let store = Arc::new(PostgresStore::open((*self.settings).clone()).await.unwrap());
        let cluster = ByTheClock { inner: store.cluster(), database: self.clone() };
        (Arc::<PostgresStore>::clone(&store), Some(Arc::new(cluster)), Some(store))
    }

    /// Carries out SQL that no node does.
    pub(crate) async fn change(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.unwrap();
    }

    async fn connect(&self) -> Client {
        let (client, connection) = self.settings.server.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = \"{}\"", self.settings.schema)).await.unwrap();
        client
    }
}

/// The nodes of a database, by the test's clock instead of the database's own. Leases last by the latter.
struct ByTheClock {
    inner: Arc<dyn Cluster>,
    database: Database,
}

impl ByTheClock {
    fn told(&self, mut standing: Standing) -> Standing {
        let said = self.database.said.lock().unwrap();
        let really = standing.now;
        standing.now = self.database.clock.now();
        for node in &mut standing.nodes {
            node.started = standing.now.before(really.since(node.started));
            let said = said.get(&node.node.id).copied().unwrap_or_default();
            (node.seen, node.answered) = (said.seen, said.answered);
        }
        let left = said.values().filter(|said| said.has_left);
        standing.left = left.filter_map(|said| said.answered).collect();
        standing
    }
}

impl Cluster for ByTheClock {
    fn beat(&self, heartbeat: Heartbeat) -> StoreFuture<'_, Standing> {
        Box::pin(async move {
            let (id, answered) = (heartbeat.node.id, heartbeat.answered);
            let standing = self.inner.beat(heartbeat).await?;
            let now = self.database.clock.now();
            if let Ok(mut said) = self.database.said.lock() {
                let said = said.entry(id).or_default();
                said.seen = now;
                said.answered =
                    answered.map(|time| Answered { since: now.before(time), until: now }).or(said.answered);
            }
            Ok(self.told(standing))
        })
    }

    fn look(&self) -> StoreFuture<'_, Standing> {
        Box::pin(async { Ok(self.told(self.inner.look().await?)) })
    }

    fn expect(&self, clock: Arc<dyn ExpectedClock>) {
        self.inner.expect(Arc::new(ByTheRealClock { clock, database: self.database.clone() }));
    }

    fn leave(&self, node: NodeId) -> StoreFuture<'_, ()> {
        self.database.said.lock().unwrap().entry(node).or_default().has_left = true;
        self.inner.leave(node)
    }
}

/// What a node expects of the test's clock, by the database's own.
struct ByTheRealClock {
    clock: Arc<dyn ExpectedClock>,
    database: Database,
}

impl ExpectedClock for ByTheRealClock {
    fn latest(&self) -> Option<Timestamp> {
        let (latest, now) = (self.clock.latest()?, self.database.clock.now());
        // Far from now, however long the test stands still meanwhile.
        let (real, far) = (SystemClock.now(), Duration::from_hours(1));
        Some(if latest < now { real.before(far) } else { real.after(far) })
    }

    fn was_late(&self) {
        self.clock.was_late();
    }
}

/// A store, the nodes on it, and what they tell each other by; the latter two if it can have several.
type Opened = (Arc<dyn Store>, Option<Arc<dyn Cluster>>, Option<Arc<dyn Exchange>>);

impl Setup {
    /// Opens the store.
    pub(super) async fn open(&self) -> Opened {
        match &self.elsewhere {
            Some(Elsewhere::Memory(memory)) => (Arc::<MemoryStore>::clone(memory), None, None),
            Some(Elsewhere::Postgres(settings)) => {
                let store = Arc::new(PostgresStore::open((**settings).clone()).await.unwrap());
                (Arc::<PostgresStore>::clone(&store), None, Some(store))
            }
            Some(Elsewhere::Shared(database)) => database.open().await,
            None => (Arc::new(SledStore::open(&self.config.data, self.sled.clone()).unwrap()), None, None),
        }
    }

    /// Uses a new database, on which other nodes may run too.
    pub(crate) fn on_database(&mut self) -> Database {
        let database = Database::new();
        self.elsewhere = Some(Elsewhere::Shared(database.clone()));
        database
    }

    /// Another node on this store, with the same keys and configuration, and a clock of its own.
    fn beside(server: &Server) -> Self {
        let clock = Arc::new(ManualClock::at(server.now()));
        let mut setup = Self::on(Arc::clone(&server.folder), clock);
        (setup.config, setup.elsewhere) = (server.config.clone(), server.elsewhere.clone());
        setup
    }
}

/// Two nodes on one database. They say only what a test lets them say.
pub(crate) struct Pair {
    pub(crate) one: Server,
    pub(crate) other: Server,
    pub(crate) database: Database,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    /// Two nodes with a changed setup; the second one is changed further.
    pub(crate) async fn with(change: impl FnOnce(&mut Setup), other: impl FnOnce(&mut Setup)) -> Self {
        let mut database = None;
        let one = Server::with(|setup| {
            change(setup);
            setup.config.server.name = Some("one".to_owned());
            database = Some(setup.on_database());
        })
        .await;
        Self::beside(one, database.unwrap(), other).await
    }

    pub(crate) async fn beside(one: Server, database: Database, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::beside(&one);
        setup.config.server.name = Some("other".to_owned());
        change(&mut setup);
        Self { one, other: setup.start().await, database }
    }

    /// Both say that they answer requests, and each knows of the other.
    pub(crate) async fn answer(&self) {
        for node in [&self.one, &self.other] {
            node.begin().await;
        }
        self.beat().await;
    }

    /// Both say that they live.
    pub(crate) async fn beat(&self) {
        for node in [&self.one, &self.other] {
            node.app.nodes.beat().await.unwrap();
        }
    }

    /// Moves all clocks.
    pub(crate) fn wait(&self, seconds: u64) {
        for clock in [&self.one.clock, &self.other.clock, &self.database.clock] {
            clock.advance(Duration::from_secs(seconds));
        }
    }
}

impl Server {
    /// Joins the other nodes, and says that it answers requests.
    pub(crate) async fn begin(&self) {
        self.app.nodes.join().await.unwrap();
        self.app.nodes.answer().await.unwrap();
        self.app.nodes.begin();
    }

    /// Says every few seconds that this node lives, until the task is aborted.
    pub(crate) fn keep_beating(&self) -> JoinHandle<()> {
        tokio::spawn(Arc::clone(&self.app.nodes).keep_beating())
    }
}
