//! `[store]`: what keeps users, sessions and the log of events.

use tokio_postgres::config::{Config as Server, Host, SslMode};

use super::section::{At, Section};

/// The schema, unless another one is set.
const SCHEMA: &str = "heirloom";
/// The longest name of a schema, in bytes: PostgreSQL would cut a longer one.
const MAX_SCHEMA: usize = 63;

/// `[store]`: the kind of the store, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// The embedded store in the data folder.
    #[default]
    Sled,
    /// A PostgreSQL database.
    Postgres(Box<Database>),
}

/// A database. Its `Debug` hides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The server, the database, the user and the password.
    pub server: Server,
    /// The schema with the tables.
    pub schema: String,
}

#[derive(Clone, Copy)]
enum Kind {
    Sled,
    Postgres,
}

/// Reads `[store]`. libpq's variables in `environment`, such as `PGHOST`, say what the URL leaves out.
pub(super) fn store(root: &mut Section<'_>, environment: &[(String, String)]) -> Store {
    let mut section = root.section("store");
    let kind = section.choice("kind", &[("sled", Kind::Sled), ("postgres", Kind::Postgres)]);
    let store = match kind.map_or(Kind::Sled, |kind| kind.value) {
        Kind::Postgres => {
            database(&mut section, environment).map_or(Store::Sled, |found| Store::Postgres(found.into()))
        }
        Kind::Sled => {
            for key in ["url", "schema", "password", "password_file"] {
                if let Some(At { place, .. }) = section.text(key) {
                    let message = format!("`{key}` is for a database");
                    section.problems.note(&place, message, "write kind = \"postgres\", or leave it out");
                }
            }
            Store::Sled
        }
    };
    section.finish();
    store
}

fn database(section: &mut Section<'_>, environment: &[(String, String)]) -> Option<Database> {
    let schema = schema(section);
    let secret = section.secret("password", "password_file");
    let url = section.text("url");
    let place = url.as_ref().map_or_else(|| section.place.clone(), |url| url.place.clone());
    let mut server = match &url {
        Some(url) => parse(section, url)?,
        None => Server::new(),
    };
    if server.get_password().is_some() {
        section.problems.note_secret(&place);
    }
    if let Some(secret) = secret {
        if server.get_password().is_some() {
            let message = "the password is set twice";
            section.problems.note(&secret.place, message, "leave it out of `url`");
        }
        server.password(secret.value.as_bytes());
    }
    fill(&mut server, environment);
    let note = |message: &str, suggestion: &str| section.problems.note(&place, message, suggestion);
    if server.get_hosts().is_empty() {
        note(
            "no database is named",
            "write for example url = \"postgresql://heirloom@%2Frun%2Fpostgresql/heirloom\"",
        );
        return None;
    }
    let mode = server.get_ssl_mode();
    if !matches!(mode, SslMode::Disable | SslMode::Prefer) {
        note(
            "heirloom can't encrypt the connection to the database yet",
            "use a socket or a tunnel on this machine, or write sslmode=disable where the network is safe",
        );
    } else if mode == SslMode::Prefer && !server.get_hosts().iter().all(is_here) {
        note(
            "the connection to a database on another machine would not be encrypted",
            "use a tunnel on this machine, or write sslmode=disable in `url` where the network is safe",
        );
    }
    server.ssl_mode(SslMode::Disable);
    Some(Database { server, schema })
}

fn schema(section: &mut Section<'_>) -> String {
    let Some(At { value, place }) = section.text("schema") else { return SCHEMA.to_owned() };
    if value.is_empty() || value.len() > MAX_SCHEMA || value.starts_with("pg_") || value.contains('\0') {
        let message = format!("`schema` can't be \"{}\"", value.escape_debug());
        section.problems.note(&place, message, "write a name of up to 63 bytes that does not begin with pg_");
    }
    value
}

/// Parses the URL. A mistake in it is told without the URL, which may have the password.
fn parse(section: &Section<'_>, url: &At<String>) -> Option<Server> {
    let suggestion = "write for example \"postgresql://heirloom@127.0.0.1/heirloom?sslmode=disable\"";
    let parsed = url.value.parse::<Server>();
    let note = |_| section.problems.note(&url.place, "`url` is no URL of a PostgreSQL database", suggestion);
    parsed.map_err(note).ok()
}

/// Sets what is missing from the variables that libpq knows.
fn fill(server: &mut Server, environment: &[(String, String)]) {
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    if server.get_hosts().is_empty() {
        for host in variable("PGHOST").into_iter().flat_map(|hosts| hosts.split(',')) {
            server.host(host);
        }
        for port in variable("PGPORT").into_iter().flat_map(|ports| ports.split(',')) {
            server.port(port.parse().unwrap_or(0));
        }
    }
    if let Some(user) = variable("PGUSER").filter(|_| server.get_user().is_none()) {
        server.user(user);
    }
    if let Some(name) = variable("PGDATABASE").filter(|_| server.get_dbname().is_none()) {
        server.dbname(name);
    }
    if let Some(password) = variable("PGPASSWORD").filter(|_| server.get_password().is_none()) {
        server.password(password);
    }
    match variable("PGSSLMODE").filter(|_| server.get_ssl_mode() == SslMode::Prefer) {
        None | Some("allow" | "prefer") => {}
        Some("disable") => {
            server.ssl_mode(SslMode::Disable);
        }
        Some(_) => {
            server.ssl_mode(SslMode::Require);
        }
    }
}

/// Whether a connection to it stays on this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}
