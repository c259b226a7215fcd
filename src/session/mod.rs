//! The session aggregate: one sign-in on one device, one family of refresh tokens. Pure.
//!
//! [`decide()`] answers a command with events and an outcome, and [`Session::apply`] folds the events. The time and
//! random bytes come with the command.

pub mod authorization;
pub mod availability;
pub mod client_session;
pub mod code;
pub mod command;
pub mod decide;
pub mod device;
mod end_reason;
pub mod event;
pub mod index;
mod issue;
pub mod redeem;
pub mod state;
pub mod summary;

pub use authorization::{AuthorizationUsed, Authorize, authorize};
pub use availability::Availability;
pub use client_session::{ClientToken, client_token};
pub use code::{Code, LoginReference};
pub use command::{Policy, Presented, Refresh, Start};
pub use decide::{Decision, Denied, Granted, decide, end, end_by, start};
pub use device::Device;
pub use event::{Authorized, EndReason, Issued, SessionEvent, Summary};
pub use redeem::{CodeRefused, Redeem, redeem};
pub use state::{Session, Status};
