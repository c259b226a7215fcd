//! The login aggregate: a person signed in at heirloom's own pages in one browser (OpenID Connect calls that a session at the
//! OP). Pure.
//!
//! [`decide`] answers commands with events, and [`Login::apply`] folds them. The browser has a [`LoginCookie`]; when it was
//! last used stands in the cookie itself, so nothing is written for being used.

pub mod cookie;
pub mod decide;
pub mod event;
pub mod index;
pub mod state;

pub use cookie::LoginCookie;
pub use decide::{Bounds, LogIn, Reauthenticate, Standing};
pub use event::{Life, LoggedIn, LoginEvent, LogoutReason};
pub use state::{Login, Status};
