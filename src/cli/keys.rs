//! `heirloom keys`: the signing keys.

use std::io::Write;

use clap::Subcommand;

use super::installation::Which;
use super::{Outcome, log, print, print_lines, seams};

/// The commands of `heirloom keys`. A running server sees the folder change: it needs no restart.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Show the signing keys, newest first
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Add a signing key; it is published at once and signs after the lead time
    Rotate {
        #[command(flatten)]
        which: Which,
        /// Replace this key at once and withdraw it: what it has signed is refused from then on
        #[arg(long, value_name = "KID", allow_hyphen_values = true)]
        compromised: Option<String>,
    },
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Outcome {
    match command {
        Command::List { which } => {
            let keys = seams::list_keys(&which.find()?)?;
            let lines = keys.iter().map(|key| format!("{}  {}  {}", key.kid, key.created, key.state));
            print_lines(out, lines)
        }
        Command::Rotate { which, compromised } => {
            let new = seams::rotate_keys(&which.find()?, compromised.as_deref())?;
            let withdrawn = compromised.map(|kid| format!("{kid} is withdrawn\n")).unwrap_or_default();
            print(out, &log::escaped(&format!("{} signs from {}\n{withdrawn}", new.kid, new.signs_from)))
        }
    }
}
