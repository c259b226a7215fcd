//! `heirloom serve`: production.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;

use clap::Args;

use super::run::{self, Start};
use super::{Failure, Outcome, bind, demo, log, print};
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
    /// Check the configuration and start nothing
    #[arg(long)]
    check: bool,
    /// Take the store as it is although its mark is missing: after a restore from a backup without it
    #[arg(long)]
    accept_missing_mark: bool,
    /// Who issues the tokens: the URL that clients use
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
    /// How log lines look: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Which log lines are written, such as "info" or "warn,heirloom=debug"
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
}

pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Outcome {
    let (check, accept_missing_mark) = (arguments.check, arguments.accept_missing_mark);
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
        for warning in config.warnings() {
            print(out, &format!("warning: {warning}\n"))?;
        }
        let found = format!("issuer {}, {} clients", config.issuer, config.clients.len());
        return print(out, &log::escaped(&format!("{}: no mistakes; {found}\n", file.display())));
    }
    log::start(&config.log)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let sockets = listen(&config)?;
    let issuer = config.issuer.clone();
    run::serve(Start { config, sockets, demo: Vec::new(), filled_in: None, accept_missing_mark }, &mut || {
        tracing::info!(issuer, "listening");
        Ok(())
    })
}

/// The file, the environment, and the flags that were given.
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
