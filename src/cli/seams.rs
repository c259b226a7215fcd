//! Where the command line meets what it commands. NOT WIRED YET: every body here is to be replaced.

use std::io;
use std::net::TcpListener;

use super::{Failure, Installation, Outcome};
use crate::cli::demo::User;
use crate::clock::Timestamp;
use crate::config::Config;

/// A server that is about to start.
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// Sockets that are bound, listening and set to non-blocking; in the order of `config.server.listen`.
    pub sockets: Vec<TcpListener>,
    /// The demo user that there must be; only in `heirloom dev`.
    pub demo: Option<User>,
}

/// A signing key, as `heirloom keys list` shows it.
pub struct KeyLine {
    /// Its id: the RFC 7638 thumbprint.
    pub kid: String,
    /// When it was made.
    pub created: Timestamp,
    /// What it does now, such as "signs", "published, signs from …", "kept until …".
    pub state: String,
}

/// A key that was added.
pub struct Rotated {
    /// Its id.
    pub kid: String,
    /// When it begins to sign.
    pub signs_from: Timestamp,
}

/// A user, as `heirloom user list` shows it.
pub struct UserLine {
    /// The name.
    pub name: String,
    /// The id: the `sub` of the user's tokens.
    pub id: String,
    /// Whether it is disabled.
    pub disabled: bool,
}

/// Runs a server until it is told to stop (SIGTERM, SIGINT). Calls `ready` once, as soon as it answers requests; if
/// that fails, it stops.
///
/// # Errors
/// [`Failure`] if it can't start or must stop by itself.
pub fn serve(start: Start, ready: &mut dyn FnMut() -> io::Result<()>) -> Outcome {
    let _ = (start, ready);
    not_wired()
}

/// The specification as JSON, pretty-printed.
///
/// # Errors
/// None in practice.
pub fn openapi() -> Outcome<String> {
    not_wired()
}

/// The signing keys, newest first.
///
/// # Errors
/// [`Failure`] if the folder can't be read or a key is not what it should be.
pub fn list_keys(installation: &Installation) -> Outcome<Vec<KeyLine>> {
    let _ = installation;
    not_wired()
}

/// Adds a signing key. With `compromised`, it replaces that key at once.
///
/// # Errors
/// [`Failure`] if there is no such key, or the folder can't be written.
pub fn rotate_keys(installation: &Installation, compromised: Option<&str>) -> Outcome<Rotated> {
    let _ = (installation, compromised);
    not_wired()
}

/// Adds a user and returns its id.
///
/// # Errors
/// [`Failure`] if the name is taken or not allowed, the password too weak, or a server has the folder open.
pub fn add_user(installation: &Installation, name: &str, password: &str) -> Outcome<String> {
    let _ = (installation, name, password);
    not_wired()
}

/// Sets a user's password and ends the user's sessions.
///
/// # Errors
/// As [`add_user`]; and if there is no such user.
pub fn set_password(installation: &Installation, name: &str, password: &str) -> Outcome {
    let _ = (installation, name, password);
    not_wired()
}

/// Disables a user and ends the user's sessions, or enables it again.
///
/// # Errors
/// As [`set_password`].
pub fn set_disabled(installation: &Installation, name: &str, disabled: bool) -> Outcome {
    let _ = (installation, name, disabled);
    not_wired()
}

/// Deletes a user: name, profile, password.
///
/// # Errors
/// As [`set_password`].
pub fn delete_user(installation: &Installation, name: &str) -> Outcome {
    let _ = (installation, name);
    not_wired()
}

/// Every user, by name.
///
/// # Errors
/// [`Failure`] if the folder can't be read, or a server has it open.
pub fn list_users(installation: &Installation) -> Outcome<Vec<UserLine>> {
    let _ = installation;
    not_wired()
}

fn not_wired<T>() -> Outcome<T> {
    Err(Failure::Failed("not wired yet".to_owned()))
}
