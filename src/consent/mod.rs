//! The consent aggregate: what one person has allowed one client. Pure.
//!
//! It is remembered for a scope, a resource and the host that the answers go to, so that a client that asks for more, for
//! another resource server, or from another place is asked about again.

pub mod decide;
pub mod event;
pub mod index;
pub mod state;

pub use event::{Allowed, ConsentEvent, Given};
pub use state::{Consent, ConsentId, Status};
