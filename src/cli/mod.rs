//! The command line: one file for each command.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 an error in the
//! command line or the configuration.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigErrors;

mod accepted;
mod administration;
mod certificate;
mod check;
mod client;
mod client_flags;
mod data;
mod data_position;
pub mod demo;
mod dev;
mod error_text;
mod installation;
mod keyring;
mod keys;
mod known_keys;
pub mod log;
mod migrate;
mod nodes;
mod offline;
mod openapi;
mod operators;
mod prompt;
mod run;
mod running;
mod sealed_keys;
mod serve;
mod session;
mod store;
mod user;

pub use dev::Announcement;
pub use installation::Installation;

/// An OAuth 2 authorization server in one binary.
#[derive(Parser)]
#[command(name = "heirloom", version, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = "To begin: `heirloom dev`, and paste the two lines that it prints.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try it: a server on this machine only, with a demo user and two demo clients
    Dev(dev::Arguments),
    /// Run it in production, with a configuration file
    Serve(serve::Arguments),
    /// Make or upgrade the tables in a PostgreSQL database
    Migrate(migrate::Arguments),
    /// Print the OpenAPI specification
    Openapi,
    /// Show and rotate the signing keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Add, change and remove users
    #[command(subcommand)]
    User(user::Command),
    /// Register, change and remove clients
    #[command(subcommand)]
    Client(client::Command),
    /// Show and end sessions
    #[command(subcommand)]
    Session(session::Command),
    /// Show the processes that answer requests on the store
    Nodes(installation::InstallationFlags),
    /// Verify a data folder
    #[command(subcommand)]
    Data(data::Command),
}

/// Why a command failed. The messages are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration has errors: exit code 2.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The command line is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The command failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// A file or folder can't be used: exit code 1.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// The path of the file or folder.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
    /// Standard output can't be written. A closed pipe is no failure: its reader has read enough.
    #[error("standard output: {0}")]
    Output(io::Error),
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// The exit code: 1 or 2; 0 for a closed pipe.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Failed(_) | Self::File { .. } | Self::Output(_) => 1,
        }
    }
}

/// Runs the command in this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // If standard error can't be written either, nobody can be informed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let Err(failure) = run(arguments.command, &mut io::stdout()) else { return ExitCode::SUCCESS };
    let code = failure.exit_code();
    if code != 0 {
        // Configuration errors begin with their file and line, so that editors can jump there.
        let name = if matches!(failure, Failure::Config(_)) { "" } else { "heirloom: " };
        let _ = writeln!(io::stderr(), "{}", log::escaped(&format!("{name}{failure}")));
    }
    ExitCode::from(code)
}

fn run(command: Command, out: &mut dyn Write) -> Outcome {
    match command {
        Command::Dev(arguments) => dev::run(&arguments, out),
        Command::Serve(arguments) => serve::run(arguments, out),
        Command::Migrate(arguments) => migrate::run(&arguments, out),
        Command::Openapi => openapi::run(out),
        Command::Keys(command) => keys::run(command, out),
        Command::User(command) => user::run(command, out),
        Command::Client(command) => client::run(command, out),
        Command::Session(command) => session::run(command, out),
        Command::Nodes(installation) => nodes::run(&installation, out),
        Command::Data(command) => data::run(command, out),
    }
}

/// Binds a socket with the long queue of [`http::server::bind`](crate::http::server::bind). The commands call it first,
/// so that a port in use stops the start before any folder is changed.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    // The socket outlives this runtime, which is needed only to create it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    crate::http::server::bind(address)?.into_std()
}

/// Writes a result and flushes it.
fn print(out: &mut dyn Write, text: &str) -> Outcome {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes lines, each escaped so that it stays one line.
fn print_lines(out: &mut dyn Write, lines: impl Iterator<Item = String>) -> Outcome {
    let mut text = String::new();
    for line in lines {
        text.push_str(&log::escaped(&line).replace('\n', "\\u000a"));
        text.push('\n');
    }
    print(out, &text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }
}
