//! Where the database is, and how a store in it is opened.

use tokio_postgres::Config;

use super::hosts::host_and_port;
use super::tls::{PostgresTls, TlsMode};

/// A store's place in a database. Its `Debug` hides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// The servers, the database and the user, with the password if one is needed. The mode of TLS in it is not used.
    pub server: Config,
    /// How connections are encrypted.
    pub tls: PostgresTls,
    /// The schema with the tables of this installation.
    pub schema: String,
    /// Whether a start may make the tables, and change those of an older version.
    pub migrate: bool,
}

impl PostgresSettings {
    /// Settings with all that is usual.
    #[must_use]
    pub fn new(server: Config, schema: impl Into<String>) -> Self {
        let tls = PostgresTls { mode: TlsMode::usual(&server), ..PostgresTls::default() };
        Self { server, tls, schema: schema.into(), migrate: true }
    }

    /// Where it is, for messages: without the password.
    #[must_use]
    pub fn place(&self) -> String {
        let hosts: Vec<String> =
            (0..self.server.get_hosts().len()).filter_map(|at| host_and_port(&self.server, at)).collect();
        let database = self.server.get_dbname().or_else(|| self.server.get_user()).unwrap_or_default();
        format!("schema {} of database {database} at {}", self.schema, hosts.join(", "))
    }

    /// A statement in which `heirloom.` stands for the schema.
    pub(super) fn in_schema(&self, statement: &str) -> String {
        statement.replace("heirloom.", &format!("{}.", self.quoted_schema()))
    }

    /// The schema as an SQL identifier.
    pub(super) fn quoted_schema(&self) -> String {
        quoted(&self.schema)
    }
}

/// A name as an SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
