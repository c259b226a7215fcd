//! Administration: what administrators do with an access token, and operators on the server's machine.
//!
//! Every change takes the [`Actor`](crate::oauth::Actor), who is recorded on its event.

use std::sync::Arc;

use super::accounts::Accounts;
use super::clients::Clients;
use super::sessions::Sessions;
use super::{Repository, Settings};
use crate::clock::Clock;
use crate::random::Random;

use self::events::EventLog;

pub mod clients;
pub mod events;
pub mod sessions;
pub mod users;

/// The scope of the administration API.
pub const SCOPE: &str = "admin";

/// What administrators and operators do.
pub struct Administration {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// The log.
    pub events: Arc<EventLog>,
    pub(super) clients: Arc<Clients>,
    pub(super) repository: Repository,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
}
