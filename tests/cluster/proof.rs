//! What must hold after everything.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use heirloom::session::{SessionEvent, state};
use heirloom::store::Store as _;
use heirloom::store::postgres::{PostgresSettings, PostgresStore};

use crate::PATIENCE;
use crate::chain::{Chain, bytes};
use crate::load::Load;
use crate::nodes::Nodes;

/// What was proved, for whoever reads it.
pub(crate) struct Proved {
    chains: usize,
    acknowledged: usize,
    pub(crate) unknown: usize,
    events: u64,
}

/// Ends the load and proves that
/// - no acknowledged rotation is lost, and each chain still refreshes, at each node with the same answer,
/// - each generation that was acknowledged is the one in the log, and no generation is there twice,
/// - no session of a chain was ended and no reuse found,
/// - positions have no gaps, and versions follow one another.
pub(crate) async fn prove(load: Load, nodes: &mut Nodes, database: &PostgresSettings) -> Proved {
    let (shared, mut chains) = load.end().await;
    for chain in &mut chains {
        chain.refresh_everywhere(&shared).await;
    }
    nodes.assert_nobody_was_signed_out();
    let store = open(database).await;
    let mut versions: HashMap<_, u64> = HashMap::new();
    let mut lines: HashMap<[u8; 16], Vec<[u8; 16]>> =
        chains.iter().map(|chain| (session(chain), Vec::new())).collect();
    let mut after = 0;
    loop {
        let page = store.read_log(after, 1000).await.unwrap();
        for event in &page {
            assert_eq!(event.position, after + 1, "a gap");
            after = event.position;
            let version = versions.entry(event.stream.clone()).or_default();
            *version += 1;
            assert_eq!(event.version, *version, "{:?}", event.stream);
            if event.stream.category() != state::CATEGORY {
                continue;
            }
            let line = lines.get_mut::<[u8; 16]>(event.stream.key().first_chunk().unwrap());
            if let Some(line) = line {
                follow(line, &SessionEvent::decode(&event.data).unwrap());
            }
        }
        if page.is_empty() {
            break;
        }
    }
    for chain in &chains {
        let line = &lines[&session(chain)];
        let nonces = &chain.acknowledged;
        assert_eq!(line.len(), nonces.len(), "generations in the log, and those that were acknowledged");
        assert_eq!(line, nonces, "another successor was acknowledged than is in the log");
    }
    Proved {
        chains: chains.len(),
        acknowledged: chains.iter().map(|chain| chain.acknowledged.len()).sum(),
        unknown: chains.iter().map(|chain| chain.unknown).sum(),
        events: after,
    }
}

/// Opens the store; on a busy machine the database may not answer in time at first.
async fn open(database: &PostgresSettings) -> PostgresStore {
    let began = Instant::now();
    loop {
        match PostgresStore::open(database.clone()).await {
            Ok(store) => return store,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
    }
}

fn session(chain: &Chain) -> [u8; 16] {
    bytes(&chain.newest)[1..17].try_into().unwrap()
}

/// Adds the nonce of the next generation.
fn follow(line: &mut Vec<[u8; 16]>, event: &SessionEvent) {
    match event {
        SessionEvent::TokensRotated { generation, nonce, .. } => {
            assert_eq!(usize::try_from(generation.0).unwrap(), line.len() + 1, "a generation twice, or none");
            line.push(*nonce.as_bytes());
        }
        SessionEvent::Started(_)
        | SessionEvent::TokensIssued { .. }
        | SessionEvent::AccessTokenIssued { .. } => {}
        SessionEvent::ReuseDetected { .. }
        | SessionEvent::ForeignClientRefused { .. }
        | SessionEvent::Ended { .. }
        | SessionEvent::RotationsSummarized(_)
        | SessionEvent::Authorized(_) => panic!("{} was not to be expected", event.name()),
    }
}

impl fmt::Display for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chains, acknowledged, unknown, events } = self;
        write!(
            f,
            "{acknowledged} acknowledged rotations of {chains} chains, none lost, no fork, nobody signed out; {unknown} \
             requests answered 503 or not at all, each resolved; {events} events without a gap"
        )
    }
}
