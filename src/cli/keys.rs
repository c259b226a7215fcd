//! `heirloom keys`: the signing keys.

use std::io::Write;

use clap::Subcommand;

use super::installation::Which;
use super::{Outcome, log, offline, print, print_lines};
use crate::token::KeyState;
use crate::token::rotate::KeyInfo;

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
            let keys = offline::list_keys(&which.find()?)?;
            print_lines(out, keys.iter().map(line))
        }
        Command::Rotate { which, compromised } => {
            let (new, signs_from) = offline::rotate_keys(&which.find()?, compromised.as_deref())?;
            let withdrawn = compromised.map(|kid| format!("{kid} is withdrawn\n")).unwrap_or_default();
            print(out, &log::escaped(&format!("{} signs from {}\n{withdrawn}", new.kid, signs_from)))
        }
    }
}

fn line(key: &KeyInfo) -> String {
    let kid = key.kid.map_or_else(|| "unknown".to_owned(), |kid| kid.to_string());
    let state = match key.state {
        KeyState::Pending { signs_at } => format!("published, signs from {signs_at}"),
        KeyState::Signing => "signs".to_owned(),
        KeyState::Published { until } => format!("published until {until}"),
        KeyState::Retired => format!("retired: {} may be deleted", key.file),
        KeyState::Compromised => "compromised: destroyed".to_owned(),
    };
    format!("{kid:43}  {}  {state}", key.created)
}
