//! All counters, and which of them an attempt changes.

use std::time::Duration;

use super::counter::{Counter, Key, Limit, ONE, Sketch};
use super::known_networks::KnownNetworks;
use super::network::{Level, Table};
use super::outcome::{Stats, Throttled, ThrottledBy};
use super::repeats::Repeats;
use super::settings::Settings;
use crate::clock::Timestamp;

/// What a reservation has counted, and until when it closed each counter.
#[derive(Debug)]
pub(super) enum Counted {
    Repeat,
    KnownNetwork { until: Option<Timestamp> },
    Stranger(Vec<Taken>),
}

/// What a reservation has counted in one counter.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) level: Level,
    pub(super) until: Option<Timestamp>,
    /// How much was counted, in units of 1/256 failure.
    pub(super) part: u32,
    /// How much of it the next wider counter has counted, in the same units.
    pub(super) passed_on: u32,
}

/// The counters that apply to an attempt from an unknown network.
pub(super) struct Met {
    pub(super) by_account: Vec<Level>,
    pub(super) by_network: Vec<Level>,
}

pub(super) struct State {
    accounts: Sketch,
    sources: Sketch,
    networks: Sketch,
    pub(super) known_networks: KnownNetworks,
    pub(super) repeats: Repeats,
    pub(super) stats: Stats,
}

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            accounts: Sketch::new(settings.account_cells),
            sources: Sketch::new(settings.source_cells),
            networks: Sketch::new(settings.network_cells),
            known_networks: KnownNetworks::new(settings.known_accounts),
            repeats: Repeats::new(settings.repeat_window),
            stats: Stats::default(),
        }
    }

    pub(super) fn count(
        &mut self,
        settings: &Settings,
        (account, network, repeat): (Key, Key, Key),
        met: Met,
        now: Timestamp,
    ) -> Result<Counted, Throttled> {
        // Checked before the limits: a client that sends the same credentials in another form gets the same answer
        // again.
        let counted = if self.repeats.take(repeat, now) {
            self.stats.repeats = self.stats.repeats.saturating_add(1);
            Counted::Repeat
        } else if let Some(counter) = self.known_networks.find(account, network) {
            let counted = Self::count_known(counter, &settings.known_network, now);
            self.note(counted)?
        } else {
            let counted = self.count_stranger(met, now);
            self.note(counted)?
        };
        self.stats.reserved = self.stats.reserved.saturating_add(1);
        if matches!(counted, Counted::KnownNetwork { .. }) {
            self.stats.known_network = self.stats.known_network.saturating_add(1);
        }
        Ok(counted)
    }

    fn count_known(counter: &mut Counter, limit: &Limit, now: Timestamp) -> Result<Counted, Throttled> {
        let wait = counter.wait(limit, now);
        if wait.is_zero() {
            let failures = counter.failures(limit, now).saturating_add(1);
            Ok(Counted::KnownNetwork { until: counter.count(limit, failures, now) })
        } else {
            Err(Throttled { retry_after: wait, by: ThrottledBy::Account })
        }
    }

    fn count_stranger(&mut self, met: Met, now: Timestamp) -> Result<Counted, Throttled> {
        let by_account = self.wait(&met.by_account, now);
        let by_network = self.wait(&met.by_network, now);
        if by_account.max(by_network).is_zero() {
            let mut taken = Vec::with_capacity(met.by_account.len().saturating_add(met.by_network.len()));
            for levels in [met.by_account, met.by_network] {
                self.count_levels(levels, now, &mut taken);
            }
            return Ok(Counted::Stranger(taken));
        }
        let by = if by_network > by_account { ThrottledBy::Network } else { ThrottledBy::Account };
        Err(Throttled { retry_after: by_account.max(by_network), by })
    }

    /// The longest wait that one of the counters asks for.
    fn wait(&mut self, levels: &[Level], now: Timestamp) -> Duration {
        let waits = levels.iter().map(|Level { table, key, limit, who, .. }| {
            let sketch = self.table(*table);
            match who {
                Some(who) => sketch.wait_for_turn(*key, *who, limit, now),
                None => sketch.wait(*key, limit, now),
            }
        });
        waits.max().unwrap_or_default()
    }

    /// Counts a failure in the narrowest counter, and in each wider one the part that is passed on to it.
    fn count_levels(&mut self, levels: Vec<Level>, now: Timestamp, taken: &mut Vec<Taken>) {
        let mut part = ONE;
        for level in levels.into_iter().filter(|level| !level.limit.is_off()) {
            let Level { key, limit, passes_on, .. } = level;
            let sketch = self.table(level.table);
            let until = sketch.count(key, &limit, part, now);
            let passed_on = sketch.pass_on(key, &limit, (part, passes_on.saturating_mul(ONE)), now);
            taken.push(Taken { level, until, part, passed_on });
            part = passed_on;
        }
    }

    pub(super) const fn table(&mut self, table: Table) -> &mut Sketch {
        match table {
            Table::Accounts => &mut self.accounts,
            Table::Sources => &mut self.sources,
            Table::Networks => &mut self.networks,
        }
    }

    fn note(&mut self, counted: Result<Counted, Throttled>) -> Result<Counted, Throttled> {
        if let Err(Throttled { by, .. }) = &counted {
            let tally = match by {
                ThrottledBy::Account => &mut self.stats.throttled_by_account,
                ThrottledBy::Network => &mut self.stats.throttled_by_network,
            };
            *tally = tally.saturating_add(1);
        }
        counted
    }
}
