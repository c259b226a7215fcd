//! What must be true after the run, shown on a server that was killed and started again on the same folder. For another
//! make of server, only what can be seen from outside.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Context as _, ensure};
use heirloom::oauth::SessionId;
use heirloom::session::{EndReason, SessionEvent, state};
use heirloom::store::Store;
use heirloom::store::sled::{SledOptions, SledStore};

use super::chain::{Chain, Pool};
use super::connection::Connection;
use super::drive::Stage;
use super::seed::ROTATIONS;
use super::server::Server;
use super::target::Target;

/// More rotations than those of which the server remembers the times, so that an older token is certainly a used one.
const OLD: u64 = 6;
/// How many chains are ended. The log is checked for all chains.
const ENDED: usize = 256;

/// What was proved about heirloom.
pub(crate) struct Proof {
    pub(crate) of: Told,
    pub(crate) tokens: usize,
    pub(crate) ended: usize,
    pub(crate) chains: usize,
    pub(crate) rotations: u64,
}

/// What was killed before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The server.
    Server,
    /// All nodes, and their database.
    Database,
}

/// Kills the server, starts it again, and proves everything.
pub(crate) async fn prove(stage: Stage) -> anyhow::Result<String> {
    let Stage { installation, target, mut server, pool, mut given } = stage;
    let mut pool = pool.take();
    let Some(installation) = installation else { return seen_from_outside(&target, pool, given).await };
    server.kill()?;
    // Within the window, an old token would get the newest pair instead of ending the session.
    let no_window = [("HEIRLOOM__TOKENS__RETRY_WINDOW", "0s")];
    let (mut server, _) = Server::start_with(&installation, &no_window).await?;
    let ended = every_chain_is_one_line(&target, &mut pool).await?;
    let tokens = none_given_twice(&pool, &mut given)?;
    server.kill()?;
    let store = SledStore::open(&installation.data(), SledOptions::default())?;
    let rotations = rotations_in_the_log(&store, &pool).await?;
    let chains = pool.resting.len();
    Ok(Proof { of: Told::Server, tokens, ended, chains, rotations }.to_string())
}

/// Checks the chains with the most rotations. Returns how many.
pub(crate) async fn every_chain_is_one_line(target: &Target, pool: &mut Pool) -> anyhow::Result<usize> {
    let mut connection = Connection::open(target.address).await?;
    pool.resting.make_contiguous().sort_unstable_by_key(|chain| std::cmp::Reverse(chain.rotations));
    for chain in pool.resting.iter_mut().take(ENDED) {
        chain.is_one_line(target, &mut connection).await?;
    }
    Ok(pool.resting.len().min(ENDED))
}

/// Fails if a refresh token was given twice. Returns the number of tokens.
pub(crate) fn none_given_twice(pool: &Pool, given: &mut Vec<u64>) -> anyhow::Result<usize> {
    given.extend(pool.resting.iter().flat_map(|chain| &chain.given));
    let tokens = given.len();
    given.sort_unstable();
    given.dedup();
    ensure!(given.len() == tokens, "{} refresh tokens were given twice", tokens - given.len());
    Ok(tokens)
}

