//! Runs a server: opens the store, assembles the use cases, and listens until a shutdown is requested.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accepted::Accepted;
use super::data_position::DataPosition;
use super::demo::User;
use super::{Failure, Outcome, certificate, check, keyring, known_keys, operators, store};
use crate::app::App;
use crate::app::assemble::{Environment, make_keys, read_keys};
use crate::app::clock_guard::Evidence;
use crate::app::nodes::SILENT_AFTER;
use crate::app::outage::take_unlogged;
use crate::app::users::UserError;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, KeysIn, Store};
use crate::http::docs::FilledIn;
use crate::http::peer::TrustedProxies;
use crate::http::server::{Certificate, Limits, ServerOptions, serve as serve_listener, serve_operators};
use crate::http::{self, HttpSettings, operations};
use crate::oauth::Actor;
use crate::password::hash::Cost;
use crate::random::Random;
use crate::store::OpenedStore;

/// How often the keys folder is checked.
const LOOK_AT_KEYS: Duration = Duration::from_secs(2);
/// How often expired sessions are looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// Everything that a server is started with.
pub(super) struct Start {
    /// The validated configuration.
    pub config: Config,
    /// Bound, listening, non-blocking sockets in the order of `config.server.listen`.
    pub sockets: Vec<TcpListener>,
    /// The demo users to be made, with their roles; only in `heirloom dev`.
    pub demo: Vec<(User, &'static str)>,
    /// The values that the documentation page fills in; only in `heirloom dev`.
    pub filled_in: Option<FilledIn>,
    /// What the operator accepted by flags.
    pub accept: Accepted,
}

/// Runs a server until a shutdown is requested (SIGTERM, SIGINT). Calls `ready` once, as soon as it answers requests;
/// if that fails, the server stops.
///
/// # Errors
/// [`Failure`] if the server can't start or must stop because of an error.
pub(super) fn serve(start: Start, ready: &mut dyn FnMut() -> io::Result<()>) -> Outcome {
    // A worker thread looks for tasks woken by other threads, above all by the store's writer, after every second task:
    // they finish quickly, while the thread's own next task may have to sign. It does not look after every task,
    // because the global queue also takes what overflows a thread's own queue, which would then always come first.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().global_queue_interval(2).build();
    let runtime = runtime.map_err(|error| failed("can't start", &error))?;
    let outcome = runtime.block_on(run(start, ready));
    // Closes the store once the last task that holds it has ended.
    drop(runtime);
    if outcome.is_ok() && STORE_FAILED.load(Ordering::Acquire) {
        return Err(Failure::Failed("the store failed while it was closed: see the log".to_owned()));
    }
    outcome
}

async fn run(start: Start, ready: &mut dyn FnMut() -> io::Result<()>) -> Outcome {
    let config = &start.config;
    let pair =
        config.server.tls.as_ref().map(|tls| certificate::open(&tls.certificate, &tls.key)).transpose();
    let pair = pair.map_err(Failure::Failed)?;
    // The signal handlers come first, so that a signal while the store opens is not lost.
    let stop = stop_signal().map_err(|error| failed("can't listen for signals", &error))?;
    // Bound together with the other sockets: a start that fails because of a port has changed nothing.
    let metrics = config.server.metrics.map(bind_metrics).transpose()?;
    if start.accept.restored && config.store != Store::Sled {
        // What a backup says of nodes that ran when it was taken is older then. Whoever lives is found when the store is
        // opened.
        tracing::info!(seconds = SILENT_AFTER.as_secs(), "looking whether another node answers");
        tokio::time::sleep(SILENT_AFTER).await;
    }
    let (app, position) = open(config, start.accept).await?;
    let beating = join(&app).await?;
    let ended = Box::pin(answer(start, (&app, position), (stop, metrics, pair), ready)).await;
    drop(beating);
    app.nodes.leave().await;
    ended
}

/// Says to the other nodes that this one begins, and from then on every few seconds that it lives, until the tasks are
/// dropped.
pub(super) async fn join(app: &App) -> Outcome<JoinSet<()>> {
    app.nodes.join().await.map_err(|error| Failure::Failed(error.to_string()))?;
    let mut beating = JoinSet::new();
    beating.spawn(Arc::clone(&app.nodes).keep_beating());
    Ok(beating)
}

/// Says to the other nodes that this one answers requests from now on.
async fn begin(app: &App) -> Outcome {
    app.nodes.answer().await.map_err(|error| Failure::Failed(format!("the store: {error}")))?;
    // Asked once more after that: see `app::reindex`.
    let are_current = app.indexes.are_current().await;
    if !are_current.map_err(|error| Failure::Failed(format!("the store: {error}")))? {
        return Err(Failure::Failed(
            "a node of another version makes its indexes: start again when it answers, with its version"
                .to_owned(),
        ));
    }
    app.nodes.begin();
    Ok(())
}

/// Answers requests until a shutdown is requested.
async fn answer(
    start: Start,
    (app, position): (&Arc<App>, DataPosition),
    (stop, metrics, pair): (watch::Receiver<bool>, Option<tokio::net::TcpListener>, Option<Arc<Certificate>>),
    ready: &mut dyn FnMut() -> io::Result<()>,
) -> Outcome {
    let Start { config, sockets, demo, filled_in, accept } = start;
    // Read before this process appends anything.
    let evidence = app.sweeper.clock_evidence().await;
    prepare(app, &config, accept).await?;
    if accept.restored {
        position.write_restored(&app.store.stats())?;
    }
    for (user, role) in &demo {
        add_demo_user(app, user, role).await?;
    }
    let settings = HttpSettings { filled_in, ..http_settings(&config, &stop)? };
    let options = ServerOptions {
        limits: limits(&config),
        tls: pair.as_ref().map(|pair| pair.config()),
        proxies: settings.proxies.clone(),
        places: Arc::default(),
    };
    begin(app).await?;
    let mut listeners = JoinSet::new();
    for socket in sockets {
        let settings = settings.clone();
        let endpoint = http::endpoint(Arc::clone(app), settings).map_err(|error| unspecified(&error))?;
        let listener =
            tokio::net::TcpListener::from_std(socket).map_err(|error| failed("can't listen", &error))?;
        listeners.spawn(serve_listener(listener, endpoint, options.clone(), stopped(&stop)));
    }
    if let Some(listener) = metrics {
        let endpoint = operations::metrics::endpoint(&app.monitoring, &options.places);
        let options = ServerOptions { tls: None, ..options.clone() };
        listeners.spawn(serve_listener(listener, endpoint, options, stopped(&stop)));
    }
    // The store is open, so a socket that is already there is stale. The socket is removed before the store is closed.
    let _placed = match operators::listen(&config.data) {
        Ok((socket, placed)) => {
            let settings = HttpSettings { stopping: Some(stop.clone()), ..HttpSettings::default() };
            let endpoint = operations::operator::endpoint(Arc::clone(app), settings);
            let endpoint = endpoint.map_err(|error| unspecified(&error))?;
            let (options, stopped) = (options.clone(), stopped(&stop));
            listeners.spawn(async move {
                serve_operators(socket, operators::own_uid(), endpoint, options, stopped).await;
                Ok(())
            });
            Some(placed)
        }
        Err(error) => {
            tracing::warn!(error = %error, "heirloom user, client and session can't reach this server");
            None
        }
    };
    let (uptime, stopping) = (Arc::clone(&app.uptime), stopped(&stop));
    // The tasks are aborted when this function returns.
    let mut tasks = JoinSet::new();
    keep_looking(&mut tasks, app, evidence);
    tasks.spawn(async move {
        stopping.await;
        uptime.end();
    });
    tasks.spawn(position.clone().keep(Arc::clone(&app.store)));
    if let Some(pair) = pair {
        tasks.spawn(certificate::keep(pair, Arc::clone(&app.monitoring)));
    }
    listeners.spawn(deliver_logouts(Arc::clone(app), stop.clone()));
    ready().map_err(Failure::Output)?;
    while let Some(ended) = listeners.join_next().await {
        ended.map_err(io::Error::other).flatten().map_err(|error| failed("the listener failed", &error))?;
    }
    tasks.shutdown().await;
    position.write_last(&*app.store);
    tracing::info!("stopped");
    Ok(())
}

/// Watches the keys folder, logs how many refusals were not logged one by one, sweeps, and tells other nodes what this one
/// permits: each in a task of its own, so that a defect in one stops no other.
fn keep_looking(tasks: &mut JoinSet<()>, app: &App, evidence: Evidence) {
    tasks.spawn(Arc::clone(&app.keys).watch(LOOK_AT_KEYS));
    tasks.spawn(Arc::clone(&app.refusals).keep_counting());
    tasks.spawn(Arc::clone(&app.uptime).keep_looking());
    tasks.spawn(Arc::clone(&app.sweeper).keep_sweeping(SWEEP, evidence));
    if let Some(shared) = &app.shared_counters {
        tasks.spawn(Arc::clone(shared).keep_sharing_takes(Arc::clone(&app.nodes)));
    }
}

/// Tells clients of logouts until a shutdown is requested.
async fn deliver_logouts(app: Arc<App>, stop: watch::Receiver<bool>) -> io::Result<()> {
    Arc::clone(&app.backchannel_logout).keep_delivering(stopped(&stop)).await;
    Ok(())
}

/// Opens the store and assembles the use cases. A new store gets its keys first.
pub(super) async fn open(config: &Config, accept: Accepted) -> Outcome<(Arc<App>, DataPosition)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let has_store = store::exists(config).await?;
    if let Some(warning) = check::who_may_write(config, has_store).map_err(Failure::Failed)? {
        tracing::warn!("{warning}");
    }
    // The keys come first: if they can't be used, the store is not touched.
    let keyring = keyring::of(config)?;
    let prepare = if has_store { read_keys } else { make_keys };
    prepare(&keyring, config, &clock).map_err(|error| keyring::failure(&error))?;
    let OpenedStore { store, id, history, cluster, exchange } =
        store::open(config, accept, Arc::new(give_up)).await?;
    // In a folder that is not restored together with the data: the data folder of a server whose store is in a database.
    let apart = if config.keys_in == KeysIn::Folder { &config.keys } else { &config.data };
    let position = DataPosition::new(apart, id);
    if !has_store && matches!(config.store, Store::Postgres(_)) {
        position.begin(config)?;
    }
    if !accept.restored {
        position.compare(config, &history)?;
    }
    let (random, cost) = (Random::system(), Cost::RECOMMENDED);
    let environment = Environment { store, keyring, cluster, exchange, clock, random, cost };
    let app = App::assemble(config, environment).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok((Arc::new(app), position))
}

