//! The load benchmark: one program, one table.
//!
//! Starts the release server as processes of their own on temporary folders, drives them over keep-alive connections with
//! one chain of refreshes a connection, checks every answer, and prints the rates beside what this machine can do at
//! all, measured in the same run. Then it kills the servers and proves that nothing was lost, forked or given twice. With
//! `--target` it drives another server by the same grants. `docs/performance.md` says how to read the table.
//!
//! | Module | What it does |
//! |---|---|
//! | [`options`] | the command line |
//! | [`installation`] | a server's folder: its configuration and its keys |
//! | [`seed`] | users and sessions before the start |
//! | [`server`] | the server's process: start, kill, CPU time, memory |
//! | [`target`] | where requests go, and how they are written |
//! | [`connection`] | one keep-alive connection |
//! | [`chain`] | chains of refresh tokens |
//! | [`work`] | what a connection does again and again; a new kind of row begins here |
//! | [`rows`] | the rows of the table |
//! | [`drive`] | runs a row |
//! | [`groups`] | what the store says of its groups |
//! | [`limits`] | what the machine can do |
//! | [`bare`] | servers that know no OAuth: what a refresh is made of |
//! | [`measure`] | all of it in its order |
//! | [`figures`] | what was measured, and medians of it |
//! | [`report`], [`bars`] | the tables, and JSON |
//! | [`proof`] | what must be true afterwards |
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, reads the clock, and counts what fits"
)]

mod bare;
mod bars;
mod chain;
mod connection;
mod drive;
mod figures;
mod groups;
mod installation;
mod limits;
mod measure;
mod options;
mod proof;
mod report;
mod rows;
mod seed;
mod server;
mod target;
mod work;

use anyhow::Context as _;
use clap::Parser as _;

use self::options::Options;

/// heirloom's, for the servers that know no OAuth; the generator and the limits have it too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(bare) = options.bare {
        return bare::run(bare, &options.library, &options.folder);
    }
    if !options.bench {
        println!("nothing measured: run `cargo bench --bench load`");
        return Ok(());
    }
    // One thread: the generator must not eat what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(options))
}

async fn run(options: Options) -> anyhow::Result<()> {
    // The folder goes last.
    let measure::Done { folder: _folder, mut report, stages } = measure::all(&options).await?;
    print!("{}", report.text());
    eprintln!("proving");
    for (name, stage) in stages {
        let proof = proof::prove(stage).await.map_err(|error| format!("{error:#}"));
        match &proof {
            Ok(proved) => println!("\n{name}: proved {proved}"),
            Err(why) => println!("\n{name}: NOT PROVED: {why}"),
        }
        report.proofs.push((name, proof));
    }
    if let Some(path) = &options.json {
        std::fs::write(path, report.json()?).with_context(|| path.display().to_string())?;
    }
    let unproved = report.proofs.iter().filter(|(_, proof)| proof.is_err()).count();
    anyhow::ensure!(unproved == 0, "what must be true of {unproved} servers is not");
    let errors = report.errors();
    anyhow::ensure!(errors == 0, "{errors} answers were not what they should be");
    Ok(())
}
