//! The rows of the table. A new one is a line here, and a new kind of request a variant of [`Work`].

use super::limits::Limit;
use super::work::{Chain, Work};

/// A row.
pub(crate) struct Row {
    /// As it stands in the table.
    pub(crate) name: &'static str,
    /// What its connections do.
    pub(crate) kind: Kind,
    /// How many connections there are, each with one request under way.
    pub(crate) connections: usize,
    /// What of the machine limits it; measured just before and just after the row.
    pub(crate) limit: Limit,
}

/// What a row's connections do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each hands its own refresh token down.
    Refresh,
    /// Each signs in.
    SignIn,
    /// Each fetches the JWKS.
    Jwks,
}

/// All rows.
pub(crate) fn all() -> Vec<Row> {
    let row = |name, kind, connections, limit| Row { name, kind, connections, limit };
    vec![
        row("refresh RS256, 1 connection", Kind::Refresh, 1, Limit::Rsa2048),
        row("refresh RS256, 16 connections", Kind::Refresh, 16, Limit::Rsa2048),
        row("refresh RS256, 64 connections", Kind::Refresh, 64, Limit::Rsa2048),
        // Few: the throttle lets about ten attempts a person be under way.
        row("sign-in, 4 connections", Kind::SignIn, 4, Limit::Argon2),
        row("JWKS, 16 connections", Kind::Jwks, 16, Limit::None),
    ]
}

impl Row {
    /// Whether its connections go on with chains.
    pub(crate) fn needs_chains(&self) -> bool {
        self.kind == Kind::Refresh
    }

    /// What one of its connections does; takes a chain out of `chains` if it needs one.
    pub(crate) fn work(&self, chains: &mut Vec<Chain>) -> Option<Work> {
        match self.kind {
            Kind::Refresh => chains.pop().map(Work::Refresh),
            Kind::SignIn => Some(Work::SignIn(Vec::new())),
            Kind::Jwks => Some(Work::Jwks),
        }
    }
}
