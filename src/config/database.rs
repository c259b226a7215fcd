//! The PostgreSQL database of `[store]`: a URL, settings, and libpq's variables.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Config as Server, Host};

use super::problem::Place;
use super::section::{At, Section};
use super::sources::Sources;
use crate::store::{PostgresSettings, PostgresTls, TlsMode};

/// The settings of a database.
pub(super) const KEYS: [&str; 8] =
    ["url", "schema", "password", "password_file", "sslmode", "sslrootcert", "sslcert", "sslkey"];
/// The schema, unless another one is set.
const SCHEMA: &str = "heirloom";
/// The longest name of a schema, in bytes: PostgreSQL would cut a longer one.
const MAX_SCHEMA: usize = 63;
/// The parameters of a URL that are read here: `tokio_postgres` knows only some of their values.
const OWN: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs"];
/// The parameters of a URL that are left out: what they set, heirloom sets by itself.
const SET_BY_ITSELF: [&str; 8] = [
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "keepalives_retries",
    "tcp_user_timeout",
    "load_balance_hosts",
];
/// The parameters that libpq knows and heirloom does not.
const OF_LIBPQ: [&str; 18] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslsni",
];
/// For `sslrootcert`: the authorities that the machine trusts.
const SYSTEM: &str = "system";

/// Where settings of a database are found besides in the section.
struct Elsewhere<'a> {
    /// The own parameters of the URL, decoded.
    url: Vec<(String, String)>,
    /// Where the URL is.
    place: Place,
    sources: &'a Sources,
}

/// Reads what `[store]` says of a database.
pub(super) fn database(section: &mut Section<'_>, sources: &Sources) -> Option<PostgresSettings> {
    let schema = schema(section);
    let secret = section.secret("password", "password_file");
    let url = section.text("url");
    let place = url.as_ref().map_or_else(|| section.place.clone(), |url| url.place.clone());
    let (mut server, own) = match &url {
        Some(url) => parse(section, url)?,
        None => (Server::new(), Vec::new()),
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
    let elsewhere = Elsewhere { url: own, place, sources };
    fill(section, &mut server, &elsewhere);
    let note = |message: &str, suggestion: &str| section.problems.note(&elsewhere.place, message, suggestion);
    let hosts = server.get_hosts().len();
    if hosts == 0 {
        let example = "write for example url = \"postgresql://heirloom@%2Frun%2Fpostgresql/heirloom\"";
        note("no database is named", example);
        return None;
    }
    let number_fits = |number: usize, fewest: usize| number <= fewest || number == hosts;
    if !number_fits(server.get_ports().len(), 1) || !number_fits(server.get_hostaddrs().len(), 0) {
        note("there are not as many ports or addresses as hosts", "write one for each host");
    }
    if let Some((_, value)) = elsewhere.url.iter().rfind(|(name, _)| name == "target_session_attrs")
        && !["read-write", "primary"].contains(&value.as_str())
    {
        note("heirloom uses only a server that writes", "leave target_session_attrs out of `url`");
    }
    let tls = tls(section, &server, &elsewhere);
    let migrate = section.boolean("migrate").is_none_or(|at| at.value);
    Some(PostgresSettings { server, tls, schema, migrate })
}

fn schema(section: &mut Section<'_>) -> String {
    let Some(At { value, place }) = section.text("schema") else { return SCHEMA.to_owned() };
    if value.is_empty() || value.len() > MAX_SCHEMA || value.starts_with("pg_") || value.contains('\0') {
        let message = format!("`schema` can't be \"{}\"", value.escape_debug());
        section.problems.note(&place, message, "write a name of up to 63 bytes that does not begin with pg_");
    }
    value
}

/// Parses the URL, and takes the own parameters out of it. A mistake in it is told without the URL, which may have the
/// password.
fn parse(section: &Section<'_>, url: &At<String>) -> Option<(Server, Vec<(String, String)>)> {
    let parts = split(&url.value);
    let of_libpq = |bare: &str| OF_LIBPQ.into_iter().find(|name| names(bare).any(|named| named == *name));
    if let Some(name) = parts.as_ref().and_then(|(bare, _)| of_libpq(bare)) {
        let message = format!("`url` has the parameter {name}, which heirloom does not know");
        section.problems.note(&url.place, message, "leave it out");
        return None;
    }
    let parsed = parts.and_then(|(bare, own)| Some((bare.parse::<Server>().ok()?, own)));
    for (name, _) in parsed.iter().flat_map(|(_, own)| own) {
        if SET_BY_ITSELF.contains(&name.as_str()) {
            section
                .problems
                .warn(format!("`url` sets {name}, which has no effect: heirloom sets it by itself"));
        }
    }
    if parsed.is_none() {
        let suggestion = "write for example \"postgresql://heirloom@db.example.com/heirloom\", with %40 for an @ in a \
                          name or password";
        section.problems.note(&url.place, "`url` is no URL of a PostgreSQL database", suggestion);
    }
    parsed
}

/// The URL without its own parameters, and those. `None` if it is no URL.
fn split(url: &str) -> Option<(String, Vec<(String, String)>)> {
    if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
        return None;
    }
    let Some(query) = query(url) else { return Some((url.to_owned(), Vec::new())) };
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=')?;
        let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let name = decoded(name)?;
        if OWN.contains(&name.as_str()) || SET_BY_ITSELF.contains(&name.as_str()) {
            own.push((name, decoded(value)?));
        } else {
            others.push(parameter);
        }
    }
    let bare = url.strip_suffix(query)?.to_owned();
    Some((bare + &others.join("&"), own))
}

