//! The load benchmark: one program, one table.
//!
//! Starts the release server as a process of its own on a temporary folder, drives it over keep-alive connections with
//! one chain of refreshes a connection, checks every answer, and prints the rates beside what this machine can do at
//! all, measured in the same run. Then it kills the server and proves that nothing was lost, forked or given twice.
//! `docs/performance.md` says how to read the table.
//!
//! | Module | What it does |
//! |---|---|
//! | [`server`] | the server's process: start, kill, CPU time |
//! | [`target`] | where requests go, and how they are written |
//! | [`connection`] | one keep-alive connection |
//! | [`work`] | what a connection does again and again; a new kind of row begins here |
//! | [`rows`] | the rows of the table |
//! | [`drive`] | runs a row |
//! | [`limits`] | what the machine can do |
//! | [`report`] | medians, table, JSON |
//! | [`proof`] | what must be true afterwards |
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, reads the clock, and counts what fits"
)]

mod connection;
mod drive;
mod limits;
mod proof;
mod report;
mod rows;
mod server;
mod target;
mod work;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;

use self::drive::Stage;
use self::limits::Limit;
use self::report::{Report, Round};
use self::server::Server;
use self::target::Target;
use self::work::Chain;

/// Measures heirloom under load, beside what this machine can do at all.
#[derive(Parser)]
struct Arguments {
    /// One round of one second a row, for CI
    #[arg(long)]
    quick: bool,
    /// How often every row is measured; the table shows medians [default: 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Seconds a row [default: 5]
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
    /// Only the rows whose name contains TEXT
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Keep all that was measured as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Given by `cargo bench`; without it, as by `cargo test --benches`, nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        println!("nothing measured: run `cargo bench --bench load`");
        return Ok(());
    }
    // One thread: the generator must not eat what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(arguments))
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 1 } else { 3 }).max(1);
    let seconds = arguments.seconds.unwrap_or(if arguments.quick { 1.0 } else { 5.0 });
    let length = Duration::try_from_secs_f64(seconds).context("--seconds")?;
    let only = arguments.only.unwrap_or_default();
    let rows: Vec<_> = rows::all().into_iter().filter(|row| row.name.contains(&only)).collect();

    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), 0)?;
    let target = Rc::new(Target::of_heirloom(&server.announcement)?);
    let mut stage = Stage { target: Rc::clone(&target), server, chains: Vec::new(), given: Vec::new() };
    let chains = rows.iter().filter(|row| row.needs_chains()).map(|row| row.connections).max();
    // One after the other: more at once would be throttled.
    for number in 0..chains.unwrap_or_default() {
        stage.chains.push(Chain::begin(&target, number).await?);
    }

    let keys = limits::signing_key(folder.path())?;
    let mut report = Report::new(length, &rows);
    for round in 1..=rounds {
        report.fsyncs.push(limits::fsyncs(folder.path(), length / 5)?);
        report.aws_lc.push(limits::measure(Limit::Rsa2048AwsLc, &keys, length / 5)?);
        for (row, rounds_of_row) in rows.iter().zip(&mut report.rounds) {
            eprintln!("round {round} of {rounds}: {}", row.name);
            let before = limits::measure(row.limit, &keys, length / 5)?;
            let measured = stage.run(row, length).await?;
            let limit = limits::measure(row.limit, &keys, length / 5)?.mean(&before);
            rounds_of_row.push(Round { measured, limit });
        }
    }
    report.peak_memory = stage.server.peak_memory()?;
    print!("{}", report.text());

    eprintln!("proving");
    let errors = report.errors();
    let proof = proof::prove(stage, folder.path(), errors == 0).await;
    let proof = proof.inspect(|proof| println!("{proof}"));
    report.proof =
        Some(proof.as_ref().map_or_else(|error| format!("FAILED: {error:#}"), ToString::to_string));
    if let Some(path) = arguments.json {
        std::fs::write(&path, report.json()?).with_context(|| path.display().to_string())?;
    }
    proof?;
    anyhow::ensure!(errors == 0, "{errors} answers were not what they should be");
    Ok(())
}
