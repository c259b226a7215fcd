//! Settings of the endpoints.

use std::time::Duration;

use tokio::sync::watch;

use super::docs::FilledIn;
use super::peer::TrustedProxies;

/// Settings of the endpoints, from the configuration.
#[derive(Clone, Default)]
pub struct HttpSettings {
    /// The proxies whose forwarding headers are trusted.
    pub proxies: TrustedProxies,
    /// The only values of `Host` that are answered; empty: any. This keeps web pages from reaching loopback by DNS
    /// rebinding.
    pub hosts: Vec<String>,
    /// Whether a proxy removes the issuer's path from requests.
    pub path_stripped: bool,
    /// The `max-age` of `Strict-Transport-Security`; `None`: the header is not sent.
    pub hsts: Option<Duration>,
    /// Request headers that web pages may send besides the usual ones.
    pub cors_headers: Vec<String>,
    /// Becomes true when the server shuts down; long-lived answers then end.
    pub stopping: Option<watch::Receiver<bool>>,
    /// The values that the documentation page fills in; only in a demo.
    pub filled_in: Option<FilledIn>,
}
