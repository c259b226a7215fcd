//! What the running server makes of its keys folder, asked over the operators' socket: what a command has put there is one
//! thing, what the server does is another.

use std::path::Path;

use hyper::Method;
use serde_json::Value;

use super::administration::{over, text};
use super::operators::runs;
use super::{Failure, Outcome, operators};
use crate::http::operations::operator::KEYS;

/// A server beside this command.
pub(super) enum Running {
    /// There is none on the data folder.
    No,
    /// There may be one; why it can't be told.
    Unknown(String),
    /// What it says of its keys.
    Says(Value),
}

impl Running {
    /// Has the server on a data folder look at its keys.
    pub(super) fn on(data: &Path) -> Self {
        match ask(data) {
            Ok(Some(keys)) => Self::Says(keys),
            Ok(None) => Self::No,
            Err(failure) => Self::Unknown(failure.to_string()),
        }
    }

    /// After a signing key was made, and another destroyed: what the server does now.
    ///
    /// # Errors
    /// [`Failure`] if it does something else than the command has said.
    pub(super) fn after_signing(&self, new: &str, destroyed: Option<&str>) -> Outcome<String> {
        let Self::Says(keys) = self else { return Ok(self.without_a_word()) };
        let publishes = |kid: &str| list(keys, "published").any(|published| published.as_str() == Some(kid));
        let signer = text(keys, "signer");
        match destroyed {
            Some(old) if publishes(old) => Err(wrong(keys, &format!("still takes tokens by {old}"))),
            _ if !publishes(new) => {
                let by = if signer.is_empty() {
                    "can't sign at all".to_owned()
                } else {
                    format!("signs by {signer}")
                };
                Err(wrong(keys, &format!("does not publish {new}, and {by}")))
            }
            Some(old) => Ok(format!("the running server has withdrawn {old} and signs by {signer}\n")),
            None => Ok(format!("the running server publishes it, and signs by {signer}\n")),
        }
    }

    /// After a refresh secret was made, and another destroyed: what the server does now.
    ///
    /// # Errors
    /// As [`Running::after_signing`].
    pub(super) fn after_refresh_secret(&self, new: Option<u8>, destroyed: Option<u8>) -> Outcome<String> {
        let Self::Says(keys) = self else { return Ok(self.without_a_word()) };
        let ids: Vec<u64> = list(keys, "refresh_secrets").filter_map(Value::as_u64).collect();
        let has = |id: u8| ids.contains(&u64::from(id));
        match (new, destroyed) {
            (_, Some(old)) if has(old) => {
                Err(wrong(keys, &format!("still takes refresh tokens by refresh secret {old}")))
            }
            (Some(new), _) if !has(new) => Err(wrong(keys, &format!("does not know refresh secret {new}"))),
            (_, _) => {
                let newest = ids.last().map_or_else(|| "none".to_owned(), ToString::to_string);
                Ok(format!("the running server makes refresh tokens by refresh secret {newest}\n"))
            }
        }
    }

    fn without_a_word(&self) -> String {
        match self {
            Self::No => "no server runs on the data folder: the next start goes by it\n".to_owned(),
            Self::Unknown(why) => format!("whether a running server has taken it in can't be told: {why}\n"),
            Self::Says(_) => String::new(),
        }
    }
}

fn list<'a>(keys: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    keys.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The server does something else than it should.
fn wrong(keys: &Value, what: &str) -> Failure {
    let problems: Vec<_> = list(keys, "problems").filter_map(Value::as_str).collect();
    let why = if problems.is_empty() { "its log says why".to_owned() } else { problems.join("; ") };
    Failure::Failed(format!("the running server {what}: {why}"))
}

fn ask(data: &Path) -> Outcome<Option<Value>> {
    let socket = operators::path(data);
    if !runs(&socket)? {
        return Ok(None);
    }
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Failed(format!("{}: the server did not answer: {error}", socket.display()))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let request = (Method::POST, hyper::Uri::from_static(KEYS));
    let (status, bytes) = runtime.block_on(over(&socket, request, None)).map_err(|error| failed(&error))?;
    if !status.is_success() {
        return Err(failed(&status));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(&error))
}
