//! The servers of one database: at most one of them writes at a time, and which one can change.

use std::cmp::Reverse;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Config, Error, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure;
use super::hosts::{host_and_port, one_by_one};
use super::open_error::OpenError;
use super::settings::PostgresSettings;
use super::tls::{PostgresTls, TlsMode, hint};

/// How long making a connection to one server may take, and how long setting it up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long one address of a server may take to accept: a name may have another address.
const ACCEPTANCE: Duration = Duration::from_secs(2);
/// How long what was sent may stay without a receipt, and how long a quiet connection is not asked whether it lives.
const SILENCE: Duration = Duration::from_secs(5);
/// How long the others may take after one server has answered. A server from before a fail-over must not be taken because
/// it is the first to answer.
const GRACE: Duration = Duration::from_millis(500);
/// What the server is asked to do to notice that we are gone, as we do for it. Not every system can do the second.
const KEEPALIVES: [&str; 2] = [
    "SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '1', false),
            set_config('tcp_keepalives_count', '3', false)",
    "SELECT set_config('tcp_user_timeout', '5000', false)",
];

/// The servers, in their order.
pub(super) struct Servers {
    servers: Vec<Server>,
    place: String,
}

/// One server.
pub(super) struct Server {
    config: Config,
    tls: PostgresTls,
    /// Of the whole database, for messages.
    place: String,
}

/// The task that carries a connection. Dropping it closes the connection.
pub(super) struct Carrier(JoinHandle<Option<String>>);

/// Cancels what a connection's server does at the time.
pub(super) struct Canceller {
    token: CancelToken,
    tls: Option<MakeRustlsConnect>,
}

/// A connection to a server that takes changes.
pub(super) struct Dialed {
    pub(super) client: Client,
    pub(super) canceller: Canceller,
    pub(super) carrier: Carrier,
    /// The server's system identifier and its timeline, if the user may know them. A promotion makes a higher timeline.
    pub(super) system: Option<i64>,
    pub(super) timeline: Option<i64>,
}

impl Servers {
    pub(super) fn of(settings: &PostgresSettings) -> Self {
        let place = settings.place();
        let server = |config| Server::new(config, settings.tls.clone(), place.clone());
        Self { servers: one_by_one(&settings.server).into_iter().map(server).collect(), place: place.clone() }
    }

    /// A connection to the server that took over last.
    pub(super) async fn newest(&self) -> Result<Dialed, OpenError> {
        let newest = self.dial().await?.into_iter().next();
        newest.ok_or_else(|| self.none_of(Vec::new()))
    }

    /// Connects to all servers at once, so that a silent one does not hold up the others. Returns those that take changes,
    /// which may be more than one: a server from before a fail-over may do so too. First is the one on the highest
    /// timeline, and otherwise their order counts.
    pub(super) async fn dial(&self) -> Result<Vec<Dialed>, OpenError> {
        let mut calls: FuturesUnordered<_> = (0_usize..)
            .zip(&self.servers)
            .map(|(number, server)| async move {
                let dialed = timeout(PATIENCE, Box::pin(server.dial())).await;
                (number, dialed.unwrap_or_else(|_| Err(server.silent())))
            })
            .collect();
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        loop {
            let next = if found.is_empty() {
                calls.next().await
            } else {
                timeout(GRACE, calls.next()).await.unwrap_or_default()
            };
            match next {
                Some((number, Ok(dialed))) => found.push((number, dialed)),
                Some((number, Err(error))) => failed.push((number, error)),
                None => break,
            }
        }
        if found.is_empty() {
            failed.sort_by_key(|(number, _)| *number);
            return Err(self.none_of(failed.into_iter().map(|(_, error)| error).collect()));
        }
        found.sort_by_key(|(number, dialed)| (Reverse(dialed.timeline), *number));
        Ok(found.into_iter().map(|(_, dialed)| dialed).collect())
    }

    /// What is said when every server failed.
    fn none_of(&self, mut failed: Vec<OpenError>) -> OpenError {
        if failed.len() == 1
            && let Some(only) = failed.pop()
        {
            return only;
        }
        let mut whys = Vec::new();
        for (server, error) in self.servers.iter().zip(failed) {
            match error {
                OpenError::Unreachable { why, .. } => whys.push(format!("{}: {why}", server.host())),
                // It was reached, so this is what has to be mended.
                other @ (OpenError::Schema { .. } | OpenError::Newer { .. } | OpenError::Other { .. }) => {
                    return other;
                }
            }
        }
        let why = if whys.is_empty() { "no server is named".to_owned() } else { whys.join("; ") };
        OpenError::Unreachable { place: self.place.clone(), why }
    }
}

