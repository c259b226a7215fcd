//! `heirloom data`: checks a data folder without a server.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::installation::InstallationFlags;
use super::{Failure, Outcome, print, print_lines, store};
use crate::client::state as client;
use crate::session::state as session;
use crate::store::{StoreLocation, Verification};
use crate::user::state as user;

/// The commands of `heirloom data`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Verify a data folder, or a copy of one, without changing anything in it
    #[command(
        after_help = "Exit code 0: the store would open, and every checksum in it is right. 1: not so."
    )]
    Verify {
        /// The data folder or the copy [default: that of the installation]
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        #[command(flatten)]
        installation: InstallationFlags,
        /// Print the result as one line of JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Outcome {
    let Command::Verify { folder, installation, json } = command;
    let (folder, location) = if let Some(folder) = folder {
        (folder.clone(), StoreLocation::Folder(folder))
    } else {
        let installation = installation.find()?;
        let location = store::location_of(&installation.store, &installation.data);
        (installation.data, location)
    };
    let found = location.verify().map_err(|error| Failure::Failed(error.to_string()))?;
    if json {
        print(out, &format!("{}\n", as_json(&folder, &found)))?;
    } else {
        print_lines(out, lines(&folder, &found).into_iter())?;
    }
    match &found.refused {
        _ if found.is_whole() => Ok(()),
        Some(why) => Err(Failure::Failed(why.clone())),
        None => Err(Failure::Failed(format!("{} has damaged rows", folder.display()))),
    }
}

fn as_json(folder: &Path, found: &Verification) -> serde_json::Value {
    json!({
        "folder": folder,
        "whole": found.is_whole(),
        "refused": found.refused,
        "position": found.position,
        "mark": found.mark,
        "events": found.events,
        "sessions": streams(found, session::CATEGORY),
        "users": streams(found, user::CATEGORY),
        "clients": streams(found, client::CATEGORY),
        "records": found.records,
        "segments": found.segments,
        "messages": found.messages,
        "damaged_rows": found.damaged_rows,
        "made_again_at_start": found.remade,
    })
}

fn lines(folder: &Path, found: &Verification) -> Vec<String> {
    let verdict = if found.is_whole() { "whole" } else { "NOT whole" };
    let mark = found.mark.map_or_else(|| "none that can be read".to_owned(), |mark| mark.to_string());
    let [sessions, users, clients] =
        [session::CATEGORY, user::CATEGORY, client::CATEGORY].map(|category| streams(found, category));
    let mut lines = vec![
        format!("{}: {verdict}", folder.display()),
        format!("the log ends at {}; its mark: {mark}", found.position),
        format!("{} events, {sessions} sessions, {users} users, {clients} clients", found.events),
        format!("{} records, {} segments, {} messages", found.records, found.segments, found.messages),
    ];
    lines.extend(found.damaged_rows.iter().map(|row| format!("damaged: the row {row}")));
    let remade = found.remade.iter();
    lines.extend(remade.map(|file| format!("damaged: {}; the next start makes it again", file.display())));
    lines
}

fn streams(found: &Verification, category: u8) -> u64 {
    found.streams.iter().find(|(there, _)| *there == category).map_or(0, |(_, count)| *count)
}