/// Checks and repairs what must be right before requests are answered.
pub(super) async fn prepare(app: &App, config: &Config, accept: Accepted) -> Outcome {
    let store = |error| Failure::Failed(format!("the store: {error}"));
    let known = app.keys.check().await.map_err(|error| Failure::Failed(error.to_string()))?;
    if let Err(error) = known_keys::write(&config.data, &known) {
        tracing::warn!(error = %error, "not written: `heirloom serve --check` can't compare the keys with the data");
    }
    app.installation.read().await.map_err(store)?;
    if accept.restored || app.installation.is_restore_pending().await.map_err(store)? {
        app.installation
            .end_sessions_by_restore(Actor::Operator(operators::own_uid()))
            .await
            .map_err(store)?;
    }
    app.indexes.prepare().await.map_err(|error| Failure::Failed(error.to_string()))?;
    // So that the first who signs in need not wait for it.
    if let Some(shared) = &app.shared_counters
        && let Err(error) = shared.hear().await
    {
        tracing::warn!(error = %error, "not heard yet: what other nodes have told of attempts to sign in and of frequent requests");
    }
    // Where there are several nodes, the one that tells apps does this when it begins.
    if !app.nodes.are_several() {
        app.backchannel_logout.take_up().await.map_err(store)?;
    }
    let without = app.clients.without_their_grant().await.map_err(store)?;
    if !without.is_empty() {
        let ids = without.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        tracing::warn!(
            clients = ids,
            count = without.len(),
            "clients are registered for the password grant, which is off: nobody can sign in through them"
        );
    }
    Ok(())
}