impl Chain {
    /// Checks a chain. Nothing acknowledged was lost: its last token still refreshes. It is one family: presenting its
    /// first token again ends the session of the last one.
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

/// What the log has of one session.
#[derive(Default)]
struct Line {
    rotations: u64,
    generation: Option<u64>,
    reused: bool,
    began_by_code: bool,
}

/// Reads the log from where the server began, and checks that each session's generations follow one another, and are as
/// many as were acknowledged.
pub(crate) async fn rotations_in_the_log(store: &dyn Store, pool: &Pool) -> anyhow::Result<u64> {
    let seeded = pool.seeded.as_ref().context("nothing is known of the sessions")?;
    let mut lines: HashMap<SessionId, Line> = HashMap::new();
    let mut after = seeded.position;
    loop {
        let page = store.read_log(after, 1000).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in page.iter().filter(|event| event.stream.category() == state::CATEGORY) {
            let id = event.stream.key().first_chunk().copied().context("a session's id")?;
            let line = lines.entry(SessionId::from(id)).or_default();
            line.follow(&SessionEvent::decode(&event.data)?)
                .with_context(|| format!("event {} of session {:?}", event.version, event.stream))?;
        }
    }
    let mut rotations = 0;
    for chain in &pool.resting {
        let id = seeded.session_of(&chain.first)?;
        let logged = lines.remove(&id).map_or(0, |line| line.rotations);
        let acknowledged = chain.rotations;
        ensure!(logged >= acknowledged, "{acknowledged} rotations acknowledged, and {logged} in the log");
        ensure!(
            !chain.exact || logged == acknowledged,
            "{logged} rotations in the log, of {acknowledged} answered"
        );
        rotations += logged;
    }
    // A row refreshes sessions that began by a code; their chains are not kept.
    let strangers = lines.values().filter(|line| line.rotations > 0 && !line.began_by_code).count();
    ensure!(strangers == 0, "{strangers} sessions were refreshed that nobody refreshed");
    Ok(rotations)
}

impl Line {
    fn follow(&mut self, event: &SessionEvent) -> anyhow::Result<()> {
        match event {
            SessionEvent::TokensRotated { generation, .. } => {
                let generation = u64::from(generation.0);
                let before = self.generation.unwrap_or_else(|| u64::from(ROTATIONS));
                ensure!(generation == before + 1, "generation {generation} behind {before}");
                self.generation = Some(generation);
                self.rotations += 1;
            }
            // A user's oldest sessions end when the measured sign-ins exceed the limit. Nobody refreshes them.
            SessionEvent::Ended { reason: EndReason::Evicted, .. } if self.rotations == 0 => {}
            SessionEvent::Ended { reason, .. } => {
                ensure!(*reason == EndReason::Reuse && !self.reused, "ended: {}", reason.as_str());
                self.reused = true;
            }
            SessionEvent::TokensIssued { .. } => self.generation = Some(0),
            SessionEvent::Authorized(_) => self.began_by_code = true,
            SessionEvent::Started(_) | SessionEvent::ReuseDetected { .. } => {}
            SessionEvent::AccessTokenIssued { .. }
            | SessionEvent::ForeignClientRefused { .. }
            | SessionEvent::RotationsSummarized(_) => {
                anyhow::bail!("{} was not to be expected", event.name());
            }
        }
        Ok(())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, tokens, ended, chains, rotations } = self;
        let killed = match of {
            Told::Server => "after a SIGKILL and a start on the same folder",
            Told::Database => "after a SIGKILL of all nodes and of the whole database, and a start of both",
        };
        write!(
            f,
            "{killed}: {tokens} refresh tokens, none given twice; each of {ended} \
             sessions refreshed by its last token and ended by its first; {rotations} rotations of {chains} sessions in \
             the log, one upon the other, all that were acknowledged and no other."
        )
    }
}

/// Checks each chain of another make of server: whether its last token refreshes, and what its first one does.
async fn seen_from_outside(target: &Target, mut pool: Pool, mut given: Vec<u64>) -> anyhow::Result<String> {
    let mut connection = Connection::open(target.address).await?;
    let mut request = String::new();
    let (mut rotated, mut refused, mut ended) = (0, 0, 0);
    for chain in pool.resting.iter_mut().take(ENDED) {
        chain
            .refresh(target, &mut connection, &mut request)
            .await
            .context("an acknowledged rotation was lost")?;
        if chain.rotations == 0 {
            continue;
        }
        while chain.rotations < OLD {
            chain.refresh(target, &mut connection, &mut request).await?;
        }
        rotated += 1;
        let mut is_refused = Vec::new();
        for old_then_last in [&chain.first, &chain.last] {
            target.write_refresh(&mut request, old_then_last);
            is_refused.push(connection.exchange(request.as_bytes()).await?.status != 200);
        }
        refused += usize::from(is_refused.first() == Some(&true));
        ended += usize::from(is_refused == [true, true]);
    }
    let tokens = none_given_twice(&pool, &mut given)?;
    let chains = pool.resting.len().min(ENDED);
    Ok(format!(
        "from outside: {tokens} refresh tokens, none given twice; each of {chains} chains refreshed by its last token; {rotated} \
         of them rotate, of these the first token was refused in {refused} and ended the family in {ended}."
    ))
}
