//! Runs a server: opens the store, puts the use cases together, listens until it is told to stop.

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
use super::{Failure, Outcome, certificate, check, known_keys, operators, store};
use crate::app::App;
use crate::app::assemble::{Environment, make_keys, read_keys};
use crate::app::outage::untold;
use crate::app::users::UserError;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::http::docs::FilledIn;
use crate::http::peer::TrustedProxies;
use crate::http::server::{Limits, ServerOptions, serve as serve_listener, serve_operators};
use crate::http::{self, HttpSettings, operations};
use crate::oauth::Actor;
use crate::password::hash::Cost;
use crate::random::Random;
use crate::store::OpenedStore;

/// How often the keys folder is looked at.
const LOOK_AT_KEYS: Duration = Duration::from_secs(2);
/// How often it is looked for sessions that are over.
const SWEEP: Duration = Duration::from_secs(30);

/// A server that is about to start.
pub(super) struct Start {
    /// The configuration.
    pub config: Config,
    /// Sockets that are bound, listening and set to non-blocking; in the order of `config.server.listen`.
    pub sockets: Vec<TcpListener>,
    /// The demo users that there must be, with their roles; only in `heirloom dev`.
    pub demo: Vec<(User, &'static str)>,
    /// What the documentation page has filled in; only in `heirloom dev`.
    pub filled_in: Option<FilledIn>,
    /// What is taken as it is.
    pub accept: Accepted,
}

/// Runs a server until it is told to stop (SIGTERM, SIGINT). Calls `ready` once, as soon as it answers requests; if
/// that fails, it stops.
///
/// # Errors
/// [`Failure`] if it can't start or must stop by itself.
pub(super) fn serve(start: Start, ready: &mut dyn FnMut() -> io::Result<()>) -> Outcome {
    // What other threads have done, the store's writer above all, is looked for behind every second task: it takes a moment to
    // answer, and the next request may be a signature. Not behind each: the queue in which it waits also takes what is too
    // much for a thread's own, and would come first for ever.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().global_queue_interval(2).build();
    let runtime = runtime.map_err(|error| failed("can't start", &error))?;
    let outcome = runtime.block_on(run(start, ready));
    // Closes the store, when the last task that holds it is gone.
    drop(runtime);
    if outcome.is_ok() && STORE_FAILED.load(Ordering::Acquire) {
        return Err(Failure::Failed("the store failed while it was closed: see the log".to_owned()));
    }
    outcome
}

async fn run(start: Start, ready: &mut dyn FnMut() -> io::Result<()>) -> Outcome {
    let Start { config, sockets, demo, filled_in, accept } = start;
    let pair =
        config.server.tls.as_ref().map(|tls| certificate::open(&tls.certificate, &tls.key)).transpose();
    let pair = pair.map_err(Failure::Failed)?;
    // Signals first: one that comes while the store opens is not lost.
    let stop = stop_signal().map_err(|error| failed("can't listen for signals", &error))?;
    // With the other sockets: a start that fails for a port has done nothing.
    let metrics = config.server.metrics.map(bind_metrics).transpose()?;
    let (app, position) = open(&config, accept).await?;
    // Before anything is appended by this process.
    let evidence = app.sweeper.clock_evidence().await;
    prepare(&app, &config, accept).await?;
    if accept.restored {
        position.write_restored(app.store.stats().position)?;
    }
    for (user, role) in &demo {
        add_demo_user(&app, user, role).await?;
    }
    let settings = HttpSettings { filled_in, ..http_settings(&config, &stop)? };
    let options = ServerOptions {
        limits: limits(&config),
        tls: pair.as_ref().map(|pair| pair.config()),
        proxies: settings.proxies.clone(),
        places: Arc::default(),
    };
    app.uptime.begin();
    let mut listeners = JoinSet::new();
    for socket in sockets {
        let settings = settings.clone();
        let endpoint = http::endpoint(Arc::clone(&app), settings).map_err(|error| unspecified(&error))?;
        let listener =
            tokio::net::TcpListener::from_std(socket).map_err(|error| failed("can't listen", &error))?;
        listeners.spawn(serve_listener(listener, endpoint, options.clone(), told(&stop)));
    }
    if let Some(listener) = metrics {
        let endpoint = operations::metrics::endpoint(&app.monitoring, &options.places);
        let options = ServerOptions { tls: None, ..options.clone() };
        listeners.spawn(serve_listener(listener, endpoint, options, told(&stop)));
    }
    // The store is open: what lies where the socket will be is stale. The socket goes before the store is closed.
    let _placed = match operators::listen(&config.data) {
        Ok((socket, placed)) => {
            let settings = HttpSettings { stopping: Some(stop.clone()), ..HttpSettings::default() };
            let endpoint = operations::operator::endpoint(Arc::clone(&app), settings);
            let endpoint = endpoint.map_err(|error| unspecified(&error))?;
            let (options, stopped) = (options.clone(), told(&stop));
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
    // They end with this function.
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_looking(Arc::clone(&app)));
    tasks.spawn(position.clone().keep(Arc::clone(&app.store)));
    if let Some(pair) = pair {
        tasks.spawn(certificate::keep(pair, Arc::clone(&app.monitoring)));
    }
    tasks.spawn(Arc::clone(&app.sweeper).keep_sweeping(SWEEP, evidence));
    ready().map_err(Failure::Output)?;
    while let Some(ended) = listeners.join_next().await {
        ended.map_err(io::Error::other).flatten().map_err(|error| failed("the listener failed", &error))?;
    }
    tasks.shutdown().await;
    position.write_last(&*app.store);
    tracing::info!("stopped");
    Ok(())
}

/// Takes in what changes in the keys folder, and says what the log has left out; never returns.
async fn keep_looking(app: Arc<App>) {
    tokio::join!(Arc::clone(&app.keys).watch(LOOK_AT_KEYS), Arc::clone(&app.refusals).keep_counting());
}

/// Opens the store and puts the use cases together. A new store gets its keys first.
pub(super) async fn open(config: &Config, accept: Accepted) -> Outcome<(Arc<App>, DataPosition)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if let Some(warning) = check::who_may_write(config).map_err(Failure::Failed)? {
        tracing::warn!("{warning}");
    }
    // The keys come first: where they can't be used, the store is left as it is.
    let has_store = store::location(config).has_store();
    let keys = if has_store { read_keys(config, &clock) } else { make_keys(config, &clock) };
    keys.map_err(|error| Failure::Failed(error.to_string()))?;
    let OpenedStore { store, id } = store::open(config, accept, Arc::new(give_up)).await?;
    let position = DataPosition::new(&config.keys, id);
    if !accept.restored {
        position.compare(config, store.stats().position)?;
    }
    let environment = Environment { store, clock, random: Random::system(), cost: Cost::RECOMMENDED };
    let app = App::assemble(config, environment).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok((Arc::new(app), position))
}

/// What is looked at, and put right, before requests are answered.
pub(super) async fn prepare(app: &App, config: &Config, accept: Accepted) -> Outcome {
    let store = |error| Failure::Failed(format!("the store: {error}"));
    let known = app.keys.check().await.map_err(|error| Failure::Failed(error.to_string()))?;
    if let Err(error) = known_keys::write(&config.data, &known) {
        tracing::warn!(error = %error, "`heirloom serve --check` won't be able to hold the keys against the data");
    }
    app.installation.read().await.map_err(store)?;
    if accept.restored || app.installation.is_restore_pending().await.map_err(store)? {
        app.installation
            .end_sessions_by_restore(Actor::Operator(operators::own_uid()))
            .await
            .map_err(store)?;
    }
    app.indexes.prepare().await.map_err(store)?;
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

/// Whether the store has failed, be it in its last sync.
static STORE_FAILED: AtomicBool = AtomicBool::new(false);

/// The store has failed: what it holds in memory may differ from what is on disk, so nothing more may be answered.
fn give_up(why: &str) {
    STORE_FAILED.store(true, Ordering::Release);
    // Those who wait get their 503 first.
    let leave = || {
        std::thread::sleep(Duration::from_millis(200));
        // By another thread, as whoever reads the log may have stopped.
        let last_word = std::thread::Builder::new().name("last-word".to_owned()).spawn(|| match untold() {
            0 => {}
            count => tracing::error!(requests = count, "more requests failed with the store"),
        });
        drop(last_word);
        std::thread::sleep(Duration::from_millis(50));
        std::process::exit(1);
    };
    // Before the log is written to: whoever reads that may have stopped, and then the write never ends.
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

/// Waits until the process is told to stop.
fn told(stop: &watch::Receiver<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut stop = stop.clone();
    async move { drop(stop.wait_for(|stop| *stop).await) }
}

/// Becomes true when the process is told to stop.
fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    // Supervisors and closing terminals send it; by itself it would end the process without a drain.
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
        tracing::info!("told to stop");
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
