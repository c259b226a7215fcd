//! Servers that know no OAuth: what a refresh is made of, one thing after the other.

mod by_hand;
mod framework;
mod store;

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use tokio::net::TcpListener;

use self::framework::Framework;
use self::store::{Commits, Way};
use super::limits::Keys;

/// How long an access token is without its signature.
const REST: usize = 480;

/// Each does more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Bare {
    /// An RSA signature, HTTP written and read by hand.
    Hand,
    /// The same by poem-openapi and hyper.
    Framework,
    /// Beside the signature an event goes into a log in sled, synced, at about the least that this can cost: one row for all connections.
    Log,
    /// Before it signs, a session's row is read, and written to sled with an event's, and synced: the plain way to use sled.
    Store,
}

impl Bare {
    /// As it stands on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Framework => "framework",
            Self::Log => "log",
            Self::Store => "store",
        }
    }
}

/// Listens, says on which port, and serves until its standard input ends, since it must not outlive who started it.
/// Signs by `library`, and stores in `folder`.
pub(crate) fn run(bare: Bare, library: &str, folder: &Path) -> anyhow::Result<()> {
    // As heirloom's.
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

/// Something as long as an access token, with a signature at its end.
fn signed(keys: &Keys) -> anyhow::Result<String> {
    let mut signature = [0; 256];
    keys.sign(&mut signature).context("signing")?;
    let mut token = "x".repeat(REST);
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}
