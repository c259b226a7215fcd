//! What must be true after the run, shown on a server that was killed and started again on the same folder.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, ensure};
use heirloom::session::{EndReason, SessionEvent, state};
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Store as _, StreamId};

use super::connection::Connection;
use super::drive::Stage;
use super::server::Server;
use super::target::Target;
use super::work::Chain;

/// More rotations than the server remembers the times of: a token from before them is an old one for certain.
const OLD: u64 = 6;

/// What was proved.
pub(crate) struct Proof {
    tokens: usize,
    chains: usize,
    rotations: u64,
}

/// Kills the server, starts it again, and proves it all; `exact` if every request of the run was answered well.
pub(crate) async fn prove(stage: Stage, folder: &Path, exact: bool) -> anyhow::Result<Proof> {
    let Stage { target, mut server, mut chains, mut given } = stage;
    server.kill()?;
    let mut server = Server::start(folder, target.address.port())?;
    let mut connection = Connection::open(target.address).await?;
    for chain in &mut chains {
        chain.is_one_line(&target, &mut connection).await?;
    }
    given.extend(chains.iter().flat_map(|chain| &chain.given));
    let tokens = given.len();
    given.sort_unstable();
    given.dedup();
    ensure!(given.len() == tokens, "{} refresh tokens were given twice", tokens - given.len());
    server.kill()?;
    let acknowledged: Vec<u64> = chains.iter().map(|chain| chain.rotations).collect();
    let rotations = rotations_in_the_log(folder, &acknowledged, exact).await?;
    Ok(Proof { tokens, chains: chains.len(), rotations })
}

impl Chain {
    /// Nothing acknowledged was lost: its last token is still good. It is one family: its first token, presented again,
    /// ends what its last one is of.
    async fn is_one_line(&mut self, target: &Target, connection: &mut Connection) -> anyhow::Result<()> {
        let mut request = String::new();
        self.refresh(target, connection, &mut request).await.context("an acknowledged rotation was lost")?;
        while self.rotations < OLD {
            self.refresh(target, connection, &mut request).await?;
        }
        for old_then_last in [&self.first, &self.last] {
            target.write_refresh(&mut request, old_then_last);
            let refused = connection.exchange(request.as_bytes()).await?.expect(400)?;
            ensure!(
                refused.string("error")? == "invalid_grant",
                "an old token was refused for another reason"
            );
        }
        Ok(())
    }
}

/// What the log says of one session.
#[derive(Default)]
struct Line {
    rotations: u64,
    reused: bool,
}

/// Reads the whole log: each session's generations follow one upon the other, and they are as many as were
/// acknowledged.
async fn rotations_in_the_log(folder: &Path, acknowledged: &[u64], exact: bool) -> anyhow::Result<u64> {
    let store = SledStore::open(&folder.join("data"), SledOptions::default())?;
    let mut lines: HashMap<StreamId, Line> = HashMap::new();
    let mut after = 0;
    loop {
        let page = store.read_log(after, 1000).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in page.iter().filter(|event| event.stream.category() == state::CATEGORY) {
            let line = lines.entry(event.stream.clone()).or_default();
            line.follow(&SessionEvent::decode(&event.data)?)
                .with_context(|| format!("event {} of session {:?}", event.version, event.stream))?;
        }
    }
    let mut logged: Vec<u64> = lines.values().filter(|line| line.reused).map(|line| line.rotations).collect();
    let mut acknowledged = acknowledged.to_vec();
    logged.sort_unstable();
    acknowledged.sort_unstable();
    let as_many = logged.len() == acknowledged.len();
    let none_lost = logged.iter().zip(&acknowledged).all(|(logged, acknowledged)| logged >= acknowledged);
    ensure!(as_many && none_lost, "the log has fewer rotations than were acknowledged");
    ensure!(!exact || logged == acknowledged, "the log has more rotations than were acknowledged");
    Ok(logged.iter().sum())
}

impl Line {
    fn follow(&mut self, event: &SessionEvent) -> anyhow::Result<()> {
        match event {
            SessionEvent::TokensRotated { generation, .. } => {
                self.rotations += 1;
                ensure!(u64::from(generation.0) == self.rotations, "generation {} out of line", generation.0);
            }
            // Of the sign-ins that are measured, which nobody refreshes, the oldest go when there are too many.
            SessionEvent::Ended { reason: EndReason::Evicted, .. } if self.rotations == 0 => {}
            SessionEvent::Ended { reason, .. } => {
                ensure!(*reason == EndReason::Reuse && !self.reused, "ended: {}", reason.as_str());
                self.reused = true;
            }
            SessionEvent::Started(_)
            | SessionEvent::TokensIssued { .. }
            | SessionEvent::ReuseDetected { .. } => {}
            SessionEvent::AccessTokenIssued { .. } | SessionEvent::ForeignClientRefused { .. } => {
                anyhow::bail!("{} was not to be expected", event.name());
            }
        }
        Ok(())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, chains, rotations } = self;
        write!(
            f,
            "\nProved, after a SIGKILL and a start on the same folder: {tokens} refresh tokens, none given twice; each of \
             {chains} sessions refreshed by its last token and was ended by its first; {rotations} rotations of \
             theirs in the log, one upon the other, all acknowledged."
        )
    }
}
