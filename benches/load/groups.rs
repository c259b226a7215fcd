//! The counters of heirloom's store, from the metrics listener.

use std::net::SocketAddr;

use anyhow::Context as _;
use serde_json::json;

use super::connection::Connection;

/// What the store has done since the server's start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Groups {
    /// The number of groups that were written and synced.
    pub(crate) written: u64,
    /// The number of changes in all groups.
    pub(crate) changes: u64,
    /// The number of changes in the largest group.
    pub(crate) largest: u64,
    /// The time of the slowest group, in microseconds.
    pub(crate) longest: u64,
    /// The time of the longest read, in microseconds. No group can begin during a read.
    pub(crate) longest_read: u64,
}

impl Groups {
    /// Reads the counters as they are now.
    pub(crate) async fn read(address: SocketAddr) -> anyhow::Result<Self> {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let mut connection = Connection::open(address).await?;
        let answer = connection.exchange(request.as_bytes()).await?.expect(200)?;
        let page = String::from_utf8_lossy(answer.body).into_owned();
        let number = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix("heirloom_store_")?.strip_prefix(name));
            anyhow::Ok(line.with_context(|| name.to_owned())?.trim().parse()?)
        };
        Ok(Self {
            written: number("groups_total ")?,
            changes: number("changes_total ")?,
            largest: number("largest_group ")?,
            longest: number("longest_group_microseconds ")?,
            longest_read: number("longest_read_microseconds ")?,
        })
    }

    /// The average number of changes in a group since `before`.
    pub(crate) fn mean_since(&self, before: &Self) -> Option<f64> {
        let groups = self.written.saturating_sub(before.written);
        (groups > 0).then(|| self.changes.saturating_sub(before.changes) as f64 / groups as f64)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "groups": self.written, "changes": self.changes, "largest_group": self.largest,
            "longest_group_us": self.longest, "longest_read_us": self.longest_read,
        })
    }
}
