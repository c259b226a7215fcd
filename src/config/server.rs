//! The sections that say where and how the server runs.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::section::{At, Section};
use crate::oauth::SigningAlgorithm;

/// `[server]`: the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; at least one.
    pub listen: Vec<SocketAddr>,
    /// The certificate, if it speaks TLS itself.
    pub tls: Option<Tls>,
    /// The values of `Host` that it answers to; `None`: to any. Keeps web pages from reaching loopback by DNS rebinding.
    pub hosts: Option<Vec<String>>,
    /// The networks (`address/prefix`, checked) of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// The most connections at a time.
    pub max_connections: u32,
    /// The most connections of one IPv4 address or IPv6 network of 56 bits; a tenth of all, unless it is set.
    pub max_connections_per_address: u32,
    /// How long a connection is kept that has no request.
    pub keep_alive: Duration,
    /// How much memory the bodies of all requests together may take, in MiB.
    pub body_memory: u32,
    /// A proxy takes the issuer's path off what it passes on: requests come without it.
    pub path_stripped: bool,
    /// How long browsers that have been here ask over TLS only (`Strict-Transport-Security`); `None`: nothing is said of it.
    pub hsts: Option<Duration>,
    /// Request headers that web pages may send besides the usual ones.
    pub cors_headers: Vec<String>,
    /// How long it waits for requests that are under way when it stops.
    pub drain: Duration,
    /// Where `/metrics` is served, and nothing else; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
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

/// `[server.tls]`: files that are there and can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// `[log]`: what goes to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines: a filter of `tracing-subscriber`'s `EnvFilter`, checked. `RUST_LOG` wins over it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[passwords]`: what a password must be, and how many are hashed at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    /// The shortest that may be chosen, in characters.
    pub min_length: u32,
    /// Threads that hash; each takes 19 MiB while it does. One a core, unless it is set.
    pub threads: u32,
    /// How many sign-ins may wait for a thread; more get 503. A quarter of them may be one account's, half one network's.
    /// 16 a thread, unless it is set.
    pub queue: u32,
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = u32::try_from(cores).unwrap_or(u32::MAX);
        Self { min_length: 8, threads, queue: default_queue(threads) }
    }
}

/// `[throttle]`: brute-force limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Failed sign-ins for one account before the delays begin.
    pub account_attempts: u32,
    /// Failed sign-ins from one network before the delays begin.
    pub network_attempts: u32,
    /// Sign-ups from one network, whatever becomes of them, before the delays begin.
    pub network_sign_ups: u32,
    /// How often one session may be refreshed at once; 0: as often as anybody likes.
    pub refresh_burst: u32,
    /// How long it takes until one more refresh of it is free.
    pub refresh_every: Duration,
    /// How often one user may sign in at once; 0: as often as anybody likes.
    pub sign_in_burst: u32,
    /// How long it takes until one more sign-in of that user is free.
    pub sign_in_every: Duration,
    /// How often one user may change the profile at once, and the password, and end sessions; 0: as often as anybody
    /// likes.
    pub change_burst: u32,
    /// How long it takes until one more of them is free.
    pub change_every: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            account_attempts: 10,
            network_attempts: 100,
            network_sign_ups: 20,
            refresh_burst: 60,
            refresh_every: Duration::from_secs(1),
            sign_in_burst: 60,
            sign_in_every: Duration::from_secs(1),
            change_burst: 30,
            change_every: Duration::from_mins(1),
        }
    }
}

/// `[sessions]`: how many a user may have, and how long what is over is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The most sessions of one user; a sign-in beyond it ends the one that was seen longest ago.
    pub per_user: u32,
    /// How long an ended session is kept, with its events and what its device said.
    pub retention: Duration,
    /// How long each refresh of a session that lives on is kept as an event of its own; none: as long as the session.
    pub rotations_kept: Option<Duration>,
}

impl Default for Sessions {
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(days.saturating_mul(24));
        Self { per_user: 50, retention: days(90), rotations_kept: Some(days(30)) }
    }
}

/// Reads `issuer` (RFC 8414 §2), the same text everywhere: clients and resource servers compare it byte by byte.
pub(super) fn issuer(root: &mut Section<'_>) -> Option<String> {
    const EXAMPLE: &str = "write for example issuer = \"https://id.example.com\"";
    let insecure = root.boolean("allow_insecure_issuer").is_some_and(|at| at.value);
    if !root.has("issuer") {
        root.problems.note(&root.place, "`issuer` is missing", EXAMPLE);
    }
    let At { value, place } = root.text("issuer")?;
    let note = |message: &str, suggestion: &str| {
        root.problems.note(&place, format!("`issuer` {message}"), suggestion);
        None
    };
    let Ok(url) = Url::parse(&value) else { return note("is no URL", EXAMPLE) };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return note("has no host", EXAMPLE),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback || insecure => {}
        "http" => {
            return note(
                "is not https",
                "use https, or set allow_insecure_issuer = true in a closed network",
            );
        }
        _ => return note("is neither https nor http", EXAMPLE),
    }
    // RFC 8414 §2: no query or fragment components.
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return note("has a query, a fragment or credentials", EXAMPLE);
    }
    let normal = url.as_str().trim_end_matches('/');
    if normal != value {
        return note("is not written in its normal form", &format!("write issuer = \"{normal}\""));
    }
    Some(value)
}

