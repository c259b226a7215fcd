//! Makes connections: each finds the database that it expects. Nothing is set that a statement relies on, since a pooler
//! would not keep it.

use std::sync::Arc;

use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::RecordKey;
use super::checksum::{Owner, sealed};
use super::known::{Found, Known, Refusal};
use super::open_error::OpenError;
use super::schema;
use super::servers::{Carrier, Dialed, PATIENCE, Servers};
use super::session::{Server, Session};
use super::settings::PostgresSettings;
use super::statements::{ANSWERING, Statements};

/// Makes connections to one database.
pub(super) struct Connector {
    settings: PostgresSettings,
    servers: Servers,
    statements: Arc<Statements>,
    known: Arc<Known>,
}

impl Connector {
    pub(super) fn new(settings: PostgresSettings) -> Self {
        let statements = Arc::new(Statements::of(&settings));
        Self { servers: Servers::of(&settings), settings, statements, known: Arc::default() }
    }

    pub(super) const fn settings(&self) -> &PostgresSettings {
        &self.settings
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Makes the tables, or brings them to this version, unless that is forbidden: then they must be there.
    pub(super) async fn prepare_schema(&self) -> Result<(), OpenError> {
        let (mut client, _carrier) = self.dial().await?;
        if self.settings.migrate {
            schema::prepare(&mut client, &self.settings, None).await?;
            return Ok(());
        }
        let found = schema::look(&client, &self.settings).await?;
        found.refuse_newer(&self.settings)?;
        found.refuse_older(&self.settings)
    }

    /// Whether there is a store that has been used.
    pub(super) async fn has_store(&self) -> Result<bool, OpenError> {
        let (client, _carrier) = self.dial().await?;
        schema::has_events(&client, &self.settings).await
    }

    /// Takes the data as they are, whatever is missing. A record says so until every session has been ended.
    pub(super) async fn accept_restored(&self) -> Result<(), OpenError> {
        let Dialed { client, carrier: _carrier, system, timeline, .. } = self.servers.newest().await?;
        let failed = |error| OpenError::schema(&self.settings, &error);
        let others = self.settings.in_schema(ANSWERING);
        let others = client.query_typed_one(&others, &[]).await.map_err(failed)?;
        if let Some(names) = others.try_get::<_, Option<String>>(0).map_err(failed)? {
            let why = format!(
                "other nodes answer requests on it ({names}): stop all of them, start one with --restored, and the others \
                 without it when it answers; nothing was changed"
            );
            return Err(OpenError::Other { place: self.settings.place(), why });
        }
        let key = RecordKey::restored();
        let content = sealed(Owner::Record(&key), &[]);
        let accept = self.settings.in_schema("SELECT heirloom.accept_1($1, $2, $3, $4)");
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&system, Type::INT8),
            (&timeline, Type::INT8),
            (&key.as_bytes(), Type::BYTEA),
            (&content, Type::BYTEA),
        ];
        client.query_typed(&accept, &parameters).await.map_err(failed)?;
        Ok(())
    }

    /// A new connection to the server that took over last.
    pub(super) async fn connect(&self) -> Result<(Session, Carrier), OpenError> {
        // Read before the database's: it may grow meanwhile.
        let acknowledged = self.known.position();
        let mut last = None;
        for dialed in self.servers.dial().await? {
            let set_up = timeout(PATIENCE, Box::pin(self.set_up(dialed, acknowledged))).await;
            match set_up.unwrap_or_else(|_| Err(Failed::Open(self.waiting()))) {
                Ok(connection) => return Ok(connection),
                Err(Failed::Open(error)) => return Err(error),
                // One of the others may have this store. Nothing else makes another one good: where the server that took
                // over last lacks something, an earlier one must not go on beside it.
                Err(Failed::AnotherStore(error)) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| self.waiting()))
    }

    async fn set_up(&self, dialed: Dialed, acknowledged: u64) -> Result<(Session, Carrier), Failed> {
        let failed = |error| Failed::Open(OpenError::schema(&self.settings, &error));
        let other = |why| OpenError::Other { place: self.settings.place(), why };
        let Dialed { client, canceller, carrier, system, timeline } = dialed;
        // Before anything else: what follows may not be there any more.
        let looked = schema::look_again(&client, &self.settings).await;
        let refused = looked.and_then(|found| found.refuse_newer(&self.settings));
        self.known.note_newer(matches!(refused, Err(OpenError::Newer { .. })));
        refused.map_err(Failed::Open)?;
        let arrive = "SELECT store, last, marks, began, accepted, current_setting('transaction_isolation')
                      FROM heirloom.arrive_1($1, $2)";
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&system, Type::INT8), (&timeline, Type::INT8)];
        let arrived = client.query_typed_one(&self.settings.in_schema(arrive), &parameters).await;
        let row = arrived.map_err(failed)?;
        let isolation: &str = row.try_get(5).map_err(failed)?;
        if isolation != "read committed" {
            return Err(Failed::Open(OpenError::isolation(&self.settings, isolation)));
        }
        let found = Found::of(&row).map_err(|error| Failed::Open(other(error.to_string())))?;
        let term = self.known.take_in(found, acknowledged).map_err(|refusal| match refusal {
            Refusal::AnotherStore => {
                Failed::AnotherStore(other("it is the store of another installation than before".to_owned()))
            }
            Refusal::Lacking(why) => Failed::Open(other(why)),
        })?;
        let server = Server { known: Arc::clone(&self.known), term, timeline };
        Ok((Session::new((client, canceller), Arc::clone(&self.statements), server), carrier))
    }

    fn waiting(&self) -> OpenError {
        let seconds = PATIENCE.as_secs();
        let why =
            format!("it completes no change within {seconds} s: does it wait for a standby that is away?");
        OpenError::Unreachable { place: self.settings.place(), why }
    }

    /// A new connection that is not set up.
    pub(super) async fn dial(&self) -> Result<(Client, Carrier), OpenError> {
        let Dialed { client, carrier, .. } = self.dial_server().await?;
        Ok((client, carrier))
    }

    /// As [`dial`](Self::dial), with what is known of the server.
    pub(super) async fn dial_server(&self) -> Result<Dialed, OpenError> {
        self.servers.newest().await
    }
}

/// Why a server is not used.
enum Failed {
    AnotherStore(OpenError),
    Open(OpenError),
}
