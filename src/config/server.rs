//! `[server]`: where the server listens, and how it treats connections.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::section::{At, Section};
use super::section::{seconds, set};

/// `[server]`: the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What this node is called beside others; `None`: as the machine.
    pub name: Option<String>,
    /// The addresses to listen on; at least one.
    pub listen: Vec<SocketAddr>,
    /// The certificate's files; `None` without TLS.
    pub tls: Option<Tls>,
    /// The only values of `Host` that are answered; `None`: any. This keeps web pages from reaching loopback by DNS
    /// rebinding.
    pub hosts: Option<Vec<String>>,
    /// The networks (`address/prefix`, validated) of proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<String>,
    /// The most connections at a time.
    pub max_connections: u32,
    /// The most connections of one IPv4 address or IPv6 network of 56 bits; a tenth of all, unless it is set.
    pub max_connections_per_address: u32,
    /// How long a connection without a request is kept open.
    pub keep_alive: Duration,
    /// How much memory the bodies of all requests together may take, in MiB.
    pub body_memory: u32,
    /// Whether a proxy removes the issuer's path, so that requests come without it.
    pub path_stripped: bool,
    /// The `max-age` of `Strict-Transport-Security` (RFC 6797); `None`: the header is not sent.
    pub hsts: Option<Duration>,
    /// Request headers that web pages may send besides the usual ones.
    pub cors_headers: Vec<String>,
    /// How long a shutdown waits for requests that are being answered.
    pub drain: Duration,
    /// The address of the listener that serves only `/metrics`; `None`: there is none.
    pub metrics: Option<SocketAddr>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            name: None,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            tls: None,
            hosts: None,
            trusted_proxies: Vec::new(),
            max_connections: 10_000,
            max_connections_per_address: 1000,
            keep_alive: Duration::from_secs(75),
            body_memory: 64,
            path_stripped: false,
            hsts: Some(Duration::from_hours(365 * 24)),
            cors_headers: Vec::new(),
            drain: Duration::from_secs(8),
            metrics: None,
        }
    }
}

/// `[server.tls]`: files that exist and can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Reads `[server]`, of this issuer.
pub(super) fn server(root: &mut Section<'_>, issuer: Option<&str>) -> Server {
    let mut section = root.section("server");
    let mut server = Server::default();
    let issuer = issuer.and_then(|issuer| Url::parse(issuer).ok());
    if issuer.is_some_and(|issuer| issuer.path() != "/") {
        // The header would also apply to the other programs of the host.
        server.hsts = None;
    }
    server.path_stripped = section.boolean("path_stripped").is_some_and(|at| at.value);
    server.name = name(&mut section);
    if let Some(listen) = section.texts("listen") {
        server.listen = addresses(&section, &listen);
    }
    if section.has("tls") {
        server.tls = tls(&mut section);
    }
    if let Some(networks) = section.texts("trusted_proxies") {
        for At { place, .. } in networks.iter().filter(|network| !is_network(&network.value)) {
            section.problems.note(
                place,
                "a trusted proxy is no network",
                "write for example \"10.0.0.0/8\" or \"::1/128\"",
            );
        }
        server.trusted_proxies = networks.into_iter().map(|network| network.value).collect();
    }
    if let Some(most) = section.number("max_connections", 16..=1_000_000) {
        server.max_connections = most.value;
    }
    server.max_connections_per_address = (server.max_connections / 10).max(8);
    set(
        &mut server.max_connections_per_address,
        section.number("max_connections_per_address", 1..=1_000_000),
    );
    set(&mut server.body_memory, section.number("body_memory", 1..=65_536));
    if let Some(keep_alive) = section.duration("keep_alive", &seconds(1, 3600)) {
        server.keep_alive = keep_alive.value;
    }
    server.hsts = hsts(&mut section, server.hsts);
    server.cors_headers = cors_headers(&mut section);
    if let Some(drain) = section.duration("drain", &seconds(0, 9)) {
        server.drain = drain.value;
    }
    if let Some(listen) = section.texts("metrics") {
        server.metrics = addresses(&section, &listen).into_iter().next();
    }
    section.finish();
    server
}

/// What this node is called: one line that is easily read in a list.
fn name(section: &mut Section<'_>) -> Option<String> {
    let At { value, place } = section.text("name")?;
    let fits = (1..=64).contains(&value.len()) && value.chars().all(|letter| letter.is_ascii_graphic());
    if !fits {
        let message = "`name` is no name of a node";
        section.problems.note(
            &place,
            message,
            "write up to 64 letters, digits and signs without spaces: \"auth-1\"",
        );
    }
    fits.then_some(value)
}

fn addresses(section: &Section<'_>, listen: &[At<String>]) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let suggestion = "write an address and a port: \"127.0.0.1:8080\", \"[::]:443\"";
    for At { value, place } in listen {
        match value.parse() {
            Ok(address) if addresses.contains(&address) => {
                section.problems.note(place, format!("{address} is listed twice"), "leave one of them out");
            }
            Ok(address) => addresses.push(address),
            Err(_) => {
                let message = format!("`listen`: \"{}\" is no address", value.escape_debug());
                section.problems.note(place, message, suggestion);
            }
        }
    }
    if listen.is_empty() {
        section.problems.note(&section.place, "`listen` is empty", suggestion);
    }
    addresses
}

fn tls(server: &mut Section<'_>) -> Option<Tls> {
    let mut section = server.section("tls");
    let complete = section.has("certificate") && section.has("key");
    let files = (section.file("certificate"), section.file("key"));
    if !complete {
        let suggestion = "write certificate = \"…\" and key = \"…\", both PEM files";
        section.problems.note(&section.place, "TLS needs a certificate and its key", suggestion);
    }
    section.finish();
    let (Some(certificate), Some(key)) = files else { return None };
    Some(Tls { certificate: certificate.value, key: key.value })
}

/// Reads `hsts`: a duration, or "off".
fn hsts(section: &mut Section<'_>, usual: Option<Duration>) -> Option<Duration> {
    let Some(text) = section.text("hsts") else { return usual };
    if text.value == "off" {
        return None;
    }
    section.duration_of(&text, "hsts", &seconds(0, 3650 * 86_400)).map(|at| at.value)
}

/// Reads `cors_headers`: names (RFC 9110 §5.6.2), and not `*`, which with credentials means nothing.
fn cors_headers(section: &mut Section<'_>) -> Vec<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
    let listed = section.texts("cors_headers").unwrap_or_default();
    let is_name = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(is_part);
    for At { value, place } in listed.iter().filter(|at| !is_name(&at.value)) {
        let message = format!("`cors_headers`: \"{}\" is no name of a header", value.escape_debug());
        section.problems.note(place, message, "write for example cors_headers = [\"X-Client-Version\"]");
    }
    listed.into_iter().map(|at| at.value).collect()
}

/// Whether a text is an IP address, or one with a prefix length (RFC 4632 §3.1).
fn is_network(text: &str) -> bool {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|bits| bits <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_with_a_fitting_prefix() {
        for text in ["10.0.0.0/8", "127.0.0.1", "::1/128", "fd00::/8"] {
            assert!(is_network(text), "{text}");
        }
        for text in ["10.0.0.0/33", "::/129", "example.com", "10.0.0.0/", ""] {
            assert!(!is_network(text), "{text}");
        }
    }
}
