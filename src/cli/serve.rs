//! `heirloom serve`: runs a server in production.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clap::Args;

use super::accepted::Accepted;
use super::run::{self, Start};
use super::{Failure, Outcome, bind, check, demo, log, print_lines};
use crate::config::{Config, Flag, Sources};

/// The arguments of `heirloom serve`.
#[derive(Args)]
#[command(
    after_help = "An environment variable such as HEIRLOOM__TOKENS__ACCESS_TOKEN wins over the file, and a \
    flag over both. examples/heirloom.toml shows every setting."
)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration, the keys, the certificate and the ports; start nothing and change nothing
    #[arg(long)]
    check: bool,
    /// Start although the store's mark is missing: after a restore from a backup without it
    #[arg(long)]
    accept_missing_mark: bool,
    /// The data were restored from a backup: accept them and end every session; give it for one start only
    #[arg(long, conflicts_with = "check")]
    restored: bool,
    /// The issuer: the URL that clients use
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Where to listen; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// The folder of the store
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The folder of the keys
    #[arg(long, value_name = "DIR")]
    keys: Option<String>,
    /// The format of log lines: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Which log lines are written, such as "info" or "warn,heirloom=debug"
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
}

pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Outcome {
    let check = arguments.check;
    let accept = Accepted { missing_mark: arguments.accept_missing_mark, restored: arguments.restored };
    let file = arguments.config.clone();
    let config = Config::load(&sources(arguments))?;
    if demo::is_demo(&config.data) {
        return Err(Failure::Usage(format!(
            "{} was made by `heirloom dev`: it has a demo user, and its credentials lie in {}. Name a new folder, in \
             [data] or with --data",
            config.data.display(),
            demo::FILE
        )));
    }
    if check {
        return report(&config, &file, out);
    }
    log::start(&config.log)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let sockets = listen(&config)?;
    let issuer = config.issuer.clone();
    run::serve(Start { config, sockets, demo: Vec::new(), filled_in: None, accept }, &mut || {
        tracing::info!(issuer, "listening");
        Ok(())
    })
}

/// Prints the findings of `--check`.
fn report(config: &Config, file: &Path, out: &mut dyn Write) -> Outcome {
    let found = check::check(config);
    let warnings = config.warnings().into_iter().chain(found.warnings).map(|text| format!("warning: {text}"));
    let unchecked = found.unchecked.into_iter().map(|text| format!("not checked: {text}"));
    print_lines(out, warnings.chain(unchecked))?;
    if !found.problems.is_empty() {
        return Err(Failure::Failed(found.problems.join("\n")));
    }
    let said = format!("issuer {}, {} clients", config.issuer, config.clients.len());
    print_lines(out, std::iter::once(format!("{}: no mistakes; {said}", file.display())))
}

/// The configuration's sources: the file, the environment, and the given flags.
fn sources(arguments: Arguments) -> Sources {
    let listen = (!arguments.listen.is_empty()).then(|| arguments.listen.join(","));
    let given = [
        ("--issuer", "issuer", arguments.issuer),
        ("--listen", "server.listen", listen),
        ("--data", "data.folder", arguments.data),
        ("--keys", "keys.folder", arguments.keys),
        ("--log-format", "log.format", arguments.log_format),
        ("--log-filter", "log.filter", arguments.log_filter),
    ];
    let flags =
        given.into_iter().filter_map(|(name, setting, value)| Some(Flag { name, setting, value: value? }));
    Sources::of_process(arguments.config, flags.collect())
}

fn listen(config: &Config) -> Outcome<Vec<TcpListener>> {
    let bind = |address: &std::net::SocketAddr| {
        let failed = |error| Failure::Failed(format!("can't listen on {address}: {error}"));
        bind(*address).map_err(failed)
    };
    config.server.listen.iter().map(bind).collect()
}
