//! Makes connections: each is set up, finds the database that it expects, and has all statements prepared.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_postgres::Client;

use super::open_error::OpenError;
use super::schema;
use super::servers::{Carrier, Server, Servers};
use super::session::{Session, Statements};
use super::settings::PostgresSettings;

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
    servers: Servers,
    known: Known,
}

/// What is known of the database, and must be so on each connection.
#[derive(Default)]
pub(super) struct Known {
    store: OnceLock<[u8; 16]>,
    /// The highest position that was read from `head` or acknowledged.
    position: AtomicU64,
}

impl Connector {
    pub(super) fn new(settings: PostgresSettings) -> Self {
        Self { servers: Servers::of(&settings), settings, known: Known::default() }
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

    /// A new connection, to the first server that can be used.
    pub(super) async fn connect(&self) -> Result<(Session, Carrier), OpenError> {
        self.servers.first(|server| Box::pin(self.connect_to(server))).await
    }

    async fn connect_to(&self, server: &Server) -> Result<(Session, Carrier), OpenError> {
        let failed = |error| OpenError::schema(&self.settings, &error);
        // Read before the database's: it may grow meanwhile.
        let acknowledged = self.known.position();
        let (client, carrier) = server.dial().await?;
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
        self.servers.first(|server| Box::pin(server.dial())).await
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
