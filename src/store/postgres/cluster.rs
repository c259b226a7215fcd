//! The nodes on one database: `schema/1_nodes.sql`, `schema/2.sql`. They have a connection of their own, so that a heartbeat does not wait
//! behind requests, and its time tells how far the clocks are apart.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::super::cluster::{
    Answered, ClockDifference, Cluster, ExpectedClock, Heartbeat, Lease, NodeDescription, NodeId, NodeState,
    Standing,
};
use super::super::{StoreError, StoreFuture};
use super::connect::Connector;
use super::group::column;
use super::link::Links;
use super::numbers::{bigint, number};
use super::session::Session;
use crate::clock::Timestamp;

/// The nodes on one database.
pub(super) struct PostgresCluster {
    connector: Arc<Connector>,
    links: Links,
    texts: Texts,
}

/// The statements, for one schema.
struct Texts {
    beat: String,
    leave: String,
    now: String,
    nodes: String,
    leases: String,
}

const BEAT: &str = "SELECT heirloom.beat_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const LEAVE: &str = "SELECT heirloom.leave_2($1)";
/// What the clock shows, and where the log ends.
const NOW: &str =
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, position FROM heirloom.head";
const NODES: &str = "SELECT id, name, version, sections, digests, answers,
    (extract(epoch FROM started) * 1000)::bigint, (extract(epoch FROM seen) * 1000)::bigint,
    position, clock_ahead, clock_error, (extract(epoch FROM answered_since) * 1000)::bigint,
    (extract(epoch FROM answered_until) * 1000)::bigint, has_left
    FROM heirloom.node WHERE seen >= clock_timestamp() - interval '1 day' ORDER BY started, id";
const LEASES: &str =
    "SELECT name, holder FROM heirloom.lease WHERE held_until > clock_timestamp() ORDER BY name";

impl PostgresCluster {
    pub(super) fn new(connector: &Arc<Connector>, links: Links) -> Self {
        let [beat, leave, now, nodes, leases] =
            [BEAT, LEAVE, NOW, NODES, LEASES].map(|text| connector.settings().in_schema(text));
        Self { connector: Arc::clone(connector), links, texts: Texts { beat, leave, now, nodes, leases } }
    }

    async fn beat_and_look(&self, heartbeat: Heartbeat) -> Result<Standing, StoreError> {
        let Heartbeat { node, answers, uptime, answered, position, clock, leases, held_for } = heartbeat;
        let (sections, digests): (Vec<&str>, Vec<&[u8]>) =
            node.configuration.iter().map(|(section, digest)| (section.as_str(), digest.as_slice())).unzip();
        let wanted: Vec<&str> = leases.into_iter().map(Lease::as_str).collect();
        let (uptime, answered, position) = (millis(uptime), answered.map(millis), bigint(position));
        let (ahead, error, held_for) = (clock.ahead, bigint(clock.error), millis(held_for));
        let id = node.id.as_bytes().as_slice();
        let parameters: [(&(dyn ToSql + Sync), Type); 13] = [
            (&id, Type::BYTEA),
            (&node.name, Type::TEXT),
            (&node.version, Type::TEXT),
            (&sections, Type::TEXT_ARRAY),
            (&digests, Type::BYTEA_ARRAY),
            (&answers, Type::BOOL),
            (&uptime, Type::INT8),
            (&answered, Type::INT8),
            (&position, Type::INT8),
            (&ahead, Type::INT8),
            (&error, Type::INT8),
            (&wanted, Type::TEXT_ARRAY),
            (&held_for, Type::INT8),
        ];
        let session = self.links.session()?;
        // One connection carries them out one after another.
        let (_, standing) = tokio::try_join!(
            session.ask_other(&self.texts.beat, &parameters),
            self.look_by(Arc::clone(&session))
        )?;
        Ok(standing)
    }

    async fn look_by(&self, session: Arc<Session>) -> Result<Standing, StoreError> {
        let (now, nodes, leases) = tokio::try_join!(
            session.ask_other(&self.texts.now, &[]),
            session.ask_other(&self.texts.nodes, &[]),
            session.ask_other(&self.texts.leases, &[]),
        )?;
        let now = now.first().ok_or_else(|| StoreError::Corrupt("the log has no head".to_owned()))?;
        let position = number(column(now, 1)?)?;
        let mut standing = Standing { now: time(now, 0)?, position, ..Standing::default() };
        for row in &nodes {
            if column(row, 13)? {
                standing.left.extend(answered(row)?);
            } else {
                standing.nodes.push(state(row)?);
            }
        }
        for row in &leases {
            // A later version may have others.
            if let Some(lease) = Lease::named(column(row, 0)?) {
                standing.leases.push((lease, node_id(row, 1)?));
            }
        }
        Ok(standing)
    }
}

impl Cluster for PostgresCluster {
    fn beat(&self, heartbeat: Heartbeat) -> StoreFuture<'_, Standing> {
        Box::pin(self.beat_and_look(heartbeat))
    }

    fn look(&self) -> StoreFuture<'_, Standing> {
        Box::pin(async { self.look_by(self.links.session()?).await })
    }

    fn expect(&self, clock: Arc<dyn ExpectedClock>) {
        self.connector.known().expect(clock);
    }

    fn leave(&self, node: NodeId) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let id = node.as_bytes().as_slice();
            self.links.session()?.ask_other(&self.texts.leave, &[(&id, Type::BYTEA)]).await.map(drop)
        })
    }
}

fn state(row: &Row) -> Result<NodeState, StoreError> {
    let (sections, digests): (Vec<String>, Vec<Vec<u8>>) = (column(row, 3)?, column(row, 4)?);
    Ok(NodeState {
        node: NodeDescription {
            id: node_id(row, 0)?,
            name: column(row, 1)?,
            version: column(row, 2)?,
            configuration: sections.into_iter().zip(digests).collect(),
        },
        answers: column(row, 5)?,
        started: time(row, 6)?,
        seen: time(row, 7)?,
        answered: answered(row)?,
        position: number(column(row, 8)?)?,
        clock: ClockDifference { ahead: column(row, 9)?, error: number(column(row, 10)?)? },
    })
}

fn answered(row: &Row) -> Result<Option<Answered>, StoreError> {
    match column::<Option<i64>>(row, 12)? {
        Some(_) => Ok(Some(Answered { since: time(row, 11)?, until: time(row, 12)? })),
        None => Ok(None),
    }
}

fn node_id(row: &Row, at: usize) -> Result<NodeId, StoreError> {
    let id: &[u8] = column(row, at)?;
    let id = <[u8; 16]>::try_from(id).map_err(|_| StoreError::Corrupt("the id of a node".to_owned()))?;
    Ok(NodeId::from(id))
}

fn time(row: &Row, at: usize) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(number(column(row, at)?)?))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
