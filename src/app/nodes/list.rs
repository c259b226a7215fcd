//! The nodes, for administrators and for monitoring.

use super::Nodes;
use crate::app::metrics::page::{head, sample};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::cluster::{ClockDifference, Lease, NodeId, NodeState, Standing};

/// A node, for administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedNode {
    /// Its id.
    pub id: NodeId,
    /// What the operator calls it.
    pub name: String,
    /// The version of heirloom.
    pub version: String,
    /// Whether it is the one that answers this.
    pub is_this: bool,
    /// Whether it has said lately that it lives.
    pub is_live: bool,
    /// Whether it answers requests: it has begun, and its clock agrees with the others'.
    pub answers: bool,
    /// When it started.
    pub started: Timestamp,
    /// When it said last that it lives.
    pub seen: Timestamp,
    /// The last position that it knew of then.
    pub position: u64,
    /// How many positions were given since by other nodes.
    pub behind: u64,
    /// How its clock differs from the store's; `None` if they are the same clock.
    pub clock: Option<ClockDifference>,
    /// In what it differs from the node that answers this.
    pub differs: Vec<String>,
    /// The leases that it holds.
    pub leases: Vec<Lease>,
}

impl Nodes {
    /// All nodes that were seen within a day, in the order in which they started.
    ///
    /// # Errors
    /// [`StoreError`] if the store can't tell.
    pub async fn list(&self) -> Result<Vec<ListedNode>, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(vec![self.only_node()]) };
        let standing = cluster.look().await?;
        Ok(standing.nodes.iter().map(|node| self.listed(node, &standing)).collect())
    }

    fn listed(&self, state: &NodeState, standing: &Standing) -> ListedNode {
        let node = &state.node;
        let is_live = standing.now.since(state.seen) < super::SILENT_AFTER;
        ListedNode {
            id: node.id,
            name: node.name.clone(),
            version: node.version.clone(),
            is_this: node.id == self.me.id,
            is_live,
            answers: is_live && state.answers,
            started: state.started,
            seen: state.seen,
            position: state.position,
            behind: standing.position.saturating_sub(state.position),
            clock: Some(state.clock),
            differs: self.differs(node),
            leases: standing
                .leases
                .iter()
                .filter(|(_, holder)| *holder == node.id)
                .map(|(lease, _)| *lease)
                .collect(),
        }
    }

    /// The one node on an embedded store.
    fn only_node(&self) -> ListedNode {
        let now = self.clock.now();
        ListedNode {
            id: self.me.id,
            name: self.me.name.clone(),
            version: self.me.version.clone(),
            is_this: true,
            is_live: true,
            answers: true,
            started: now.before(self.clock.monotonic().saturating_sub(self.started)),
            seen: now,
            position: self.store.stats().position,
            behind: 0,
            clock: None,
            differs: Vec::new(),
            leases: Lease::ALL.to_vec(),
        }
    }
}

/// What the last heartbeat has shown; nothing where there is one node.
pub(in crate::app) fn write_metrics(page: &mut String, nodes: &Nodes) {
    if !nodes.are_several() {
        return;
    }
    let (standing, differs) = {
        let state = nodes.state();
        (state.standing.clone(), !state.told.differences.is_empty())
    };
    let listed: Vec<ListedNode> = standing.nodes.iter().map(|node| nodes.listed(node, &standing)).collect();
    let live = listed.iter().filter(|node| node.is_live).count();
    head(
        page,
        "heirloom_nodes",
        "gauge",
        "Nodes on this store: live, and silent ones that were seen within a day.",
    );
    sample(page, "heirloom_nodes", r#"{state="live"}"#, live);
    sample(page, "heirloom_nodes", r#"{state="silent"}"#, listed.len().saturating_sub(live));
    head(page, "heirloom_node_lease", "gauge", "1 for the leases that this node holds.");
    for lease in Lease::ALL {
        let holds = u8::from(nodes.holds(lease));
        sample(page, "heirloom_node_lease", &format!(r#"{{lease="{}"}}"#, lease.as_str()), holds);
    }
    let behind = listed.iter().find(|node| node.is_this).map_or(0, |node| node.behind);
    let ahead = nodes.node_clock.difference().unwrap_or_default().ahead;
    let in_step = i64::from(nodes.node_clock.check().is_ok());
    for (name, help, value) in [
        (
            "node_behind_positions",
            "Positions that other nodes had given, and this one did not know of, at its last heartbeat.",
            i64::try_from(behind).unwrap_or(i64::MAX),
        ),
        ("node_clock_ahead_milliseconds", "How far this node's clock is ahead of the database's.", ahead),
        (
            "node_clock_in_step",
            "0 while this node answers 503 since its clock differs from the others'.",
            in_step,
        ),
        (
            "node_differs",
            "1 while another live node has another version or configuration.",
            i64::from(differs),
        ),
    ] {
        let name = format!("heirloom_{name}");
        head(page, &name, "gauge", help);
        sample(page, &name, "", value);
    }
}
