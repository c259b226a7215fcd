//! `heirloom client`: registers and changes clients, on a running server or in a data folder that no server has open.

use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::administration::{Administration, escaped, text};
use super::client_flags::{MetadataFlags, flag, metadata_json};
use super::installation::InstallationFlags;
use super::{Failure, Outcome, print_lines};
use crate::client::RawMetadata;
use crate::client::metadata::Field;

const SECRET: &str = "The secret is printed once and not stored.";

/// The commands of `heirloom client`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Register a client
    #[command(after_help = SECRET)]
    Add {
        #[command(flatten)]
        installation: InstallationFlags,
        /// Its id; generated if it is left out
        id: Option<String>,
        #[command(flatten)]
        metadata: Box<MetadataFlags>,
    },
    /// Show what is registered of a client, as JSON
    Show(ClientArgs),
    /// Give a client a new secret
    #[command(after_help = SECRET)]
    RotateSecret {
        #[command(flatten)]
        client: ClientArgs,
        /// How long the old secret stays valid, such as 12h
        #[arg(long, value_name = "TIME", default_value = "1day", value_parser = humantime::parse_duration)]
        overlap: Duration,
    },
    /// Disable a client, and end all its sessions
    Disable(ClientArgs),
    /// Enable a client again
    Enable(ClientArgs),
    /// End all of a client's sessions
    EndSessions(ClientArgs),
    /// Delete a client, and end all its sessions
    Delete {
        #[command(flatten)]
        client: ClientArgs,
        /// Don't ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Show every client
    List {
        #[command(flatten)]
        installation: InstallationFlags,
    },
}

/// Names a client of an installation.
#[derive(Args)]
pub(super) struct ClientArgs {
    /// The client's id
    id: String,
    #[command(flatten)]
    installation: InstallationFlags,
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Outcome {
    let said = match command {
        Command::Add { installation, id, metadata } => {
            let mut new = metadata_json(&RawMetadata::from(*metadata))?;
            new.extend(id.map(|id| (Field::ClientId.name().to_owned(), json!(id))));
            let new = Value::Object(new);
            let administration = Administration::begin(&installation)?;
            let client = administration.call_by_flags((Method::POST, "/admin/clients"), &new, flag)?;
            let secret = text(&client, "client_secret");
            let secret = if secret.is_empty() { String::new() } else { format!(", its secret: {secret}") };
            format!("added {}{secret}", text(&client, "id"))
        }
        Command::Show(client) => {
            let client = client.call((Method::GET, ""), None)?;
            let pretty = serde_json::to_string_pretty(&client).unwrap_or_default();
            return print_lines(out, pretty.lines().map(str::to_owned));
        }
        Command::RotateSecret { client, overlap } => {
            let body = json!({"overlap": overlap.as_secs()});
            let new = client.call((Method::POST, "/secret"), Some(&body))?;
            let (secret, until) = (text(&new, "client_secret"), text(&new, "old_expires_at"));
            format!("the new secret of {}: {secret}; the old one is valid until {until}", client.id)
        }
        Command::Disable(client) => {
            client.call((Method::POST, "/disable"), None)?;
            format!("disabled {} and ended all sessions", client.id)
        }
        Command::Enable(client) => {
            client.call((Method::POST, "/enable"), None)?;
            format!("enabled {}", client.id)
        }
        Command::EndSessions(client) => {
            client.call((Method::DELETE, "/sessions"), None)?;
            format!("ended all sessions of {}", client.id)
        }
        Command::Delete { yes: false, .. } => {
            return Err(Failure::Usage("deleting can't be undone: give --yes".to_owned()));
        }
        Command::Delete { client, yes: true } => {
            client.call((Method::DELETE, ""), None)?;
            format!("deleted {}", client.id)
        }
        Command::List { installation } => {
            let clients = Administration::of(&installation)?.list("/admin/clients", "clients")?;
            return print_lines(out, clients.iter().map(line));
        }
    };
    print_lines(out, std::iter::once(said))
}

impl ClientArgs {
    /// Calls an endpoint of the client: `below` is the rest of the path.
    fn call(&self, (method, below): (Method, &str), body: Option<&Value>) -> Outcome<Value> {
        let path = format!("/admin/clients/{}{below}", escaped(&self.id));
        Administration::of(&self.installation)?.call(method, &path, body)
    }
}

fn line(client: &Value) -> String {
    let state = if text(client, "status") == "active" { "enabled " } else { "disabled" };
    let from = if client.get("declared") == Some(&Value::Bool(true)) { "declared  " } else { "registered" };
    format!("{:12}  {state}  {from}  {}  {}", text(client, "type"), text(client, "id"), text(client, "name"))
        .trim_end()
        .to_owned()
}