/// Reads `[server]`, of this issuer.
pub(super) fn server(root: &mut Section<'_>, issuer: Option<&str>) -> Server {
    let mut section = root.section("server");
    let mut server = Server::default();
    let issuer = issuer.and_then(|issuer| Url::parse(issuer).ok());
    if issuer.is_some_and(|issuer| issuer.path() != "/") {
        // It would bind the other programs of the host.
        server.hsts = None;
    }
    server.path_stripped = section.boolean("path_stripped").is_some_and(|at| at.value);
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

/// Reads `[log]`.
pub(super) fn log(root: &mut Section<'_>) -> Log {
    let mut section = root.section("log");
    let mut log = Log::default();
    if let Some(format) = section.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]) {
        log.format = format.value;
    }
    let suggestion = "write for example filter = \"info\" or \"warn,heirloom=debug\"";
    if let Some(filter) = section.parsed::<Filter>("filter", suggestion) {
        log.filter = filter.value.0;
    }
    section.finish();
    log
}

/// A filter that `tracing-subscriber` understands.
struct Filter(String);

impl std::str::FromStr for Filter {
    type Err = tracing_subscriber::filter::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        tracing_subscriber::EnvFilter::try_new(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// Below how many MiB of free space the disk is nearly full, unless it is said.
const NEARLY_FULL: u32 = 256;

/// Below so much free space the disk is nearly full, in bytes.
pub(super) fn nearly_full(mib: Option<u32>) -> u64 {
    u64::from(mib.unwrap_or(NEARLY_FULL)).saturating_mul(1 << 20)
}

/// Reads `[data]` and `[keys]`: two folders, what is kept free on the first one's disk, how long a signing key is published before it signs, and what by.
pub(super) fn folders(root: &mut Section<'_>) -> ((PathBuf, u64), PathBuf, Duration, SigningAlgorithm) {
    let mut section = root.section("data");
    let data = section.path("folder").unwrap_or_else(|| section.beside_the_file("data"));
    let nearly_full = nearly_full(section.number("nearly_full_mib", 16..=1_048_576).map(|at| at.value));
    section.finish();
    let mut section = root.section("keys");
    let keys = section.path("folder").unwrap_or_else(|| section.beside_the_file("keys"));
    let lead_time =
        section.duration("lead_time", &seconds(0, 7 * 86_400)).map_or(super::LEAD_TIME, |at| at.value);
    let algorithms = SigningAlgorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm));
    let algorithm =
        section.choice("algorithm", &algorithms).map_or(SigningAlgorithm::default(), |at| at.value);
    if keys.value.starts_with(&data.value) || data.value.starts_with(&keys.value) {
        let suggestion = "keep them apart: who gets a copy of the data must not get the keys with it";
        section.problems.note(&keys.place, "the keys' folder and the data's lie in one another", suggestion);
    }
    section.finish();
    ((data.value, nearly_full), keys.value, lead_time, algorithm)
}

/// The longest queue for hashing: who is next is found by a look at all that wait.
const MOST_WAITING: u32 = 4096;

/// So long that waiting takes a fraction of a second.
fn default_queue(threads: u32) -> u32 {
    threads.saturating_mul(16).min(MOST_WAITING)
}

/// Reads `[passwords]`.
pub(super) fn passwords(root: &mut Section<'_>) -> Passwords {
    let mut section = root.section("passwords");
    let mut passwords = Passwords::default();
    // NIST SP 800-63B-4 §3.1.1.2: at least 8 characters; a maximum below 64 would refuse what it says to take.
    set(&mut passwords.min_length, section.number("min_length", 8..=64));
    set(&mut passwords.threads, section.number("threads", 1..=256));
    passwords.queue = default_queue(passwords.threads);
    set(&mut passwords.queue, section.number("queue", 1..=MOST_WAITING));
    section.finish();
    passwords
}

/// Reads `[throttle]`.
pub(super) fn throttle(root: &mut Section<'_>) -> Throttle {
    let mut section = root.section("throttle");
    let mut throttle = Throttle::default();
    set(&mut throttle.account_attempts, section.number("account_attempts", 1..=1000));
    set(&mut throttle.network_attempts, section.number("network_attempts", 1..=1_000_000));
    set(&mut throttle.network_sign_ups, section.number("network_sign_ups", 1..=1_000_000));
    let lengths = Duration::from_millis(1)..=Duration::from_hours(1);
    for (burst, every, names) in [
        (&mut throttle.refresh_burst, &mut throttle.refresh_every, ("refresh_burst", "refresh_every")),
        (&mut throttle.sign_in_burst, &mut throttle.sign_in_every, ("sign_in_burst", "sign_in_every")),
        (&mut throttle.change_burst, &mut throttle.change_every, ("change_burst", "change_every")),
    ] {
        set(burst, section.number(names.0, 0..=10_000));
        if let Some(read) = section.duration(names.1, &lengths) {
            *every = read.value;
        }
    }
    section.finish();
    throttle
}

/// Reads `[sessions]`.
pub(super) fn sessions(root: &mut Section<'_>) -> Sessions {
    let mut section = root.section("sessions");
    let mut sessions = Sessions::default();
    set(&mut sessions.per_user, section.number("per_user", 1..=1000));
    if let Some(at) = section.duration("retention", &seconds(3600, 3650 * 86_400)) {
        sessions.retention = at.value;
    }
    if let Some(text) = section.text("rotations_kept") {
        if text.value == "all" {
            sessions.rotations_kept = None;
        } else if let Some(at) = section.duration_of(&text, "rotations_kept", &seconds(3600, 3650 * 86_400)) {
            sessions.rotations_kept = Some(at.value);
        }
    }
    section.finish();
    sessions
}

fn set(setting: &mut u32, read: Option<At<u32>>) {
    if let Some(at) = read {
        *setting = at.value;
    }
}

/// From so many seconds to so many.
pub(super) const fn seconds(least: u64, most: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(least)..=Duration::from_secs(most)
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
