//! Finds out, also while nobody asks for anything, whether changes are made: one that the database holds up, since it waits
//! for a standby, or one that was under way when the database failed, may have taken somebody's answer with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::connect::Connector;
use super::group::column;
use super::link::Links;
use super::numbers::number;
use super::statements::Query;

/// How often. An outage that is shorter than that and the time-out of a lock together is shorter than every retry window
/// of a client but the smallest.
const EVERY: Duration = Duration::from_secs(2);

/// Changes nothing every two seconds, for ever. The position that this returns is known from then on.
pub(super) async fn keep(links: Arc<Links>, connector: Arc<Connector>) {
    loop {
        sleep(EVERY).await;
        let Ok(session) = links.session() else {
            connector.known().note_outage();
            continue;
        };
        // A failure is counted where it happens.
        if let Ok(row) = session.ask_one(Query::Pulse, &[]).await
            && let Ok(position) = column(&row, 0).and_then(number)
        {
            connector.known().acknowledge(position);
        }
    }
}
