//! `GET /admin/nodes`: the processes that answer requests on this store.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};

use super::administrator::Admin;
use crate::app::nodes::{ListedNode, Nodes};
use crate::http::bearer::ApiScope;
use crate::http::problem::ApiError;
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::store::cluster::Lease;

/// The nodes.
pub(in crate::http) struct NodesApi;

/// All nodes that were seen within a day, in the order in which they started. The embedded store has one.
#[derive(Object)]
#[oai(example)]
struct NodeList {
    /// The nodes.
    nodes: Vec<Node>,
}

/// Whether a node lives.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "snake_case")]
enum NodeLiveness {
    /// It has said so within 15 seconds.
    Live,
    /// It has not: it was killed, or does not reach the database.
    Silent,
}

/// A process of heirloom.
#[derive(Object)]
struct Node {
    /// Its id: another one at each start.
    id: String,
    /// What the operator calls it: `name` in `[server]`, or the machine's name.
    name: String,
    /// The version of heirloom.
    version: String,
    /// Whether it is the node that answers this.
    current: bool,
    /// Whether it lives.
    state: NodeLiveness,
    /// Whether it answers requests. It does not while it starts, nor while its clock differs too much from the others'.
    answers: bool,
    /// When it started (RFC 3339), by the database's clock.
    started_at: String,
    /// When it said last that it lives (RFC 3339), by the database's clock.
    seen_at: String,
    /// The last position of the log that it knew of then.
    position: u64,
    /// How many positions other nodes have given since.
    behind: u64,
    /// By how many milliseconds its clock is ahead of the database's; left out with the embedded store.
    #[oai(skip_serializing_if_is_none)]
    clock_ahead_milliseconds: Option<i64>,
    /// By how many milliseconds that may be wrong, since asking takes time; left out with the embedded store.
    #[oai(skip_serializing_if_is_none)]
    clock_error_milliseconds: Option<u64>,
    /// In what it differs from the node that answers this: `version`, or sections of the configuration.
    differs: Vec<String>,
    /// What it does for all: `sweeper`, `logout_deliveries`, `indexes`.
    leases: Vec<String>,
}

impl Example for NodeList {
    fn example() -> Self {
        let node = Node {
            id: "4f1d1e4dd1f04c1d9be3a5b0c7a6f2aa".to_owned(),
            name: "auth-1".to_owned(),
            version: "0.1.0".to_owned(),
            current: true,
            state: NodeLiveness::Live,
            answers: true,
            started_at: "2026-01-31T12:00:00.000Z".to_owned(),
            seen_at: "2026-01-31T15:30:04.000Z".to_owned(),
            position: 4711,
            behind: 0,
            clock_ahead_milliseconds: Some(-2),
            clock_error_milliseconds: Some(1),
            differs: Vec::new(),
            leases: vec!["sweeper".to_owned()],
        };
        Self { nodes: vec![node] }
    }
}

impl From<ListedNode> for Node {
    fn from(node: ListedNode) -> Self {
        Self {
            id: node.id.to_string(),
            name: node.name,
            version: node.version,
            current: node.is_this,
            state: if node.is_live { NodeLiveness::Live } else { NodeLiveness::Silent },
            answers: node.answers,
            started_at: node.started.to_string(),
            seen_at: node.seen.to_string(),
            position: node.position,
            behind: node.behind,
            clock_ahead_milliseconds: node.clock.map(|clock| clock.ahead),
            clock_error_milliseconds: node.clock.map(|clock| clock.error),
            differs: node.differs,
            leases: node.leases.into_iter().map(Lease::as_str).map(str::to_owned).collect(),
        }
    }
}

#[derive(ApiResponse)]
enum NodesAnswer {
    /// The nodes.
    #[oai(status = 200)]
    Ok(Json<NodeList>),
}

#[OpenApi]
impl NodesApi {
    /// List the nodes
    ///
    /// The processes that answer requests on this store: which version each has, whether its configuration differs, how
    /// its clock is, and what it does for all.
    #[oai(path = "/admin/nodes", method = "get", tag = "Tag::Admin", operation_id = "adminListNodes")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Admin")] _admin: Admin,
        nodes: Service<'_, Nodes>,
    ) -> Result<NodesAnswer, ApiError> {
        let listed = nodes.list().await.map_err(|error| ApiError::token(&error.into()))?;
        Ok(NodesAnswer::Ok(Json(NodeList { nodes: listed.into_iter().map(Node::from).collect() })))
    }
}
