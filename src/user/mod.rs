//! The user aggregate: a resource owner's status, roles and epoch. Pure.
//!
//! Personal data (the name, the password's hash, the profile) are in no event: see [`vault`].

pub mod decide;
pub mod email;
pub mod event;
pub mod name;
pub mod profile;
pub mod state;
pub mod vault;

pub use decide::{Command, Denied, decide};
pub use email::Email;
pub use event::UserEvent;
pub use name::Username;
pub use profile::{DisplayName, Profile};
pub use state::{Status, User, stream};
