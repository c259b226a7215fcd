//! What the endpoints need besides the use cases.

use std::time::Duration;

use tokio::sync::watch;

use super::docs::FilledIn;
use super::peer::TrustedProxies;

/// What the endpoints need besides the use cases.
#[derive(Clone, Default)]
pub struct HttpSettings {
    /// Whose word on a client's address is taken.
    pub proxies: TrustedProxies,
    /// The only values of `Host` that are answered; empty: any. Keeps web pages out that reach loopback by DNS
    /// rebinding.
    pub hosts: Vec<String>,
    /// A proxy takes the issuer's path off.
    pub path_stripped: bool,
    /// How long a browser that has been here asks over TLS only; `None`: heirloom says nothing of it.
    pub hsts: Option<Duration>,
    /// Request headers that pages may send besides the usual ones.
    pub cors_headers: Vec<String>,
    /// Becomes true when the server stops: what would last longer ends then.
    pub stopping: Option<watch::Receiver<bool>>,
    /// What the documentation page has filled in; only in a demo.
    pub filled_in: Option<FilledIn>,
}
