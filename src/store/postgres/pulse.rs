//! Finds out, also while nobody asks for anything, whether there are connections and whether changes are made: one that the
//! database holds up, since it waits for a standby, or one that was under way when the database failed, may have taken
//! somebody's answer with it. And whether a newer program has changed the tables meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::connect::Connector;
use super::group::column;
use super::link::Links;
use super::numbers::number;
use super::schema;
use super::session::Session;
use super::statements::Query;

/// How often. An outage that is shorter than that and the time-out of a lock together is shorter than every retry window
/// of a client but the smallest.
const EVERY: Duration = Duration::from_secs(2);

/// Changes nothing every two seconds, for ever. The position that this returns is known from then on.
pub(super) async fn keep(links: Arc<Links>, readers: Arc<Links>, connector: Arc<Connector>) {
    let newest = connector.settings().in_schema(schema::NEWEST);
    loop {
        sleep(EVERY).await;
        let (Ok(session), Ok(_)) = (links.session(), readers.session()) else {
            connector.known().note_outage();
            continue;
        };
        if is_for_newer(&session, &newest).await {
            // Every connection is given up at its next statement, and the next attempt to connect says why.
            connector.known().note_newer(true);
        }
        // A failure is counted where it happens.
        if let Ok(row) = session.ask_one(Query::Pulse, &[]).await
            && let Ok(position) = column(&row, 0).and_then(number)
        {
            connector.known().acknowledge(position);
        }
    }
}

/// Whether the tables are for newer programs than this one. A failure is no answer.
async fn is_for_newer(session: &Session, newest: &str) -> bool {
    let Ok(rows) = session.ask_other(newest, &[]).await else { return false };
    rows.first().is_some_and(|row| column(row, 1).is_ok_and(|oldest_program| !schema::is_for(oldest_program)))
}
