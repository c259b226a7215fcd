//! What the nodes have said of when requests were answered, for a node that begins.
//!
//! Another node that has said so just now answers all the time, so there was no outage: without this, each start of a node
//! would open every retry window again, also for a token that was stolen. If nobody has, the outage began when somebody
//! said so last. Where nothing is known, such as after a crash of the database, every retry window begins at the start.

use std::time::Duration;

use crate::app::uptime::UNNOTICED;
use crate::session::Availability;
use crate::store::cluster::{Answered, Standing};

/// What was said so long ago holds now: a heartbeat, and the time that it takes.
const FRESH: Duration = Duration::from_secs(7);

/// How requests were answered until `since_read` after the nodes were read.
pub(super) fn availability(standing: &Standing, since_read: Duration) -> Availability {
    let now = standing.now.after(since_read);
    let said = standing.nodes.iter().filter_map(|node| node.answered).chain(standing.left.iter().copied());
    // What was said later than now was said before the store's clock was set back.
    let said: Vec<Answered> = said.filter(|answered| answered.until <= now).collect();
    let is_fresh = |answered: &&Answered| now.since(answered.until) < FRESH;
    if let Some(up) = said.iter().filter(is_fresh).map(Answered::time).min() {
        return Availability::of(up);
    }
    let last = said.iter().map(|answered| answered.until).max().unwrap_or_default();
    let is_last = |answered: &&Answered| last.since(answered.until) < super::SILENT_AFTER;
    said.iter().filter(is_last).max_by_key(|answered| answered.time()).map_or_else(
        Availability::default,
        |answered| Availability {
            up: Duration::ZERO,
            outage: now.since(answered.until).saturating_add(UNNOTICED),
            up_before: answered.time().saturating_sub(UNNOTICED),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const NOW: u64 = 1_000_000;

    /// What nodes that have left said: from and until how many seconds ago they answered.
    fn after(said: &[(u64, u64)]) -> Availability {
        let at = |ago| Timestamp::from_seconds(NOW - ago);
        let left =
            said.iter().map(|(since, until)| Answered { since: at(*since), until: at(*until) }).collect();
        availability(&Standing { now: at(2), left, ..Standing::default() }, Duration::from_secs(2))
    }

    fn outage(outage: u64, up_before: u64) -> Availability {
        let [outage, up_before] = [outage, up_before].map(|seconds| Duration::from_secs(seconds) + UNNOTICED);
        Availability { up: Duration::ZERO, outage, up_before: up_before.saturating_sub(UNNOTICED * 2) }
    }

    #[test]
    fn there_was_no_outage_while_another_node_answers() {
        assert_eq!(after(&[(5000, 6)]), Availability::of(Duration::from_secs(4994)));
        // Of several, the one that had an outage last.
        assert_eq!(after(&[(5000, 1), (100, 3), (9000, 600)]), Availability::of(Duration::from_secs(97)));
    }

    #[test]
    fn an_outage_began_when_a_node_said_last_that_it_answers() {
        assert_eq!(after(&[(5000, 60)]), outage(60, 4940));
        assert_eq!(after(&[(5000, 60), (100_000, 600)]), outage(60, 4940));
        // One of those that stopped at the same time had begun just before.
        assert_eq!(after(&[(61, 58), (5000, 60)]), outage(60, 4940));
        // It may have been without the store for a while: that it answered is known only later.
        assert_eq!(after(&[(70, 60)]), Availability { up_before: Duration::ZERO, ..outage(60, 0) });
    }

    #[test]
    fn what_is_not_known_is_an_outage() {
        assert_eq!(after(&[]), Availability::default());
        let now = Timestamp::from_seconds(NOW);
        let said = Answered { since: now, until: now.after(Duration::from_mins(1)) };
        let set_back = Standing { now, left: vec![said], ..Standing::default() };
        assert_eq!(availability(&set_back, Duration::ZERO), Availability::default());
    }
}
