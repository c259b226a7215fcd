//! One connection, and what it does when there is no answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::super::StoreError;
use super::failure::{is_useless, store_error};
use super::known::Known;
use super::numbers::bigint;
use super::servers::Canceller;
use super::statements::{Query, Statements};

/// How long an answer may take: longer than the database lets a change wait for a lock.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often what was sent on a connection is cancelled: statements that were sent together wait one after another.
const CANCELS: usize = 24;
/// How long a connection may take to show that it waits for nothing, and how long a request to cancel may take.
const CANCELLED: Duration = Duration::from_millis(100);
const CANCELLING: Duration = Duration::from_secs(1);
/// How long all of that may take.
const GIVING_UP: Duration = Duration::from_secs(3);

/// A connection. Statements that are asked at the same time are sent without waiting for each other's answers.
pub(super) struct Session {
    client: Client,
    canceller: Canceller,
    statements: Arc<Statements>,
    useless: Notify,
    server: Server,
}

/// The server to which a connection led when it was made. A pooler may change that.
pub(super) struct Server {
    pub(super) known: Arc<Known>,
    /// The number of terms.
    pub(super) term: usize,
    pub(super) timeline: Option<i64>,
}

impl Session {
    pub(super) fn new(
        (client, canceller): (Client, Canceller),
        statements: Arc<Statements>,
        server: Server,
    ) -> Self {
        Self { client, canceller, statements, useless: Notify::new(), server }
    }

    pub(super) fn known(&self) -> &Known {
        &self.server.known
    }

    /// Sends a statement and waits for its rows. If it changes something, every error leaves the outcome unknown. It is
    /// not prepared: a pooler would lose it.
    pub(super) async fn ask(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let answer = self.ask_for_rows(query, parameters).await;
        if answer.is_err() && query.is_for_refreshes() {
            self.server.known.note_outage();
        }
        answer
    }

    async fn ask_for_rows(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let Server { known, timeline, .. } = &self.server;
        let (store, acknowledged) = (known.store(), bigint(known.position()));
        let store = store.as_ref().map(<[u8; 16]>::as_slice);
        let head: [&(dyn ToSql + Sync); 3] = [&store, &acknowledged, timeline];
        let parameters = parameters.iter().copied().chain(head).zip(query.types());
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters.collect();
        self.answer(self.client.query_typed(self.statements.text(query), &parameters)).await
    }

    /// Sends a statement that is none of a store's, and waits for its rows.
    pub(super) async fn ask_other(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        self.answer(self.client.query_typed(sql, parameters)).await
    }

    async fn answer(
        &self,
        rows: impl Future<Output = Result<Vec<Row>, Error>>,
    ) -> Result<Vec<Row>, StoreError> {
        match timeout(PATIENCE, rows).await {
            Ok(Ok(rows)) => match self.outdated() {
                None => Ok(rows),
                Some(why) => {
                    self.useless.notify_one();
                    Err(StoreError::Unavailable(why.to_owned()))
                }
            },
            Ok(Err(error)) => {
                if is_useless(&error) {
                    self.useless.notify_one();
                }
                Err(store_error(&error))
            }
            Err(_) => {
                self.useless.notify_one();
                let text = format!("PostgreSQL gave no answer within {} s", PATIENCE.as_secs());
                Err(StoreError::Unavailable(text))
            }
        }
    }

    /// As [`ask`](Self::ask), of a statement that answers one row.
    pub(super) async fn ask_one(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, StoreError> {
        let row = self.ask(query, parameters).await?.pop();
        row.ok_or_else(|| StoreError::Unavailable("PostgreSQL answered no row".to_owned()))
    }

    /// Why the connection is of no more use, if another one has found that out.
    fn outdated(&self) -> Option<&'static str> {
        let Server { known, term, .. } = &self.server;
        if known.is_newer() {
            return Some("the tables were changed by a newer heirloom");
        }
        (*term < known.terms()).then_some("the connection leads to a server from before a fail-over")
    }

    /// Waits until the connection is of no more use.
    pub(super) async fn useless(&self) {
        self.useless.notified().await;
    }

    /// Ends what was sent and is still without an answer. A statement that waits for a lock would not notice that we have
    /// gone, and the next connection's statements would wait beside it until the server has no connection left.
    pub(super) async fn cancel(&self) {
        let cancelled = timeout(GIVING_UP, async {
            for _ in 0..CANCELS {
                // It comes after all that was sent before.
                if timeout(CANCELLED, self.client.simple_query("")).await.is_ok() {
                    return;
                }
                // If the server is away, there is nothing more to do.
                let _ = timeout(CANCELLING, self.canceller.cancel()).await;
            }
        });
        let _ = cancelled.await;
    }
}
