//! Everything that speaks HTTP: the listener, one file an endpoint family, and the only place that knows status codes.

use std::sync::Arc;
use std::time::Duration;

use poem::{Endpoint, Response};
use tokio::sync::watch;

use crate::app::App;

pub mod account;
pub mod admin;
pub mod bearer;
pub mod client_auth;
mod cookie;
mod cors;
pub mod devices;
pub mod docs;
pub mod error;
pub mod form;
mod front;
pub mod health;
pub mod host;
mod hsts;
pub mod introspect;
mod issuer_path;
mod json_body;
pub mod jwks;
pub mod metadata;
pub mod metrics;
pub mod operator;
pub mod peer;
mod posted;
pub mod problem;
mod refusal;
pub mod revoke;
pub mod server;
pub mod token;
pub mod userinfo;
mod written;

/// What the endpoints need besides the use cases.
#[derive(Clone, Default)]
pub struct HttpSettings {
    /// Whose word on a client's address is taken.
    pub proxies: peer::TrustedProxies,
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
    pub filled_in: Option<docs::FilledIn>,
}

/// All of heirloom as one endpoint, as the network sees it: below the issuer's path.
///
/// # Errors
/// If the specification that it generates is no JSON, which would be a defect.
pub fn endpoint(
    app: Arc<App>,
    settings: HttpSettings,
) -> Result<impl Endpoint<Output = Response> + 'static, serde_json::Error> {
    let issuer = app.settings.issuer.clone();
    let (proxies, hsts, is_stripped) = (settings.proxies.clone(), settings.hsts, settings.path_stripped);
    let answers = issuer_path::IssuerPath::new(answers(app, settings)?, &issuer, is_stripped);
    Ok(hsts::Hsts::new(answers, proxies, &issuer, hsts))
}

/// All endpoints.
///
/// # Errors
/// If the specification that it generates is no JSON, which would be a defect.
fn answers(
    app: Arc<App>,
    settings: HttpSettings,
) -> Result<impl Endpoint<Output = Response> + 'static, serde_json::Error> {
    let methods = Arc::new(error::Methods(docs::methods()?));
    let front = front::Front::new(Arc::clone(&app), &settings);
    let answers = host::HostCheck::new(front, settings.hosts);
    let answers = error::EveryAnswer::new(answers, Arc::clone(&methods));
    Ok(cors::Cors::new(answers, app, methods, &settings.cors_headers))
}
