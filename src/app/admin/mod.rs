//! Administration: what an administrator does with an access token, or an operator on the server's machine.
//!
//! Every change takes the [`Actor`], who stands in the event that it makes.

use super::App;
use super::access::{Access, AccessError};
use crate::oauth::{Actor, Scope};

pub mod clients;
pub mod events;
pub mod sessions;
pub mod terms;
pub mod users;

/// The scope of the administration API.
pub const SCOPE: &str = "admin";

impl App {
    /// Who administers with an access token that has the scope. A role that was withdrawn after the token was issued is
    /// withdrawn here at once.
    ///
    /// # Errors
    /// [`AccessError::Scope`].
    pub fn administrator(&self, access: &Access) -> Result<Actor, AccessError> {
        let live = &access.live;
        let scope: Scope = std::iter::once(SCOPE).collect();
        let permitted = self.settings.scopes.permitted(&scope, &live.registration, &live.user.roles);
        if permitted.contains(SCOPE) {
            Ok(Actor::Administrator(live.user_id()))
        } else {
            Err(AccessError::Scope(SCOPE))
        }
    }
}
