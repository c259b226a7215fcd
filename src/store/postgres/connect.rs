//! Makes connections: each is set up, finds the database that it expects, and has all statements prepared.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls};

use super::open_error::OpenError;
use super::session::{Session, Statements};
use super::settings::PostgresSettings;
use super::{failure, schema};

/// How long making a connection may take, its setup included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what was sent may stay without a receipt, and how long a quiet connection is not asked whether it lives.
const SILENCE: Duration = Duration::from_secs(5);

/// What each connection says first. Waiting for a lock ends before a statement does, and both end before the caller gives
/// up (`Session`). Statements find their rows by an index, whatever the planner believes about tables that grow. A commit
/// is on the disk before it is answered, whatever the database's default is; where standbys must have replayed it too, that
/// stays.
const SETUP: &str = "
    SET lock_timeout = '4s';
    SET statement_timeout = '6s';
    SET idle_in_transaction_session_timeout = '6s';
    SET idle_session_timeout = 0;
    SET client_connection_check_interval = '1s';
    SET default_transaction_isolation = 'read committed';
    SET jit = off;
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SELECT set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false);
";

/// Makes connections to one database.
pub(super) struct Connector {
    settings: PostgresSettings,
    server: Config,
    known: Known,
}

/// What is known of the database, and must be so on each connection.
#[derive(Default)]
pub(super) struct Known {
    store: OnceLock<[u8; 16]>,
    /// The highest position that was read from `head` or acknowledged.
    position: AtomicU64,
}

/// The task that carries a connection. Dropping it closes the connection.
pub(super) struct Carrier(JoinHandle<Option<String>>);

impl Connector {
    pub(super) fn new(settings: PostgresSettings) -> Self {
        let mut server = settings.server.clone();
        if server.get_application_name().is_none() {
            server.application_name("heirloom");
        }
        server
            .connect_timeout(PATIENCE)
            .tcp_user_timeout(SILENCE)
            .keepalives(true)
            .keepalives_idle(SILENCE)
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Self { settings, server, known: Known::default() }
    }

    pub(super) const fn settings(&self) -> &PostgresSettings {
        &self.settings
    }

    pub(super) const fn known(&self) -> &Known {
        &self.known
    }

    /// Makes the tables, or brings them to this version.
    pub(super) async fn prepare_schema(&self) -> Result<(), OpenError> {
        let (mut client, _carrier) = self.dial().await?;
        schema::prepare(&mut client, &self.settings).await
    }

    /// Whether there is a store.
    pub(super) async fn has_store(&self) -> Result<bool, OpenError> {
        let (client, _carrier) = self.dial().await?;
        schema::is_there(&client, &self.settings).await
    }

    /// Finds out whether a store would open: with all that each connection does, or, if there is none, by the privileges
    /// that making it needs. Returns warnings.
    pub(super) async fn check(&self) -> Result<Vec<String>, OpenError> {
        let (client, _carrier) = self.dial().await?;
        let failed = |error| OpenError::schema(&self.settings, &error);
        if schema::is_there(&client, &self.settings).await? {
            self.connect().await?;
        } else {
            schema::may_make(&client, &self.settings).await?;
        }
        let mut warnings = Vec::new();
        for setting in ["fsync", "full_page_writes"] {
            let row = client.query_one("SELECT current_setting($1)", &[&setting]).await.map_err(failed)?;
            if row.try_get::<_, &str>(0).map_err(failed)? != "on" {
                warnings
                    .push(format!("the database's {setting} is off: a power cut may lose what was answered"));
            }
        }
        Ok(warnings)
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<(Session, Carrier), OpenError> {
        let silent = |_| Err(self.silent());
        timeout(PATIENCE, Box::pin(self.connect_and_set_up())).await.unwrap_or_else(silent)
    }

    async fn connect_and_set_up(&self) -> Result<(Session, Carrier), OpenError> {
        let failed = |error| OpenError::schema(&self.settings, &error);
        // Read before the database's: it may grow meanwhile.
        let acknowledged = self.known.position();
        let (client, carrier) = self.dial().await?;
        let setup = format!("SET search_path = {};{SETUP}", self.settings.quoted_schema());
        client.batch_execute(&setup).await.map_err(failed)?;
        let statements = Statements::prepare(&client).await.map_err(failed)?;
        let head = client.query_one("SELECT store, position FROM head", &[]).await.map_err(failed)?;
        self.expect(acknowledged, head.try_get(0).map_err(failed)?, head.try_get(1).map_err(failed)?)?;
        Ok((Session::new(client, statements), carrier))
    }

    /// Refuses another database, and one that lacks what this process has acknowledged: a standby that was promoted before
    /// it had everything, or a backup.
    fn expect(&self, acknowledged: u64, store: &[u8], position: i64) -> Result<(), OpenError> {
        let other = |why: String| OpenError::Other { place: self.settings.place(), why };
        let store: [u8; 16] = store.try_into().map_err(|_| other("its id is damaged".to_owned()))?;
        if *self.known.store.get_or_init(|| store) != store {
            return Err(other("it is the store of another installation than before".to_owned()));
        }
        let position = u64::try_from(position).unwrap_or_default();
        if position < acknowledged {
            return Err(other(format!(
                "it ends at position {position}, but everything up to {acknowledged} was acknowledged: \
                 {} events are lost",
                acknowledged.saturating_sub(position)
            )));
        }
        self.known.acknowledge(position);
        Ok(())
    }

    async fn dial(&self) -> Result<(Client, Carrier), OpenError> {
        let dialed =
            timeout(PATIENCE, Box::pin(self.server.connect(NoTls))).await.map_err(|_| self.silent())?;
        let (client, connection) = dialed.map_err(|error| OpenError::unreachable(&self.settings, &error))?;
        let carry = async { connection.await.err().map(|error| failure::text(&error)) };
        Ok((client, Carrier(tokio::spawn(carry))))
    }

    fn silent(&self) -> OpenError {
        let why = format!("no answer within {} s", PATIENCE.as_secs());
        OpenError::Unreachable { place: self.settings.place(), why }
    }
}

impl Known {
    /// The store's id; `None` before the first connection.
    pub(super) fn store(&self) -> Option<[u8; 16]> {
        self.store.get().copied()
    }

    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Takes in that everything up to `position` is durable.
    pub(super) fn acknowledge(&self, position: u64) {
        self.position.fetch_max(position, Ordering::AcqRel);
    }
}

impl Carrier {
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
