//! Calls the admin API for the commands: over the running server's socket, or, when no server runs, in this process on
//! the data folder. Both use the same endpoints, so a command does the same either way.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt as _, Response};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::accepted::Accepted;
use super::installation::InstallationFlags;
use super::{Failure, Outcome, operators, run, store};
use crate::app::App;
use crate::config::Config;
use crate::http::HttpSettings;
use crate::http::operations::operator;
use crate::user::Username;

/// A way to call the admin API of an installation.
pub(super) struct Administration {
    runtime: Runtime,
    way: Way,
}

enum Way {
    /// The socket of the running server.
    Socket(PathBuf),
    /// The endpoints on the data folder; no server runs.
    Folder(BoxEndpoint<'static, Response>),
}

impl Administration {
    /// Connects to the running server of an installation, or opens its data folder.
    ///
    /// # Errors
    /// [`Failure`] if neither works.
    pub(super) fn of(installation: &InstallationFlags) -> Outcome<Self> {
        Self::open(installation, false)
    }

    /// As [`Administration::of`], for the first user or client of an installation, which may come before the first
    /// start: with a configuration file it creates the store if there is none. The store of a demo is created by
    /// `heirloom dev` only.
    ///
    /// # Errors
    /// [`Failure`] if neither works.
    pub(super) fn begin(installation: &InstallationFlags) -> Outcome<Self> {
        Self::open(installation, !installation.is_demo())
    }

    fn open(installation: &InstallationFlags, new: bool) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Failed(format!("can't start: {error}")))?;
        let config = installation.config()?;
        let socket = operators::path(&config.data);
        if operators::runs(&socket)? {
            return Ok(Self { runtime, way: Way::Socket(socket) });
        }
        // A mistyped folder must not become a new, empty installation.
        if !new && !runtime.block_on(store::exists(&config))? {
            let begin = if installation.is_demo() {
                "`heirloom dev`"
            } else {
                "`heirloom serve`, or `heirloom user add`,"
            };
            let place = store::location(&config);
            let text = format!("there is no store in {place}: {begin} makes one; nothing was changed");
            return Err(Failure::Failed(text));
        }
        let (app, _) = runtime.block_on(run::open(&config, Accepted::default()))?;
        runtime.block_on(prepare(&app, &config))?;
        let endpoint = operator::endpoint(app, HttpSettings::default());
        let endpoint = endpoint.map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Self { runtime, way: Way::Folder(endpoint.boxed()) })
    }

    /// Calls an endpoint, and returns the answer's JSON, or null if it has no body.
    ///
    /// # Errors
    /// [`Failure`] with the server's message, if it refuses.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        self.answer((method, path), body)?.map_err(|(status, problem)| refused(status, &problem))
    }

    /// Calls an endpoint whose fields are flags of the command. `flag` returns the name of the flag that sets a field.
    ///
    /// # Errors
    /// [`Failure`] with the server's message about each flag, if it refuses.
    pub(super) fn call_by_flags(
        &self,
        call: (Method, &str),
        body: &Value,
        flag: fn(&str) -> String,
    ) -> Outcome<Value> {
        self.answer(call, Some(body))?.map_err(|(status, problem)| {
            let told = |error: &Value| format!("{}: {}", flag(text(error, "field")), text(error, "message"));
            let errors: Vec<String> = errors(&problem).map(told).collect();
            if errors.is_empty() { refused(status, &problem) } else { Failure::Failed(errors.join("\n")) }
        })
    }

    /// The answer's JSON, or null if it has no body; if the server refuses, the status and the problem document.
    fn answer(
        &self,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> Outcome<Result<Value, (StatusCode, Value)>> {
        let uri: Uri = path.parse().map_err(|_| Failure::Usage(format!("{path:?} is not a path")))?;
        let body = body.map(|body| Bytes::from(body.to_string()));
        let (status, bytes) = match &self.way {
            Way::Socket(socket) => {
                self.runtime.block_on(over(socket, (method, uri), body)).map_err(|error| {
                    Failure::Failed(format!("{}: the server did not answer: {error}", socket.display()))
                })?
            }
            Way::Folder(endpoint) => self
                .runtime
                .block_on(operator::ask(endpoint, (method, uri), body, operators::own_uid()))
                .map_err(|error| Failure::Failed(error.to_string()))?,
        };
        let answer = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(if status.is_success() { Ok(answer) } else { Err((status, answer)) })
    }

    /// All items of a list, read page by page. `key` is the list's name in the answer.
    ///
    /// # Errors
    /// As [`Administration::call`].
    pub(super) fn list(&self, path: &str, key: &str) -> Outcome<Vec<Value>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.call(Method::GET, &format!("{path}?limit=100{after}"), None)?;
            if let Some(Value::Array(items)) = page.get_mut(key).map(Value::take) {
                all.extend(items);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = format!("&after={}", escaped(next)),
                None => return Ok(all),
            }
        }
    }

    /// The API path of the user with this name.
    ///
    /// # Errors
    /// [`Failure`] if there is none.
    pub(super) fn user(&self, name: &str) -> Outcome<String> {
        let unknown = || Failure::Failed("There is no such account.".to_owned());
        let name = name.parse::<Username>().map_err(|error| Failure::Failed(error.to_string()))?;
        // Of all names with this prefix, the name itself sorts first.
        let path = format!("/admin/users?limit=1&prefix={}", escaped(name.as_str()));
        let page = self.call(Method::GET, &path, None)?;
        let user = page.pointer("/users/0").ok_or_else(unknown)?;
        if user.get("username").and_then(Value::as_str) != Some(name.as_str()) {
            return Err(unknown());
        }
        Ok(format!("/admin/users/{}", text(user, "id")))
    }
}

/// Prepares a store that no server of this machine has open. Where other nodes answer requests, they note what is to be
/// noted of the clock.
async fn prepare(app: &App, config: &Config) -> Outcome {
    let evidence = app.sweeper.clock_evidence().await;
    let beating = run::join(app).await?;
    if app.nodes.others_that_answer().is_empty() {
        app.sweeper.note_doubt(evidence).await;
    }
    let prepared = run::prepare(app, config, Accepted::default()).await;
    drop(beating);
    app.nodes.leave().await;
    prepared
}

/// Percent-encodes a text for a path or a query.
pub(super) fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A text field; empty if it is missing.
pub(super) fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Sends one request over a socket.
pub(super) async fn over(
    socket: &Path,
    (method, uri): (Method, Uri),
    body: Option<Bytes>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::net::UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = hyper::Request::builder().method(method).uri(uri).header(HOST, "localhost");
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let response = sender.send_request(request.body(Full::new(body.unwrap_or_default()))?).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    Ok((status, bytes))
}

/// The errors about single fields in a problem document.
fn errors(problem: &Value) -> impl Iterator<Item = &Value> {
    problem.get("errors").and_then(Value::as_array).into_iter().flatten()
}

/// The failure with the messages of a problem document.
fn refused(status: StatusCode, problem: &Value) -> Failure {
    let messages: Vec<&str> = errors(problem).map(|error| text(error, "message")).collect();
    let title = problem.get("title").or_else(|| problem.get("error_description")).and_then(Value::as_str);
    Failure::Failed(match (messages.as_slice(), title) {
        ([], Some(title)) => title.to_owned(),
        ([], None) => format!("the server answered {status}"),
        (messages, _) => messages.join(" "),
    })
}
