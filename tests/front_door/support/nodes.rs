//! Several servers on one database, as nodes of one installation.

use std::sync::Arc;

use super::{Elsewhere, Server, Setup};
use tokio_postgres::SimpleQueryMessage;

use heirloom::clock::{Clock, ManualClock};

impl Setup {
    /// Gives it a clock of its own, which shows so many milliseconds more.
    pub(crate) fn clock_ahead(&mut self, millis: u64) {
        let ahead = self.clock.now().after(std::time::Duration::from_millis(millis));
        self.clock = Arc::new(ManualClock::at(ahead));
    }
}

impl Server {
    /// Starts another node on the same database, keys and clock.
    pub(crate) async fn another(&self, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::on(Arc::clone(&self.folder), Arc::clone(&self.clock));
        setup.config = self.config.clone();
        setup.elsewhere.clone_from(&self.elsewhere);
        change(&mut setup);
        setup.start().await
    }

    /// Has the database run a statement, in the schema of this installation. Returns the first column.
    pub(crate) async fn sql(&self, statement: &str) -> Vec<String> {
        let Some(Elsewhere::Postgres(settings)) = &self.elsewhere else { panic!("not in PostgreSQL") };
        let (client, connection) = settings.server.connect(tokio_postgres::NoTls).await.unwrap();
        let carrier = tokio::spawn(connection);
        let schema = format!("SET search_path = \"{}\"", settings.schema);
        client.batch_execute(&schema).await.unwrap();
        let answer = client.simple_query(statement).await.unwrap();
        carrier.abort();
        let first = |message: &SimpleQueryMessage| {
            if let SimpleQueryMessage::Row(row) = message { row.get(0).map(str::to_owned) } else { None }
        };
        answer.iter().filter_map(first).collect()
    }
}