/// Whether the store has failed, also if only in its last sync.
static STORE_FAILED: AtomicBool = AtomicBool::new(false);

/// Ends the process after the store has failed: its memory may differ from the disk, so nothing more may be answered.
fn give_up(why: &str) {
    STORE_FAILED.store(true, Ordering::Release);
    // Requests that wait for the store get their 503 first.
    let leave = || {
        std::thread::sleep(Duration::from_millis(200));
        // In a thread of its own: writing to the log blocks if its reader has stopped.
        let last_line =
            std::thread::Builder::new().name("last-log-line".to_owned()).spawn(|| match take_unlogged() {
                0 => {}
                count => tracing::error!(requests = count, "more requests failed with the store"),
            });
        drop(last_line);
        std::thread::sleep(Duration::from_millis(50));
        std::process::exit(1);
    };
    // Started before the log is written: that blocks for ever if the log's reader has stopped.
    let leaving = std::thread::Builder::new().name("give-up".to_owned()).spawn(leave);
    tracing::error!(store.failure = why, "stopping at once: the store has failed");
    if leaving.is_err() {
        std::process::exit(1);
    }
}

async fn add_demo_user(app: &App, user: &User, role: &str) -> Outcome {
    match app
        .accounts
        .register_as(&user.username, &user.password, vec![role.to_owned()], Some(Actor::System))
        .await
    {
        Ok(_) | Err(UserError::Taken) => Ok(()),
        Err(error) => Err(Failure::Failed(format!("the demo user: {error}"))),
    }
}

