//! Many chains that refresh without end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::chain::{Chain, Outcome};
use crate::nodes::Nodes;
use crate::{Numbers, PATIENCE};

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many chains there are.
    pub(crate) chains: u64,
    /// How long each pauses between two refreshes.
    pub(crate) pause: Duration,
}

pub(crate) const BRISK: Pace = Pace { chains: 12, pause: Duration::from_millis(5) };

/// What all chains share.
pub(crate) struct Shared {
    pub(crate) bases: Vec<String>,
    pub(crate) http: reqwest::Client,
    pause: Duration,
    is_over: AtomicBool,
    /// Whether a chain has failed.
    has_failed: AtomicBool,
    /// How many answers had tokens.
    answers: AtomicUsize,
    /// When the last of them came, and the longest time without one.
    gap: Mutex<(Instant, Duration)>,
    /// Of each node, the longest that a request took.
    longest: Mutex<Vec<Duration>>,
    /// The only nodes that are asked, if it is not all of them.
    chosen: Mutex<Vec<usize>>,
}

impl Shared {
    pub(crate) fn new(nodes: &Nodes, pause: Duration) -> Self {
        // Only the first one of the process can install it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let bases = nodes.bases();
        let longest = Mutex::new(vec![Duration::ZERO; bases.len()]);
        Self {
            bases,
            http,
            pause,
            is_over: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            answers: AtomicUsize::new(0),
            gap: Mutex::new((Instant::now(), Duration::ZERO)),
            longest,
            chosen: Mutex::default(),
        }
    }

    pub(crate) fn asked(&self, node: usize, outcome: &Outcome, took: Duration) {
        let mut longest = self.longest.lock().unwrap();
        longest[node] = longest[node].max(took);
        if let Outcome::Tokens(_) = outcome {
            self.answers.fetch_add(1, Ordering::Relaxed);
            let mut gap = self.gap.lock().unwrap();
            *gap = (Instant::now(), gap.1.max(gap.0.elapsed()));
        }
    }

    /// The node that a chain asks next.
    pub(crate) fn node(&self, numbers: &mut Numbers) -> usize {
        let chosen = self.chosen.lock().unwrap();
        if chosen.is_empty() { numbers.below(self.bases.len()) } else { chosen[numbers.below(chosen.len())] }
    }

    pub(crate) fn has_choice(&self) -> bool {
        !self.chosen.lock().unwrap().is_empty()
    }

    /// From now on, only these nodes are asked; all of them, if none is named.
    pub(crate) fn ask_only(&self, nodes: &[usize]) {
        *self.chosen.lock().unwrap() = nodes.to_vec();
    }

    pub(crate) fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// Waits until each node says that it can be used.
    pub(crate) async fn all_ready(&self) {
        let began = Instant::now();
        for base in &self.bases {
            let ready = format!("{base}/health/ready");
            while !self.http.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200) {
                assert!(began.elapsed() < PATIENCE, "{base} is not ready");
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    }

    /// Waits until there has been no answer with tokens for so long.
    pub(crate) async fn quiet(&self, time: Duration) {
        let began = Instant::now();
        while self.gap.lock().unwrap().0.elapsed() < time {
            assert!(began.elapsed() < PATIENCE, "the answers don't end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The longest time without an answer since this was asked last.
    pub(crate) fn take_gap(&self) -> Duration {
        let mut gap = self.gap.lock().unwrap();
        std::mem::replace(&mut *gap, (Instant::now(), Duration::ZERO)).1
    }

    /// The longest that a request took at each node since this was asked last.
    pub(crate) fn take_longest(&self) -> Vec<Duration> {
        let mut longest = self.longest.lock().unwrap();
        let none = vec![Duration::ZERO; longest.len()];
        std::mem::replace(&mut *longest, none)
    }

    /// Waits for so many more answers with tokens. Returns how long that took.
    pub(crate) async fn more(&self, count: usize) -> Duration {
        let (began, before) = (Instant::now(), self.answers());
        while self.answers() < before + count {
            assert!(!self.has_failed.load(Ordering::Acquire), "a chain has failed");
            assert!(began.elapsed() < PATIENCE, "nobody answers");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        began.elapsed()
    }
}

/// Notes that a chain has failed, when it is dropped by a panic.
struct Failed(Arc<Shared>);

impl Drop for Failed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.has_failed.store(true, Ordering::Release);
        }
    }
}

/// Chains under way.
pub(crate) struct Load {
    pub(crate) shared: Arc<Shared>,
    chains: JoinSet<Chain>,
}

impl Load {
    /// Signs in, and refreshes from then on.
    pub(crate) async fn begin(nodes: &Nodes) -> Self {
        Self::begin_at(BRISK, nodes).await
    }

    /// As [`begin`](Self::begin), with more or less to do for the nodes.
    pub(crate) async fn begin_at(pace: Pace, nodes: &Nodes) -> Self {
        let shared = Arc::new(Shared::new(nodes, pace.pause));
        let mut chains = Vec::new();
        for seed in 0..pace.chains {
            chains.push(Chain::start(seed, &shared).await);
        }
        let load = Self::of(shared, chains);
        load.shared.more(50).await;
        load.shared.take_gap();
        load.shared.take_longest();
        load
    }

    /// Goes on with chains.
    pub(crate) fn of(shared: Arc<Shared>, chains: Vec<Chain>) -> Self {
        shared.is_over.store(false, Ordering::Release);
        let run = |mut chain: Chain| {
            let shared = Arc::clone(&shared);
            async move {
                let _failed = Failed(Arc::clone(&shared));
                while !shared.is_over.load(Ordering::Acquire) {
                    chain.refresh(&shared).await;
                    tokio::time::sleep(shared.pause).await;
                }
                chain
            }
        };
        let chains = chains.into_iter().map(run).collect();
        Self { shared, chains }
    }

    /// Ends it: each chain gets the answer for which it waits.
    pub(crate) async fn end(self) -> (Arc<Shared>, Vec<Chain>) {
        self.shared.is_over.store(true, Ordering::Release);
        let chains =
            tokio::time::timeout(PATIENCE * 2, self.chains.join_all()).await.expect("chains that end");
        (self.shared, chains)
    }
}
