//! The load benchmark: one program that prints one table.
//!
//! It starts the release server as separate processes on temporary folders, and drives them over keep-alive
//! connections, each with one chain of refreshes. It checks every answer, and prints the rates beside the limits of
//! this machine, measured in the same run. Then it kills the servers and proves that nothing was lost, forked or given
//! twice. With `--target` it drives another server by the same grants. `docs/performance.md` says how to read the
//! table.
//!
//! | Module | What it does |
//! |---|---|
//! | [`options`] | the command line |
//! | [`installation`] | a server's folder: its configuration and its keys |
//! | [`seed`] | users and sessions before the start |
//! | [`server`] | the server's process: start, kill, CPU time, memory |
//! | [`target`] | where requests are sent, and how they are written |
//! | [`connection`] | one keep-alive connection |
//! | [`browser`] | a person who is signed in on the pages |
//! | [`chain`] | chains of refresh tokens |
//! | [`work`] | what a connection repeats; a new kind of row begins here |
//! | [`rows`] | the rows of the table |
//! | [`drive`] | runs a row |
//! | [`groups`] | the counters of the store |
//! | [`keys`] | the keys that the limits and the servers without OAuth sign with |
//! | [`limits`] | the limits of the machine |
//! | [`bare`] | servers that know no OAuth, which show what a refresh is made of |
//! | [`measure`] | measures everything, in order |
//! | [`figures`] | the measured figures, and their medians |
//! | [`report`], [`bars`] | the tables, and JSON |
//! | [`proof`] | what must be true after the run |
//! | [`cluster`] | `--store postgres`: nodes on one database |
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, reads the clock, and counts what fits"
)]

mod bare;
mod bars;
mod browser;
mod chain;
mod cluster;
mod connection;
mod drive;
mod figures;
#[path = "../../tests/support/free_port.rs"]
#[expect(clippy::unwrap_used, clippy::panic, reason = "the ports that the tests use")]
mod free_port;
mod groups;
mod installation;
mod keys;
mod limits;
mod measure;
mod options;
#[path = "../../tests/support/postgres.rs"]
#[expect(clippy::unwrap_used, clippy::panic, dead_code, reason = "the server that the tests start")]
mod postgres_server;
mod proof;
mod report;
mod rows;
mod seed;
mod server;
mod target;
mod work;

use anyhow::Context as _;
use clap::Parser as _;

use self::options::{Options, StoreKind};

/// The allocator of heirloom, so that the servers that know no OAuth have it too. The generator and the limits also use
/// it.
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
    // One thread, so that the generator takes as little CPU time as possible from the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    match options.store {
        StoreKind::Sled => local.block_on(&runtime, run(options)),
        StoreKind::Postgres => local.block_on(&runtime, cluster::run(&options)),
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    // The folder is dropped last, after the servers in it.
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