fn http_settings(config: &Config, stop: &watch::Receiver<bool>) -> Outcome<HttpSettings> {
    let proxies = config.server.trusted_proxies.join(",").parse::<TrustedProxies>();
    Ok(HttpSettings {
        proxies: proxies.map_err(|error| Failure::Failed(error.to_string()))?,
        hosts: config.server.hosts.clone().unwrap_or_default(),
        path_stripped: config.server.path_stripped,
        hsts: config.server.hsts,
        cors_headers: config.server.cors_headers.clone(),
        stopping: Some(stop.clone()),
        ..HttpSettings::default()
    })
}

fn limits(config: &Config) -> Limits {
    let max_connections = usize::try_from(config.server.max_connections).unwrap_or(usize::MAX);
    let of_one = usize::try_from(config.server.max_connections_per_address).unwrap_or(usize::MAX);
    Limits {
        max_connections,
        max_connections_per_source: of_one,
        idle_timeout: config.server.keep_alive,
        body_memory: u64::from(config.server.body_memory) << 20,
        drain_deadline: config.server.drain,
        ..Limits::default()
    }
}

/// Waits until a shutdown is requested.
fn stopped(stop: &watch::Receiver<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut stop = stop.clone();
    async move { drop(stop.wait_for(|stop| *stop).await) }
}

/// Becomes true when a shutdown is requested.
fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    // Supervisors and closing terminals send SIGHUP. Its default action would end the process without draining
    // connections.
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::warn!(
                "SIGHUP is ignored: heirloom can't reload yet; keys and certificates are watched, all else needs a \
                            restart"
            );
        }
    });
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutdown requested");
        let _ = sender.send(true);
    });
    Ok(receiver)
}

fn unspecified(error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("the specification: {error}"))
}

fn bind_metrics(address: SocketAddr) -> Outcome<tokio::net::TcpListener> {
    let what = || format!("can't listen on {address} for metrics");
    http::server::bind(address).map_err(|error| failed(&what(), &error))
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::Failed(format!("{what}: {error}"))
}
