//! Where the database is, and how a store in it is opened.

use tokio_postgres::Config;

/// A store's place in a database. Its `Debug` hides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// The server, the database and the user, with the password if one is needed.
    pub server: Config,
    /// The schema with the tables of this installation.
    pub schema: String,
}

impl PostgresSettings {
    /// Where it is, for messages: without the password.
    #[must_use]
    pub fn place(&self) -> String {
        use tokio_postgres::config::Host;
        let ports = self.server.get_ports();
        let host = |(at, host): (usize, &Host)| {
            let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{} (port {port})", folder.display()),
            }
        };
        let hosts: Vec<String> = self.server.get_hosts().iter().enumerate().map(host).collect();
        let database = self.server.get_dbname().or_else(|| self.server.get_user()).unwrap_or_default();
        format!("schema {} of database {database} at {}", self.schema, hosts.join(", "))
    }

    /// The schema as an SQL identifier.
    pub(super) fn quoted_schema(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }
}
