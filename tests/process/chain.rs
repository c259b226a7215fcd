//! Clients that refresh without a pause, and what must hold when the server has been killed and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{Caller, generation};
use crate::support::{Dev, PATIENCE};

/// One token family, as its client knows it.
#[derive(Clone)]
pub(crate) struct Chain {
    /// The newest refresh token that the client has received.
    acknowledged: String,
    confidential: bool,
}

impl Chain {
    /// Signs in `count` times, by both clients in turn.
    pub(crate) async fn start(dev: &Dev, count: usize) -> Vec<Self> {
        let mut chains = Vec::new();
        for number in 0..count {
            let confidential = number % 2 == 0;
            let client = if confidential { dev.confidential() } else { dev.public() };
            let acknowledged = dev.caller.sign_in(client, dev.user()).await.refresh_token();
            chains.push(Self { acknowledged, confidential });
        }
        chains
    }

    /// Refreshes until the connection fails or the server answers 503.
    async fn run(mut self, dev: Arc<Dev>, answers: Arc<AtomicUsize>) -> Self {
        let client = if self.confidential { dev.confidential() } else { dev.public() };
        // Each chain has a connection of its own.
        let caller = Caller::plain(&dev.caller.base);
        while let Ok(answer) = caller.try_refresh(client, &self.acknowledged).await {
            if answer.status == 503 {
                break;
            }
            let next = answer.refresh_token();
            assert_eq!(generation(&next), generation(&self.acknowledged) + 1);
            self.acknowledged = next;
            answers.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// Checks that nothing acknowledged was lost: the token is the current one, or its successor was committed, and
    /// then the retry gets that.
    pub(crate) async fn holds(&mut self, dev: &Dev) {
        let client = if self.confidential { dev.confidential() } else { dev.public() };
        let first = dev.caller.refresh(client, &self.acknowledged).await;
        let again = dev.caller.refresh(client, &self.acknowledged).await;
        assert_eq!(first.refresh_token(), again.refresh_token(), "one line, and never two");
        assert_eq!(generation(&first.refresh_token()), generation(&self.acknowledged) + 1);
        self.acknowledged = first.refresh_token();
    }
}

/// Chains that refresh in the background.
pub(crate) struct Load {
    chains: JoinSet<Chain>,
    answers: Arc<AtomicUsize>,
}

impl Load {
    /// Starts the chains, each on a connection of its own.
    pub(crate) fn begin(dev: &Arc<Dev>, chains: Vec<Chain>) -> Self {
        let answers = Arc::new(AtomicUsize::new(0));
        let run = |chain: Chain| chain.run(Arc::clone(dev), Arc::clone(&answers));
        Self { chains: chains.into_iter().map(run).collect(), answers }
    }

    /// Waits until `count` answers have arrived.
    pub(crate) async fn answered(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.answers.load(Ordering::Relaxed) < count {
            assert!(Instant::now() < deadline, "no load");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until every connection has failed.
    pub(crate) async fn end(self) -> Vec<Chain> {
        timeout(PATIENCE, self.chains.join_all()).await.expect("the server to close its connections")
    }
}

/// Checks that no family ended, neither for reuse nor because the store lost something.
pub(crate) fn assert_no_family_ended(log: &str) {
    let ended = log.lines().find(|line| line.contains("session.end") || line.contains("history that this"));
    assert_eq!(ended, None);
}
