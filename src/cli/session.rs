//! `heirloom session`: shows and ends sessions, on a running server or in a data folder that no server has open.

use std::io::Write;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::Value;

use super::administration::{Administration, escaped, text};
use super::installation::InstallationFlags;
use super::{Outcome, print_lines};

/// The commands of `heirloom session`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Show the sessions of a user or a client
    List {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        installation: InstallationFlags,
    },
    /// Show a session, as JSON
    Show(SessionArgs),
    /// End a session
    End(SessionArgs),
}

/// Selects sessions by user or by client.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Of {
    /// Those of the user with this name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Those of the client with this id
    #[arg(long, value_name = "ID")]
    client: Option<String>,
}

/// Names a session of an installation.
#[derive(Args)]
pub(super) struct SessionArgs {
    /// The session's id
    id: String,
    #[command(flatten)]
    installation: InstallationFlags,
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Outcome {
    match command {
        Command::List { of, installation } => {
            let administration = Administration::of(&installation)?;
            let of = match (of.user, of.client) {
                (Some(name), _) => administration.user(&name)?,
                (None, id) => format!("/admin/clients/{}", escaped(&id.unwrap_or_default())),
            };
            let sessions = administration.list(&format!("{of}/sessions"), "sessions")?;
            print_lines(out, sessions.iter().map(line))
        }
        Command::Show(session) => {
            let session = session.call(Method::GET)?;
            let pretty = serde_json::to_string_pretty(&session).unwrap_or_default();
            print_lines(out, pretty.lines().map(str::to_owned))
        }
        Command::End(session) => {
            session.call(Method::DELETE)?;
            print_lines(out, std::iter::once(format!("ended {}", session.id)))
        }
    }
}

impl SessionArgs {
    fn call(&self, method: Method) -> Outcome<Value> {
        let path = format!("/admin/sessions/{}", escaped(&self.id));
        Administration::of(&self.installation)?.call(method, &path, None)
    }
}

fn line(session: &Value) -> String {
    let reason = text(session, "reason");
    let state = if reason.is_empty() { "live".to_owned() } else { format!("ended: {reason}") };
    let (id, client, at) = (text(session, "id"), text(session, "client"), text(session, "started_at"));
    format!("{id}  {at}  {client}  {state}")
}
