//! Asks the running server, over its operators' socket, which keys it uses: a change of the keys folder does not prove
//! that the server has picked it up.

use std::path::Path;

use hyper::Method;
use serde_json::Value;

use super::administration::{over, text};
use super::operators::runs;
use super::{Failure, Outcome, operators};
use crate::http::operations::operator::KEYS;

/// What is known of a running server.
pub(super) enum Running {
    /// No server runs on the data folder.
    No,
    /// There may be one; the text says why that is unknown.
    Unknown(String),
    /// The server's answer about its keys.
    Answered(Value),
}

impl Running {
    /// Makes the server on a data folder read its keys folder again and report its keys.
    pub(super) fn on(data: &Path) -> Self {
        match ask(data) {
            Ok(Some(keys)) => Self::Answered(keys),
            Ok(None) => Self::No,
            Err(failure) => Self::Unknown(failure.to_string()),
        }
    }

    /// After a signing key was made and perhaps another destroyed: the report of what the server does now.
    ///
    /// # Errors
    /// [`Failure`] if the server still uses the old key, or does not publish the new one.
    pub(super) fn after_signing(&self, new: &str, destroyed: Option<&str>) -> Outcome<String> {
        let Self::Answered(keys) = self else { return Ok(self.without_answer()) };
        let publishes = |kid: &str| list(keys, "published").any(|published| published.as_str() == Some(kid));
        let signer = text(keys, "signer");
        match destroyed {
            Some(old) if publishes(old) => Err(wrong(keys, &format!("still accepts tokens of {old}"))),
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

    /// After a refresh secret was made and perhaps another destroyed: the report of what the server does now.
    ///
    /// # Errors
    /// As [`Running::after_signing`].
    pub(super) fn after_refresh_secret(&self, new: Option<u8>, destroyed: Option<u8>) -> Outcome<String> {
        let Self::Answered(keys) = self else { return Ok(self.without_answer()) };
        let ids: Vec<u64> = list(keys, "refresh_secrets").filter_map(Value::as_u64).collect();
        let has = |id: u8| ids.contains(&u64::from(id));
        match (new, destroyed) {
            (_, Some(old)) if has(old) => {
                Err(wrong(keys, &format!("still accepts refresh tokens of refresh secret {old}")))
            }
            (Some(new), _) if !has(new) => Err(wrong(keys, &format!("does not know refresh secret {new}"))),
            (_, _) => {
                let newest = ids.last().map_or_else(|| "none".to_owned(), ToString::to_string);
                Ok(format!("the running server makes refresh tokens by refresh secret {newest}\n"))
            }
        }
    }

    fn without_answer(&self) -> String {
        match self {
            Self::No => "no server runs on the data folder: the next start uses it\n".to_owned(),
            Self::Unknown(why) => format!("can't find out whether a running server uses it: {why}\n"),
            Self::Answered(_) => String::new(),
        }
    }
}

fn list<'a>(keys: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    keys.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The failure that says how the server differs from what it should do.
fn wrong(keys: &Value, what: &str) -> Failure {
    let problems: Vec<_> = list(keys, "problems").filter_map(Value::as_str).collect();
    let why = if problems.is_empty() { "see its log".to_owned() } else { problems.join("; ") };
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
