//! Through `PgBouncer` with `pool_mode = transaction`, which gives each transaction another connection of a few.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use heirloom::store::postgres::{Migration, PostgresSettings, PostgresStore};
use heirloom::store::{Expected, Store, StoreError};
use tokio_postgres::NoTls;

use super::crash::{append_until, under_way};
use super::opening::{raw, refusal};
use crate::contract::{Tested, append, key, put, stream, whole_log};
use crate::postgres_server::{
    self, PostgresServer, as_another_than_root, folder_of_its_own, program, succeed,
};
use crate::support::until::comes_about;

/// A place of its own on the shared server, through a shared `PgBouncer`: the tests' stores get each other's connections.
pub(crate) fn settings() -> PostgresSettings {
    static POOLER: OnceLock<PgBouncer> = OnceLock::new();
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let pooler = POOLER.get_or_init(|| PgBouncer::start(postgres_server::shared()));
    pooler.settings(&format!("pooled {number}"))
}

/// A `PgBouncer` in a folder of its own, which is removed when it ends.
struct PgBouncer {
    folder: PathBuf,
    /// A shell that ends when we do, since it reads from us; then it ends `PgBouncer`.
    guard: Child,
}

impl PgBouncer {
    fn start(server: &PostgresServer) -> Self {
        let folder = folder_of_its_own();
        configure(&folder, server);
        let pooler = Self { guard: guard(&folder), folder };
        pooler.wait();
        pooler
    }

    /// Leads to another server from now on. The clients' connections stay.
    fn lead_to(&self, server: &PostgresServer) {
        configure(&self.folder, server);
        // Until the old connections are closed, a transaction may still get one of them.
        self.administer("RELOAD; RECONNECT; WAIT_CLOSE");
    }

    fn administer(&self, commands: &str) {
        for command in commands.split("; ") {
            succeed(self.psql("pgbouncer").args(["-c", command]));
        }
    }