/// The parameters of a URL, as they stand there. As `tokio_postgres` does it: what comes before the first @ is a name and
/// a password.
fn query(url: &str) -> Option<&str> {
    let address = url.split_once('@').map_or(url, |(_, address)| address);
    address.split_once('?').map(|(_, query)| query)
}

/// The names of the parameters of a URL.
fn names(url: &str) -> impl Iterator<Item = &str> {
    let parameters = query(url).into_iter().flat_map(|query| query.split('&'));
    parameters.filter_map(|parameter| parameter.split_once('=')).map(|(name, _)| name)
}

impl Elsewhere<'_> {
    /// A setting of the section, of the URL or of the variable that libpq has for it.
    fn setting(&self, section: &mut Section<'_>, key: &'static str) -> Option<At<String>> {
        let set = section.text(key);
        let in_url = self.url.iter().rfind(|(name, _)| name == key).map(|(_, value)| value.clone());
        if let (Some(set), Some(_)) = (&set, &in_url) {
            section.problems.note(&set.place, format!("`{key}` is set twice"), "leave it out of `url`");
        }
        let variable = format!("PG{}", key.to_ascii_uppercase());
        set.or_else(|| Some(At { value: in_url?, place: self.place.clone() })).or_else(|| {
            let value = self.sources.variable(&variable)?.to_owned();
            Some(At { value, place: Place::Environment(variable) })
        })
    }
}

/// Sets what is missing from the variables that libpq knows.
fn fill(section: &Section<'_>, server: &mut Server, elsewhere: &Elsewhere<'_>) {
    if server.get_hosts().is_empty() {
        for host in elsewhere.sources.variable("PGHOST").into_iter().flat_map(|hosts| hosts.split(',')) {
            server.host(host);
        }
        for port in elsewhere.sources.variable("PGPORT").into_iter().flat_map(|ports| ports.split(',')) {
            let Ok(port) = port.parse() else {
                let place = Place::Environment("PGPORT".to_owned());
                section.problems.note(&place, "it is no port", "write a number, or one for each host");
                continue;
            };
            server.port(port);
        }
    }
    if let Some(user) = elsewhere.sources.variable("PGUSER").filter(|_| server.get_user().is_none()) {
        server.user(user);
    }
    if let Some(name) = elsewhere.sources.variable("PGDATABASE").filter(|_| server.get_dbname().is_none()) {
        server.dbname(name);
    }
    if let Some(password) =
        elsewhere.sources.variable("PGPASSWORD").filter(|_| server.get_password().is_none())
    {
        server.password(password);
    }
}

/// How connections are encrypted.
fn tls(section: &mut Section<'_>, server: &Server, elsewhere: &Elsewhere<'_>) -> PostgresTls {
    let mode = elsewhere.setting(section, "sslmode");
    let mode = mode.and_then(|text| section.choice_of(text, "sslmode", &TlsMode::ALL));
    let authorities = elsewhere.setting(section, "sslrootcert");
    let [certificate, key] = ["sslcert", "sslkey"].map(|key| elsewhere.setting(section, key));
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((section.path_of(&certificate), section.path_of(&key))),
        (Some(one), None) | (None, Some(one)) => {
            let message = "a certificate for the database needs both `sslcert` and `sslkey`";
            section.problems.note(&one.place, message, "set both, or none");
            None
        }
        (None, None) => None,
    };
    let usual = if authorities.is_some() { TlsMode::VerifyFull } else { TlsMode::usual(server) };
    let place = mode.as_ref().map_or_else(|| elsewhere.place.clone(), |mode| mode.place.clone());
    let mode = mode.map_or(usual, |mode| mode.value);
    let authorities = authorities.and_then(|file| authorities_of(section, mode, &file));
    let tls = PostgresTls { mode, authorities, identity };
    if mode == TlsMode::VerifyCa && tls.authorities.is_none() {
        let message = "sslmode=verify-ca would accept any certificate of a public authority";
        section.problems.note(&place, message, "name the database's authority in `sslrootcert`");
    }
    warn(section, server, &tls);
    tls
}

/// The file that `sslrootcert` names, if it does.
fn authorities_of(section: &Section<'_>, mode: TlsMode, file: &At<String>) -> Option<PathBuf> {
    let is_system = file.value == SYSTEM;
    let weak = match mode {
        // A variable may be for other programs.
        TlsMode::Disable | TlsMode::Prefer => !matches!(file.place, Place::Environment(_)),
        TlsMode::Require => is_system,
        TlsMode::VerifyCa | TlsMode::VerifyFull => false,
    };
    if weak {
        let message = "`sslrootcert` does not make this `sslmode` safe";
        section.problems.note(&file.place, message, "write sslmode=verify-full, or leave one of them out");
    }
    (!is_system).then(|| section.path_of(file))
}

/// Warns of a connection that leaves the machine and can be read or led astray on the way.
fn warn(section: &Section<'_>, server: &Server, tls: &PostgresTls) {
    if tls.verifies() || TlsMode::usual(server) != TlsMode::VerifyFull {
        return;
    }
    let names = server.get_hosts().iter().filter_map(|host| match host {
        Host::Tcp(name) => Some(name.as_str()),
        Host::Unix(_) => None,
    });
    let names = names.collect::<Vec<_>>().join(", ");
    section.problems.warn(if tls.mode == TlsMode::Disable {
        format!(
            "the connection to the database at {names} is not encrypted (sslmode=disable): who is on the way can read \
             and change what is stored"
        )
    } else {
        format!(
            "the connection to the database at {names} does not verify who it leads to (sslmode): who is on the way can \
             take the database's place. Write sslmode=verify-full"
        )
    });
}