impl Server {
    fn new(mut config: Config, tls: PostgresTls, place: String) -> Self {
        let mode = match (config.get_hosts(), tls.mode) {
            ([Host::Unix(_), ..], _) | (_, TlsMode::Disable) => SslMode::Disable,
            (_, TlsMode::Prefer) => SslMode::Prefer,
            (_, TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull) => SslMode::Require,
        };
        config
            .ssl_mode(mode)
            .connect_timeout(ACCEPTANCE)
            .tcp_user_timeout(SILENCE)
            .keepalives(true)
            .keepalives_idle(SILENCE)
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Self { config, tls, place }
    }

    /// A connection to it, if it takes changes.
    async fn dial(&self) -> Result<Dialed, OpenError> {
        let failed = |error: Error| {
            let why = failure::text(&error);
            self.unreachable(hint(&error).map_or_else(|| why.clone(), |hint| format!("{why}: {hint}")))
        };
        let (client, carrier, tls) = if self.config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = self.config.connect(NoTls).await.map_err(failed)?;
            (client, Carrier::new(connection), None)
        } else {
            let tls = MakeRustlsConnect::new(self.client_config().await?);
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(failed)?;
            (client, Carrier::new(connection), Some(tls))
        };
        let (found, ()) = tokio::join!(whereabouts(&client), self.ask_for_keepalives(&client));
        let (system, timeline) = found.map_err(failed)?;
        let canceller = Canceller { token: client.cancel_token(), tls };
        Ok(Dialed { client, canceller, carrier, system, timeline })
    }

    /// Has the server notice soon if this machine vanishes: in the middle of a change it would wait for the rest with all
    /// other changes locked, for two hours by default. A server that can't does without; so does a pooler.
    async fn ask_for_keepalives(&self, client: &Client) {
        if matches!(self.config.get_hosts(), [Host::Tcp(_), ..]) {
            let set = KEEPALIVES.map(|set| client.simple_query(set));
            let _ = futures_util::future::join_all(set).await;
        }
    }

    async fn client_config(&self) -> Result<ClientConfig, OpenError> {
        let tls = self.tls.clone();
        let read = spawn_blocking(move || tls.client_config()).await;
        let read = read.map_err(|error| self.unreachable(error.to_string()))?;
        read.map_err(|error| self.unreachable(failure::with_sources(&error)))
    }

    fn host(&self) -> String {
        host_and_port(&self.config, 0).unwrap_or_default()
    }

    fn silent(&self) -> OpenError {
        self.unreachable(format!("no answer within {} s", PATIENCE.as_secs()))
    }

    fn unreachable(&self, why: String) -> OpenError {
        OpenError::Unreachable { place: self.place.clone(), why }
    }
}

/// The server's system identifier and its timeline, if the user may know them. The name of the file to which the server
/// writes its log begins with the timeline.
async fn whereabouts(client: &Client) -> Result<(Option<i64>, Option<i64>), Error> {
    let ask = "SELECT system_identifier,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint FROM pg_control_system()";
    let unknown =
        [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::UNDEFINED_FUNCTION, SqlState::FEATURE_NOT_SUPPORTED];
    let messages = match client.simple_query(ask).await {
        Err(error) if error.code().is_some_and(|code| unknown.contains(code)) => Vec::new(),
        asked => asked?,
    };
    let row = messages
        .into_iter()
        .find_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
    let number = |at| row.as_ref().and_then(|row| row.get(at)).and_then(|text| text.parse().ok());
    Ok((number(0), number(1)))
}

impl Canceller {
    /// Sends the request, on a connection of its own.
    pub(super) async fn cancel(&self) -> Result<(), Error> {
        match &self.tls {
            Some(tls) => self.token.cancel_query(tls.clone()).await,
            None => self.token.cancel_query(NoTls).await,
        }
    }
}

impl Carrier {
    fn new(connection: impl Future<Output = Result<(), Error>> + Send + 'static) -> Self {
        Self(tokio::spawn(async { connection.await.err().map(|error| failure::text(&error)) }))
    }

    /// Waits until the connection is closed, and says why.
    pub(super) async fn closed(&mut self) -> String {
        match (&mut self.0).await {
            Ok(Some(why)) => why,
            Ok(None) | Err(_) => "the connection was closed".to_owned(),
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}
