//! Servers that know no OAuth. Each does more of what a refresh does than the one before it.

mod by_hand;
mod framework;
mod store;

pub(crate) use self::store::EVENT;

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use clap::ValueEnum;
use tokio::net::TcpListener;

use self::framework::Framework;
use self::store::{Commits, Way};
use super::keys::Keys;

/// The servers; each does more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Bare {
    /// One RSA signature, with HTTP written and read by hand.
    Hand,
    /// The same by poem-openapi and hyper.
    Framework,
    /// Also stores an event in a log in sled beside the signature, synced, at about the lowest possible cost: one row
    /// for all connections.
    Log,
    /// Instead reads a session's row before it signs, and writes it to sled with an event's row, synced: the plain way
    /// to use sled.
    Store,
}

impl Bare {
    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Framework => "framework",
            Self::Log => "log",
            Self::Store => "store",
        }
    }
}

/// Listens, prints the port, and serves until its standard input ends, so that it does not outlive the program that
/// started it. Signs with `library`, and stores in `folder`.
pub(crate) fn run(bare: Bare, library: &str, folder: &Path) -> anyhow::Result<()> {
    // The same runtime as heirloom's.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().global_queue_interval(2).build()?;
    let keys = Arc::new(Keys::of(library)?);
    let connections = Arc::<AtomicUsize>::default();
    let commits = |way| Commits::start(way, folder, Arc::clone(&connections));
    let commits = match bare {
        Bare::Hand | Bare::Framework => None,
        Bare::Log => Some(commits(Way::Log)?),
        Bare::Store => Some(commits(Way::Rows)?),
    };
    let framework = (bare != Bare::Hand).then(|| Framework::new(Arc::clone(&keys), commits, connections));
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &framework {
                None => tokio::spawn(by_hand::serve(stream, Arc::clone(&keys))),
                Some(framework) => tokio::spawn(framework.clone().serve(stream)),
            };
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
