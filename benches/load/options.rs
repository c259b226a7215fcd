//! The options on the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, ValueEnum};
use url::Url;

use super::bare::Bare;

/// Measures an OAuth server under load, beside the limits of this machine: heirloom, or a server that runs already
#[derive(Parser)]
pub(crate) struct Options {
    /// One round of one second a row, and small stores: for CI
    #[arg(long)]
    quick: bool,
    /// How many rounds each row is measured; the table shows medians [default: 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Seconds a row [default: 5]
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
    /// The numbers of sessions in the rows about many sessions [default: 1k,100k,1M]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = parse_size)]
    sizes: Option<Vec<usize>>,
    /// How many refreshes to make before the disk is measured, and how many more before it is measured again [default:
    /// 300k]
    #[arg(long, value_name = "N", value_parser = parse_size)]
    disk_refreshes: Option<usize>,
    /// Keep the sessions that are made before the start in DIR, and use them in the next run
    #[arg(long, value_name = "DIR")]
    pub(crate) seeds: Option<PathBuf>,
    /// Where sessions are: `postgres` measures refreshes by nodes on a database, which it starts itself, beside the embedded
    /// store
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["only", "target"])]
    pub(crate) store: StoreKind,
    /// Only the row of this name, or all rows whose names contain this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Write all figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
    /// Given by `cargo bench`; without it, as in `cargo test --benches`, nothing is measured
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// Run as a server that knows no OAuth
    #[arg(long, hide = true, requires_all = ["library", "folder"])]
    pub(crate) bare: Option<Bare>,
    /// The library that this server signs with
    #[arg(long, hide = true, default_value = "")]
    pub(crate) library: String,
    /// The folder that this server stores in
    #[arg(long, hide = true, default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Where sessions are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// In the embedded store.
    #[default]
    Sled,
    /// In a PostgreSQL database.
    Postgres,
}

/// A server other than the one of this crate.
#[derive(Args)]
#[command(next_help_heading = "Another server")]
pub(crate) struct TargetOptions {
    /// Drive the server with this issuer, which runs already, on plain http
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<Url>,
    /// The id of a client that is registered there for the password and the refresh token grant
    #[arg(long, value_name = "ID", requires = "target")]
    pub(crate) client_id: Option<String>,
    /// The client's secret, if it has one
    #[arg(long, value_name = "SECRET", requires = "target")]
    pub(crate) client_secret: Option<String>,
    /// Send the secret in the form instead of the header
    #[arg(long, requires = "client_secret")]
    pub(crate) secret_in_body: bool,
    /// The name of a user; several users sign in by turns, all with one password
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', requires = "target")]
    pub(crate) username: Vec<String>,
    /// The password
    #[arg(long, value_name = "PASSWORD", requires = "target")]
    pub(crate) password: Option<String>,
    /// The scope to ask for
    #[arg(long, value_name = "SCOPE", requires = "target")]
    pub(crate) scope: Option<String>,
    /// The path of the token endpoint, if the server has no metadata
    #[arg(long, value_name = "PATH", requires = "target")]
    pub(crate) token_path: Option<String>,
    /// The id of its process, if it is on this machine: then its CPU time and its memory are measured, too
    #[arg(long, value_name = "PID", requires = "target")]
    pub(crate) pid: Option<u32>,
}

impl Options {
    /// How many rounds each row is measured.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }

    /// How long a row takes.
    pub(crate) fn length(&self) -> anyhow::Result<Duration> {
        let seconds = self.seconds.unwrap_or(if self.quick { 1.0 } else { 5.0 });
        Duration::try_from_secs_f64(seconds).context("--seconds")
    }

    /// The numbers of sessions in the rows about many sessions, sorted.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let usual: &[usize] = if self.quick { &[1000, 20_000] } else { &[1000, 100_000, 1_000_000] };
        let mut sizes = self.sizes.clone().unwrap_or_else(|| usual.to_vec());
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// How many refreshes are made before the disk is measured.
    pub(crate) fn disk_refreshes(&self) -> u64 {
        self.disk_refreshes.unwrap_or(if self.quick { 5000 } else { 300_000 }) as u64
    }

    /// Checks that each `--only` names one of the rows `names`.
    pub(crate) fn check(&self, names: &[String]) -> anyhow::Result<()> {
        for text in &self.only {
            let found = names.iter().any(|name| name.contains(text));
            anyhow::ensure!(found, "--only {text:?}: no row is named so; there are {}", names.join("; "));
        }
        Ok(())
    }

    /// Whether the row `name`, one of `names`, is to be measured.
    pub(crate) fn wants(&self, name: &str, names: &[String]) -> bool {
        let exact = |text| names.contains(text);
        let wanted = |text| if exact(text) { name == text } else { name.contains(text) };
        self.only.is_empty() || self.only.iter().any(wanted)
    }
}

/// A number that may end in `k` or `M`.
fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.trim().split_at_checked(text.trim().len().saturating_sub(1)) {
        Some((digits, "k")) => (digits, 1000),
        Some((digits, "M")) => (digits, 1_000_000),
        Some(_) | None => (text.trim(), 1),
    };
    let number: usize = digits.parse().map_err(|_| "a number such as 1000, 100k or 1M".to_owned())?;
    number.checked_mul(unit).filter(|number| *number > 0).ok_or_else(|| "a number above 0".to_owned())
}

/// A number as [`parse_size`] reads it.
pub(crate) fn size_text(number: usize) -> String {
    match (number, number % 1000, number % 1_000_000) {
        (1.., _, 0) => format!("{}M", number / 1_000_000),
        (1.., 0, _) => format!("{}k", number / 1000),
        _ => number.to_string(),
    }
}
