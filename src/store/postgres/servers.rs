//! The servers of one database: at most one of them writes at a time, and which one can change.

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure;
use super::hosts::{host_and_port, one_by_one};
use super::open_error::OpenError;
use super::settings::PostgresSettings;
use super::tls::{PostgresTls, TlsMode, hint};

/// How long making a connection to one server may take, its setup included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one address of a server may take to accept: a name may have another address.
const ACCEPTANCE: Duration = Duration::from_secs(2);
/// How long what was sent may stay without a receipt, and how long a quiet connection is not asked whether it lives.
const SILENCE: Duration = Duration::from_secs(5);
/// How much later than the one before it a server is tried.
const STAGGER: Duration = Duration::from_millis(250);

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

/// An attempt to use a server.
type Attempt<'a, T> = Pin<Box<dyn Future<Output = Result<T, OpenError>> + Send + 'a>>;

impl Servers {
    pub(super) fn of(settings: &PostgresSettings) -> Self {
        let place = settings.place();
        let server = |config| Server::new(config, settings.tls.clone(), place.clone());
        Self { servers: one_by_one(&settings.server).into_iter().map(server).collect(), place: place.clone() }
    }

    /// Tries each server, shortly after the one before it, and takes the first of which `attempt` succeeds. So a server
    /// that is silent does not keep the next one from being found.
    pub(super) async fn first<'a, T>(
        &'a self,
        attempt: impl Fn(&'a Server) -> Attempt<'a, T>,
    ) -> Result<T, OpenError> {
        let mut attempts: FuturesUnordered<_> = (0..)
            .zip(&self.servers)
            .map(|(number, server)| {
                let attempt = attempt(server);
                async move {
                    sleep(STAGGER.saturating_mul(number)).await;
                    let attempted = timeout(PATIENCE, attempt).await;
                    attempted.unwrap_or_else(|_| Err(server.silent())).map_err(|error| (number, error))
                }
            })
            .collect();
        let mut failed = Vec::new();
        while let Some(attempted) = attempts.next().await {
            match attempted {
                Ok(made) => return Ok(made),
                Err(error) => failed.push(error),
            }
        }
        failed.sort_by_key(|(number, _)| *number);
        Err(self.none_of(failed.into_iter().map(|(_, error)| error).collect()))
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

    /// A connection to it, if it writes.
    pub(super) async fn dial(&self) -> Result<(Client, Carrier), OpenError> {
        let failed = |error: Error| {
            let why = failure::text(&error);
            self.unreachable(hint(&error).map_or_else(|| why.clone(), |hint| format!("{why}: {hint}")))
        };
        if self.config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = self.config.connect(NoTls).await.map_err(failed)?;
            return Ok((client, Carrier::new(connection)));
        }
        let tls = MakeRustlsConnect::new(self.client_config().await?);
        let (client, connection) = self.config.connect(tls).await.map_err(failed)?;
        Ok((client, Carrier::new(connection)))
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
