//! The service for back-channel logout (OpenID Connect Back-Channel Logout 1.0): clients are told that a login has ended.
//!
//! 1. [`outbox`]: the append that ends something writes down what has ended.
//! 2. `expand`: for each entry, the deliveries: one for each client that knows the login and has a
//!    `backchannel_logout_uri`. They take the entry's place in one change of records.
//! 3. `deliver`: each is tried until the client has answered, or for three days. A client may be told twice, after a
//!    crash or a lost answer; it is never forgotten.
//!
//! Nobody who logs out waits for it.

mod counts;
mod deliver;
pub mod delivery;
mod expand;
mod list;
pub mod outbox;
mod request;
mod under_way;

use std::sync::Arc;

use super::clients::Clients;
use super::keys::TokenKeys;
use super::restore::InstallationEpoch;
use super::{Nodes, Repository, Settings};
use crate::clock::Clock;
use crate::random::Random;

pub use counts::{DeliveryCounts, DeliveryStats};
pub use list::{DeliveryPage, DeliveryState, InvalidPlace, ListedDelivery};
pub(in crate::app) use request::Requests;

/// Tells clients that logins have ended.
pub struct BackchannelLogout {
    pub(super) nodes: Arc<Nodes>,
    pub(super) repository: Repository,
    pub(super) clients: Arc<Clients>,
    pub(super) installation: Arc<InstallationEpoch>,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) settings: Arc<Settings>,
    pub(super) counts: Arc<DeliveryCounts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
    pub(super) requests: Requests,
}