    /// Kills it, and starts it again.
    fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).unwrap();
        succeed(Command::new("kill").arg("-KILL").arg(pid.trim()));
        // Waiting for it would close its pipe.
        while self.guard.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        // What a killed one leaves behind keeps the next one from starting.
        for file in ["pid", ".s.PGSQL.6432", ".s.PGSQL.6432.lock"] {
            let _ = std::fs::remove_file(self.folder.join(file));
        }
        self.guard = guard(&self.folder);
        self.wait();
    }

    /// Waits until it answers.
    fn wait(&self) {
        for _ in 0..3000 {
            if self.psql("postgres").args(["-c", "SELECT 1"]).output().unwrap().status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{}", std::fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = program("psql");
        psql.arg("-h").arg(&self.folder).args(["-p", "6432", "-U", "heirloom", "-d", database]);
        psql
    }

    /// Where `schema` is, through it.
    fn settings(&self, schema: &str) -> PostgresSettings {
        let mut server = tokio_postgres::Config::new();
        server.host_path(&self.folder).port(6432).user("heirloom").dbname("postgres");
        PostgresSettings::new(server, schema)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}

fn configure(folder: &Path, server: &PostgresServer) {
    let configuration = format!(
        "[databases]
         postgres = host={}
         [pgbouncer]
         listen_addr =
         unix_socket_dir = {folder}
         pidfile = {folder}/pid
         auth_type = trust
         auth_file = {folder}/users
         admin_users = heirloom
         pool_mode = transaction
         default_pool_size = 3
         max_client_conn = 1000
         server_login_retry = 1
        ",
        server.folder.display(),
        folder = folder.display(),
    );
    std::fs::write(folder.join("users"), "\"heirloom\" \"\"\n\"modest\" \"\"\n").unwrap();
    let lines: Vec<&str> = configuration.lines().map(str::trim).collect();
    std::fs::write(folder.join("pgbouncer.ini"), lines.join("\n")).unwrap();
}

fn guard(folder: &Path) -> Child {
    let path = Path::new("/usr/sbin/pgbouncer");
    assert!(path.exists(), "PgBouncer is missing (on Debian: apt-get install pgbouncer)");
    let pooler = as_another_than_root(path.to_owned());
    let script = r#"
        folder=$1; shift
        "$@" "$folder/pgbouncer.ini" >>"$folder/log" 2>&1 & pooler=$!
        { cat >/dev/null; touch "$folder/end"; kill $pooler; } <&3 & reader=$!
        exec 3<&-
        wait $pooler
        if [ -e "$folder/end" ]; then rm -rf "$folder"; else kill $reader; fi
    "#;
    let mut guard = Command::new("sh");
    guard.args(["-c", &format!("exec 3<&0\n{script}"), "guard"]).arg(folder);
    guard.arg(pooler.get_program()).args(pooler.get_args());
    guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    guard.spawn().unwrap()
}

/// A server with a copy of what `original` has now: its standby, or one on its own. `original` is killed, and started again.
pub(super) fn copy(original: &mut PostgresServer, standby: bool) -> PostgresServer {
    let folder = folder_of_its_own();
    original.kill();
    let data = folder.join("data");
    succeed(Command::new("cp").arg("-a").arg(original.folder.join("data")).arg(&data));
    original.run();
    std::fs::remove_file(data.join("postmaster.pid")).unwrap();
    if standby {
        std::fs::write(data.join("standby.signal"), "").unwrap();
        let primary = format!("primary_conninfo = 'host={} user=heirloom'\n", original.folder.display());
        std::fs::write(data.join("postgresql.auto.conf"), format!("listen_addresses = ''\n{primary}"))
            .unwrap();
    }
    let mut server = PostgresServer { guard: PostgresServer::guard(&folder), folder };
    server.run();
    server
}

/// Makes a standby a primary, on a timeline of its own.
pub(super) fn promote(standby: &PostgresServer) {
    let mut psql = program("psql");
    psql.arg("-h").arg(&standby.folder).args(["-U", "heirloom", "-d", "postgres"]);
    succeed(psql.args(["-c", "SELECT pg_promote()"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_go_on_when_the_pooler_is_killed() {
    let server = PostgresServer::start();
    let mut pooler = PgBouncer::start(&server);
    let settings = pooler.settings("killed pooler");
    let mut nodes: Vec<Tested> = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(PostgresStore::open(settings.clone()).await.unwrap()));
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let append = |number: usize| {
        append_until(Arc::clone(&is_over), Arc::clone(&nodes[number % 3]), number.to_string())
    };
    let appenders: Vec<_> = (0..12).map(|number| tokio::spawn(append(number))).collect();
    for kill in 0..4 {
        for node in &nodes {
            under_way(&**node).await;
        }
        if kill < 3 {
            pooler.kill();
        }
    }
    is_over.store(true, Ordering::Release);
    let (mut all, mut unknown) = (0, 0);
    for (number, appender) in appenders.into_iter().enumerate() {
        let (version, unknowns) = appender.await.unwrap();
        let name = number.to_string();
        let record = nodes[(number + 1) % 3].record(key(&name)).await.unwrap();
        assert_eq!(record, Some(version.to_string().into_bytes()));
        all += version;
        unknown += unknowns;
    }
    let log = whole_log(&*nodes[0]).await;
    assert_eq!(log.len() as u64, all);
    assert!(log.iter().zip(1..).all(|(event, position)| event.position == position), "a gap");
    assert!(unknown > 0, "the pooler was not killed under an append");
    drop(nodes);
}

/// Errors of some statements that are sent together with others harm only those.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_never_reach_the_wrong_question() {
    let node: Tested = Arc::new(PostgresStore::open(settings()).await.unwrap());
    let askers: Vec<_> = (0..32)
        .map(|number| {
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                let name = format!("of {number}");
                for version in 0..20_u64 {
                    let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
                    let text = format!("{number}/{version}");
                    let mut next = append(&name, expected, &[&text]);
                    next.records.push(put(&name, &text));
                    assert_eq!(node.append(next.clone()).await.unwrap().version, version + 1);
                    assert_eq!(node.append(next).await, Err(StoreError::WrongExpectedVersion));
                    assert_eq!(node.load(stream(&name)).await.unwrap().unwrap().data, text.as_bytes());
                    assert_eq!(node.record(key(&name)).await.unwrap().unwrap(), text.as_bytes());
                    assert_eq!(node.load(stream(&format!("no {number}"))).await, Ok(None));
                }
            })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap();
    }
}

/// A fail-over of which the store hears nothing: its connections to the pooler stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lacks_something_or_only_reads_is_refused_behind_a_pooler() {
    let mut first = PostgresServer::start();
    let pooler = PgBouncer::start(&first);
    let store = PostgresStore::open(pooler.settings("changed server")).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    let behind = copy(&mut first, false);
    while store.append(append("a", Expected::Exact(1), &["2"])).await != Err(StoreError::WrongExpectedVersion)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let standby = copy(&mut first, true);

    pooler.lead_to(&standby);
    refused_at_once(&store).await;
    pooler.lead_to(&first);
    comes_back(&store).await;
    pooler.lead_to(&behind);
    let why = refused_at_once(&store).await;
    let reconnected = refusal(&store, "is refused").await;
    let lost = "it ends at position 1, but everything up to 2 was acknowledged";
    assert!(reconnected.contains(lost), "{why}, {reconnected}");
    pooler.lead_to(&first);
    comes_back(&store).await;
    // A change is refused by itself, also if no read came before.
    pooler.lead_to(&behind);
    let appended = store.append(append("a", Expected::Exact(1), &["forked"])).await;
    assert!(matches!(appended, Err(StoreError::Unavailable(_))), "{appended:?}");
    pooler.lead_to(&first);
    comes_back(&store).await;
    assert_eq!(whole_log(&store).await.len(), 2);

    // The standby takes over, with everything.
    promote(&standby);
    pooler.lead_to(&standby);
    comes_back(&store).await;
    store.append(append("a", Expected::Exact(2), &["3"])).await.unwrap();
    pooler.lead_to(&first);
    refused_at_once(&store).await;
    refusal(&store, "not the server that took over").await;
    drop((standby, behind));
}

/// Whoever may not know a server's timeline is protected by the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_and_another_store_are_refused_also_where_the_timeline_is_unknown() {
    let (mut first, other) = (PostgresServer::start(), PostgresServer::start());
    for server in [&first, &other] {
        let owner = server.settings("modest");
        let role = "CREATE ROLE modest LOGIN; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public";
        raw(&owner).await.batch_execute(role).await.unwrap();
        let migration =
            Migration { settings: owner.clone(), grant_to: Some("modest".to_owned()), dry_run: false };
        PostgresStore::migrate(&migration).await.unwrap();
        let store = PostgresStore::open(owner).await.unwrap();
        store.append(append("a", Expected::NoStream, &["1", "2"])).await.unwrap();
    }
    let pooler = PgBouncer::start(&first);
    let mut settings = pooler.settings("modest");
    settings.server.user("modest");
    let store = PostgresStore::open(settings).await.unwrap();
    let standby = copy(&mut first, true);
    for wrong in [&standby, &other] {
        comes_back(&store).await;
        pooler.lead_to(wrong);
        refused_at_once(&store).await;
        let appended = store.append(append("a", Expected::Exact(2), &["3"])).await;
        assert!(matches!(appended, Err(StoreError::Unavailable(_))), "{appended:?}");
        pooler.lead_to(&first);
    }
    comes_back(&store).await;
    drop(standby);
}

