//! `heirloom user`: adds and changes users, on a running server or in a data folder that no server has open.

use std::io::{IsTerminal as _, Write};

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::administration::{Administration, text};
use super::installation::InstallationFlags;
use super::{Failure, Outcome, print_lines, prompt};

const PASSWORD: &str = "The password is asked for twice on the terminal, or read as one line from standard input. It is never an argument.";

/// The commands of `heirloom user`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a user
    #[command(after_help = PASSWORD)]
    Add {
        #[command(flatten)]
        user: UserArgs,
        /// A role of the user; may be given several times
        #[arg(long, value_name = "ROLE")]
        role: Vec<String>,
    },
    /// Set a user's password, and end all the user's sessions
    #[command(after_help = PASSWORD)]
    Password(UserArgs),
    /// Set a user's roles, replacing all that the user had
    Roles {
        #[command(flatten)]
        user: UserArgs,
        /// The roles; without any, the user has none
        roles: Vec<String>,
    },
    /// Disable a user, and end all the user's sessions
    Disable(UserArgs),
    /// Enable a user again
    Enable(UserArgs),
    /// End all of a user's sessions
    EndSessions(UserArgs),
    /// Delete a user: the name, the profile and the password are erased
    Delete {
        #[command(flatten)]
        user: UserArgs,
        /// Don't ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Show every user
    List {
        #[command(flatten)]
        installation: InstallationFlags,
    },
}

/// Names a user of an installation.
#[derive(Args)]
pub(super) struct UserArgs {
    /// The user's name
    name: String,
    #[command(flatten)]
    installation: InstallationFlags,
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Outcome {
    let said = match command {
        Command::Add { user: UserArgs { name, installation }, role } => {
            let administration = Administration::begin(&installation)?;
            let password = prompt::new_password()?;
            let new = json!({"username": name, "password": &*password, "roles": role});
            let user = administration.call(Method::POST, "/admin/users", Some(&new))?;
            format!("added {name}, {}", text(&user, "id"))
        }
        Command::Password(user) => {
            let administration = Administration::of(&user.installation)?;
            let body = json!({"password": &*prompt::new_password()?});
            user.call(&administration, (Method::PUT, "/password"), Some(&body))?;
            format!("set the password of {} and ended all sessions", user.name)
        }
        Command::Roles { user, roles } => {
            let body = json!({"roles": roles});
            user.call(&Administration::of(&user.installation)?, (Method::PUT, "/roles"), Some(&body))?;
            format!("the roles of {} are: {}", user.name, roles.join(" "))
        }
        Command::Disable(user) => {
            user.call(&Administration::of(&user.installation)?, (Method::POST, "/disable"), None)?;
            format!("disabled {} and ended all sessions", user.name)
        }
        Command::Enable(user) => {
            user.call(&Administration::of(&user.installation)?, (Method::POST, "/enable"), None)?;
            format!("enabled {}", user.name)
        }
        Command::EndSessions(user) => {
            user.call(&Administration::of(&user.installation)?, (Method::DELETE, "/sessions"), None)?;
            format!("ended all sessions of {}", user.name)
        }
        Command::Delete { user, yes } => {
            if !yes {
                confirm(&user.name)?;
            }
            user.call(&Administration::of(&user.installation)?, (Method::DELETE, ""), None)?;
            format!("deleted {}", user.name)
        }
        Command::List { installation } => {
            let users = Administration::of(&installation)?.list("/admin/users", "users")?;
            return print_lines(out, users.iter().map(line));
        }
    };
    print_lines(out, std::iter::once(said))
}

impl UserArgs {
    /// Calls an endpoint of the user: `below` is the rest of the path.
    fn call(
        &self,
        administration: &Administration,
        (method, below): (Method, &str),
        body: Option<&Value>,
    ) -> Outcome<Value> {
        let user = administration.user(&self.name)?;
        administration.call(method, &format!("{user}{below}"), body)
    }
}

fn line(user: &Value) -> String {
    let state = if text(user, "status") == "active" { "enabled " } else { "disabled" };
    let roles = user.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let roles = roles.collect::<Vec<_>>().join(" ");
    format!("{}  {state}  {}  {roles}", text(user, "id"), text(user, "username")).trim_end().to_owned()
}

/// Asks the operator to type the name again, since deleting can't be undone.
fn confirm(name: &str) -> Outcome {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("deleting can't be undone: give --yes".to_owned()));
    }
    if prompt::line("Type the name again to delete the user: ")?.trim() == name {
        return Ok(());
    }
    Err(Failure::Failed("that is another name; nothing was deleted".to_owned()))
}
