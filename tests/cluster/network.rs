//! A network between nodes and database that is slow, resets connections, or carries nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use heirloom::store::postgres::PostgresSettings;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::chain::{Chain, Outcome};
use crate::database::raw;
use crate::load::{Load, Shared};
use crate::nodes::Nodes;
use crate::postgres_server::settings;
use crate::proof::prove;
use crate::proxy::{CLEAR, Proxy, Weather};
use crate::{Numbers, PATIENCE};

/// Three nodes, each behind a network of its own.
async fn three() -> (PostgresSettings, Vec<Proxy>, Nodes) {
    let database = settings();
    let mut proxies = Vec::new();
    for _ in 0..3 {
        proxies.push(Proxy::to(&database).await);
    }
    let urls: Vec<String> = proxies.iter().map(Proxy::url).collect();
    let schema = database.schema.clone();
    let nodes = tokio::task::block_in_place(|| Nodes::start(&urls, &schema));
    (database, proxies, nodes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_takes_two_round_trips_to_the_database() {
    let (database, each_way) = (settings(), Duration::from_millis(50));
    let proxy = Proxy::to(&database).await;
    let urls = [proxy.url()];
    let nodes = tokio::task::block_in_place(|| Nodes::start(&urls, &database.schema));
    let shared = Shared::new(&nodes, Duration::ZERO);
    // One that was registered, which needs a record besides the streams.
    nodes.command_at(0, &["client", "add", "tv", "--public", "--scope", "read"], "");
    let mut chain = Chain::start_for("tv", 0, &shared).await;
    proxy.becomes(Weather::Clear(each_way));
    let (began, round_trip) = (Instant::now(), each_way * 2);
    // The best of some: everything else that a machine does can only make one take longer.
    let (mut best, mut tries) = (PATIENCE, 0);
    while tries < 10 || best >= round_trip * 3 {
        assert!(began.elapsed() < PATIENCE, "the best took {best:?}");
        let asked = Instant::now();
        if let Outcome::Tokens(token) = chain.present(&shared, 0).await {
            best = best.min(asked.elapsed());
            chain.newest = token;
        }
        tries += 1;
    }
    println!("50 ms each way: the best of {tries} refreshes took {best:?}");
    assert!(best >= round_trip * 2, "{best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_network_and_one_that_resets_connections_lose_nothing() {
    let (database, proxies, mut nodes) = three().await;
    let load = Load::begin(&nodes).await;
    for proxy in &proxies {
        proxy.becomes(Weather::Clear(Duration::from_millis(50)));
    }
    let slow = load.shared.more(100).await;
    let longest = load.shared.take_longest();
    println!("50 ms each way: 100 answers in {slow:?}, the longest in {longest:?}");
    assert!(longest.iter().all(|took| *took < Duration::from_secs(10)), "{longest:?}");
    // 12 chains, each of which waits for two round trips.
    assert!(slow > Duration::from_secs(1), "the network is not slow: {slow:?}");
    for proxy in &proxies {
        proxy.becomes(CLEAR);
    }
    let mut numbers = Numbers::of(9);
    for _ in 0..12 {
        let proxy = &proxies[numbers.below(3)];
        proxy.becomes(Weather::Resets);
        sleep(Duration::from_millis(50 + numbers.below(100) as u64)).await;
        proxy.becomes(CLEAR);
        load.shared.more(20).await;
    }
    let proved = prove(load, &mut nodes, &database).await;
    println!("12 times reset: {proved}");
    assert!(proved.unknown > 0, "nobody noticed");
}

/// Nobody waits for the locks of a node that can't be reached any more: it holds none between its statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_cut_off_answers_503_and_the_others_go_on() {
    let (database, proxies, mut nodes) = three().await;
    let load = Load::begin(&nodes).await;
    load.shared.ask_only(&[1, 2]);
    let before = load.shared.more(200).await;
    let usual = load.shared.take_longest().into_iter().max().unwrap();
    // At moments at which it is in the midst of a statement, and for shorter than it waits for an answer.
    load.shared.ask_only(&[]);
    load.shared.take_longest();
    let stalls = Stalls::watch();
    for _ in 0..4 {
        proxies[0].becomes(Weather::BlackHole);
        sleep(Duration::from_millis(700)).await;
        proxies[0].becomes(CLEAR);
        load.shared.more(50).await;
    }
    proxies[0].becomes(Weather::BlackHole);
    let cut = Instant::now();
    nodes.logged(0, "lost a connection to PostgreSQL").await;
    let noticed = cut.elapsed();
    load.shared.ask_only(&[1, 2]);
    // Those that still wait for it.
    sleep(Duration::from_secs(1)).await;
    let during = load.shared.more(200).await;
    let longest = load.shared.take_longest();
    println!(
        "cut off: noticed after {noticed:?}; 200 answers of the others in {during:?}, before in {before:?}"
    );
    println!("the longest request of each: {longest:?}");
    assert!(longest[0] < Duration::from_secs(20), "{longest:?}");
    // Who waits for a lock that is not given back waits for 4 s.
    let others = Duration::from_millis(3500) + usual + stalls.longest();
    assert!(longest[1..].iter().all(|took| *took < others), "{longest:?}, usually {usual:?}");
    // Whoever waits for the rest of a request, or for the end of a transaction, may hold a lock meanwhile.
    let held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE granted AND relation = to_regclass('head') AND xact_start < now() - interval '2 s'";
    let (client, looks) = (raw(&database).await, Instant::now());
    while client.query_one(held, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(looks.elapsed() < PATIENCE, "a lock is held");
        sleep(Duration::from_millis(50)).await;
    }

    let (shared, chains) = load.end().await;
    // It answers at once now.
    shared.take_longest();
    assert_eq!(chains[0].present(&shared, 0).await, Outcome::Unknown);
    let longest = shared.take_longest()[0];
    assert!(longest < Duration::from_secs(20), "{longest:?}");
    proxies[0].becomes(CLEAR);
    let healed = Instant::now();
    while chains[0].present(&shared, 0).await == Outcome::Unknown {
        assert!(healed.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    }
    println!("it answers again after {:?}", healed.elapsed());
    assert!(healed.elapsed() < Duration::from_secs(30), "{:?}", healed.elapsed());
    shared.ask_only(&[]);
    // What was presented may be rotated meanwhile: a client that had no answer presents it again.
    let load = Load::of(shared, chains);
    load.shared.more(50).await;
    println!("cut off: {}", prove(load, &mut nodes, &database).await);
}

/// For how long the machine stood still while it was watched: nobody is answered then, whatever the database does.
struct Stalls {
    longest: Arc<AtomicU64>,
    watching: JoinHandle<()>,
}

impl Stalls {
    fn watch() -> Self {
        let longest = Arc::<AtomicU64>::default();
        let (noted, every) = (Arc::clone(&longest), Duration::from_millis(20));
        let watching = tokio::spawn(async move {
            loop {
                let began = Instant::now();
                sleep(every).await;
                let stood = began.elapsed().saturating_sub(every);
                noted.fetch_max(u64::try_from(stood.as_millis()).unwrap(), Ordering::SeqCst);
            }
        });
        Self { longest, watching }
    }

    fn longest(self) -> Duration {
        self.watching.abort();
        Duration::from_millis(self.longest.load(Ordering::SeqCst))
    }
}