/// Every way to read is refused at the first try.
async fn refused_at_once(store: &PostgresStore) -> String {
    let refused = store.load(stream("a")).await.unwrap_err();
    let unavailable = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
    assert!(unavailable(&refused), "{refused}");
    assert!(store.load(stream("nothing")).await.is_err_and(|error| unavailable(&error)));
    assert!(store.record(key("nothing")).await.is_err_and(|error| unavailable(&error)));
    assert!(store.read_log(0, 9).await.is_err_and(|error| unavailable(&error)));
    assert!(store.read_stream(stream("a"), 0, 9).await.is_err_and(|error| unavailable(&error)));
    assert!(store.scan(key(""), None, 9).await.is_err_and(|error| unavailable(&error)));
    refused.to_string()
}

/// Waits until all connections lead to a server that is accepted.
async fn comes_back(store: &PostgresStore) {
    let mut in_a_row = 0;
    comes_about("it is back", async || {
        let loaded = store.load(stream("a")).await;
        let appended = store.append(append("a", Expected::Exact(1), &["2"])).await;
        let is_back = loaded.is_ok() && appended == Err(StoreError::WrongExpectedVersion);
        in_a_row = if is_back { in_a_row + 1 } else { 0 };
        in_a_row == 20
    })
    .await;
}

/// Nothing of the tests above would be proved if the pooler gave each client a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pooler_shares_its_connections() {
    let settings = settings();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let (client, connection) = settings.server.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut servers = std::collections::BTreeSet::new();
    for _ in 0..2000 {
        let loads = [(); 4].map(|()| store.load(stream("a")));
        let [a, b, c, d] = loads;
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        assert!([a, b, c, d].iter().all(Result::is_ok));
        let pid: i32 = client.query_typed_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        servers.insert(pid);
        if servers.len() > 1 {
            return;
        }
    }
    panic!("always {servers:?}");
}
