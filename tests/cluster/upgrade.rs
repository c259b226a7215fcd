//! Nodes of two versions side by side, under load: one after another is replaced, also by the older version again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Numbers;
use crate::crossing::{Crossing, Versions};
use crate::database::url;
use crate::load::{BRISK, Load, Pace};
use crate::nodes::Nodes;
use crate::postgres_server::settings;
use crate::proof::prove;

/// How long two versions run side by side, and how much is asked of them meanwhile.
struct Extent {
    time: Duration,
    pace: Pace,
    /// The longest pause, in milliseconds, before another node is replaced.
    pause: usize,
    /// After how many replacements everything else is tried too.
    crosses_every: usize,
}

impl Extent {
    /// Some seconds; longer, and with little load, with `HEIRLOOM_CLUSTER_UPGRADE_SECONDS`.
    fn given() -> Self {
        match std::env::var("HEIRLOOM_CLUSTER_UPGRADE_SECONDS") {
            Err(_) => Self { time: Duration::from_secs(6), pace: BRISK, pause: 400, crosses_every: 5 },
            Ok(seconds) => Self {
                time: Duration::from_secs(seconds.parse().unwrap()),
                pace: Pace { chains: 4, pause: Duration::from_millis(200) },
                pause: 8_000,
                crosses_every: 10,
            },
        }
    }
}

/// What was done.
#[derive(Debug, Default)]
struct Replaced {
    forth: usize,
    back: usize,
    by_the_same: usize,
    kills: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_side_by_side_lose_nothing() {
    let (versions, extent) = (Versions::given(), Extent::given());
    let (older, newer) = (versions.older.as_path(), versions.newer.as_path());
    let database = settings();
    let nodes = Nodes::start_as(older, &vec![url(&[&database]); 3], &database.schema);
    let load = Load::begin_at(extent.pace, &nodes).await;
    let (shared, numbers) = (Arc::clone(&load.shared), Numbers::of(11));
    let mut both = Crossing { nodes, shared, numbers, crossed: 0 };
    let mut replaced = Replaced::default();
    both.leases_are_of(older).await;

    // As an operator does it.
    for number in 0..3 {
        both.replace(number, newer, false).await;
        both.check_list();
        if number == 1 {
            both.cross().await;
        }
    }
    both.leases_are_of(newer).await;

    let began = Instant::now();
    for round in 0.. {
        let is_over = began.elapsed() >= extent.time;
        if is_over && (older == newer || replaced.forth > 0 && replaced.back > 0) {
            break;
        }
        let (number, is_older) = (both.numbers.below(3), both.numbers.below(2) == 0);
        let (was, is) = (both.nodes.program(number).to_owned(), if is_older { older } else { newer });
        let is_killed = both.numbers.below(3) == 0;
        both.replace(number, is, is_killed).await;
        both.check_list();
        let count = if was == is {
            &mut replaced.by_the_same
        } else if is_older {
            &mut replaced.back
        } else {
            &mut replaced.forth
        };
        *count += 1;
        replaced.kills += usize::from(is_killed);
        if round % extent.crosses_every == 0 {
            both.cross().await;
        }
        // There are 255 secrets at most.
        if round % (extent.crosses_every * 8) == 0 && round / (extent.crosses_every * 8) < 12 {
            both.rotate_keys().await;
        }
        sleep(Duration::from_millis(both.numbers.below(extent.pause) as u64)).await;
    }
    let took = began.elapsed();

    for number in 0..3 {
        both.replace(number, newer, false).await;
    }
    both.leases_are_of(newer).await;
    both.cross().await;
    let (gap, crossed) = (load.shared.take_gap(), both.crossed);
    let proved = prove(load, &mut both.nodes, &database).await;
    println!(
        "side by side for {took:.1?}: {replaced:?}, everything else tried {crossed} times; {proved}; the longest time \
         without an answer {gap:?}"
    );
    assert!(gap < Duration::from_secs(40), "{gap:?}");
}

impl Crossing {
    /// Replaces a node by one of `program`; the others go on meanwhile.
    async fn replace(&mut self, number: usize, program: &Path, is_killed: bool) {
        if is_killed {
            self.nodes.kill(number);
        } else {
            assert!(self.nodes.stop(number).success(), "node {number} stops: {}", self.nodes.log(number));
        }
        self.nodes.becomes(number, program);
        self.nodes.run(number, &[]);
        self.shared.more(10).await;
    }
}
