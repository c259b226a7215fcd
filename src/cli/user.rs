//! `heirloom user`: users, while no server has the folder open.

use std::io::{IsTerminal as _, Write};

use clap::{Args, Subcommand};

use super::installation::Which;
use super::{Failure, Outcome, offline, print_lines, prompt};

const PASSWORD: &str = "The password is asked for twice on the terminal, or read as one line from standard input. It is never an argument.";

/// The commands of `heirloom user`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a user
    #[command(after_help = PASSWORD)]
    Add(One),
    /// Set a user's password, and end all the user's sessions
    #[command(after_help = PASSWORD)]
    Password(One),
    /// Disable a user, and end all the user's sessions
    Disable(One),
    /// Enable a user again
    Enable(One),
    /// Delete a user: the name, the profile and the password are erased
    Delete {
        #[command(flatten)]
        one: One,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Show every user
    List {
        #[command(flatten)]
        which: Which,
    },
}

/// A user of an installation.
#[derive(Args)]
pub(super) struct One {
    /// The user's name
    name: String,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Outcome {
    match command {
        Command::Add(One { name, which }) => {
            let installation = which.find()?;
            let id = offline::add_user(&installation, &name, &prompt::new_password()?)?;
            say(out, &format!("added {name}, {id}"))
        }
        Command::Password(One { name, which }) => {
            let installation = which.find()?;
            offline::set_password(&installation, &name, &prompt::new_password()?)?;
            say(out, &format!("set the password of {name} and ended all sessions"))
        }
        Command::Disable(One { name, which }) => {
            offline::set_disabled(&which.find()?, &name, true)?;
            say(out, &format!("disabled {name} and ended all sessions"))
        }
        Command::Enable(One { name, which }) => {
            offline::set_disabled(&which.find()?, &name, false)?;
            say(out, &format!("enabled {name}"))
        }
        Command::Delete { one: One { name, which }, yes } => {
            let installation = which.find()?;
            if !yes {
                confirm(&name)?;
            }
            offline::delete_user(&installation, &name)?;
            say(out, &format!("deleted {name}"))
        }
        Command::List { which } => {
            let users = offline::list_users(&which.find()?)?;
            let line = |user: &crate::app::users::Listed| {
                let state = if user.active { "enabled " } else { "disabled" };
                format!("{}  {state}  {}", user.id, user.name)
            };
            print_lines(out, users.iter().map(line))
        }
    }
}

fn say(out: &mut dyn Write, text: &str) -> Outcome {
    print_lines(out, std::iter::once(text.to_owned()))
}

/// Deleting can't be undone: the name must be typed.
fn confirm(name: &str) -> Outcome {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("deleting can't be undone: say --yes".to_owned()));
    }
    if prompt::line("Type the name again to delete the user: ")?.trim() == name {
        return Ok(());
    }
    Err(Failure::Failed("that is another name; nothing was deleted".to_owned()))
}
