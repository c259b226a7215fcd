//! The session aggregate: one sign-in on one device, one family of refresh tokens. Pure.
//!
//! [`decide()`] answers a command with events and an outcome, and [`Session::apply`] folds the events. The time and
//! random bytes come with the command.

pub mod client_session;
pub mod command;
pub mod decide;
pub mod device;
pub mod event;
pub mod index;
pub mod state;
pub mod summary;

pub use client_session::{ClientToken, client_token};
pub use command::{Policy, Presented, Refresh, Start};
pub use decide::{Decision, Denied, Granted, decide, end, end_by, start};
pub use device::Device;
pub use event::{EndReason, Issued, SessionEvent, Summary};
pub use state::{Session, Status};
