//! All counters, and which of them an attempt changes.

use std::time::Duration;

use super::counter::{ONE, Sketch};
use super::known_networks::KnownNetworks;
use super::network::{Level, Table};
use super::outcome::{Permitted, Stats, Throttled, ThrottledBy};
use super::party::Party;
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

impl Counted {
    /// Why the attempt is permitted.
    pub(super) const fn permitted(&self) -> Permitted {
        match self {
            Self::Repeat => Permitted::Repeat,
            Self::KnownNetwork { .. } => Permitted::KnownNetwork,
            Self::Stranger(_) => Permitted::Stranger,
        }
    }
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

    /// Whether an attempt is permitted. Counts nothing.
    pub(super) fn look(
        &mut self,
        settings: &Settings,
        party: &Party,
        met: &Met,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let known = self.known_networks.find(party.account, party.networks.lan);
        let (by_account, by_network) = match known {
            Some(counter) => (counter.wait(&settings.known_network, now), Duration::ZERO),
            None => (self.wait(&met.by_account, now), self.wait(&met.by_network, now)),
        };
        let retry_after = by_account.max(by_network);
        let by = if by_network > by_account { ThrottledBy::Network } else { ThrottledBy::Account };
        if retry_after.is_zero() { Ok(()) } else { Err(Throttled { retry_after, by }) }
    }

    /// Counts an attempt as a failure, if it is permitted.
    pub(super) fn count(
        &mut self,
        settings: &Settings,
        party: &Party,
        met: Met,
        now: Timestamp,
    ) -> Result<Counted, Throttled> {
        self.look(settings, party, &met, now)?;
        if let Some(counter) = self.known_networks.find(party.account, party.networks.lan) {
            let limit = &settings.known_network;
            let failures = counter.failures(limit, now).saturating_add(1);
            return Ok(Counted::KnownNetwork { until: counter.count(limit, failures, now) });
        }
        let mut taken = Vec::with_capacity(met.by_account.len().saturating_add(met.by_network.len()));
        for levels in [met.by_account, met.by_network] {
            self.count_levels(levels, now, &mut taken);
        }
        Ok(Counted::Stranger(taken))
    }

    /// Undoes what was counted.
    pub(super) fn give_back(&mut self, settings: &Settings, party: &Party, counted: &Counted) {
        match counted {
            Counted::Repeat => {}
            Counted::KnownNetwork { until } => {
                if let Some(counter) = self.known_networks.find(party.account, party.networks.lan) {
                    counter.give_back(&settings.known_network, *until);
                }
            }
            Counted::Stranger(taken) => {
                for Taken { level, until, part, passed_on } in taken {
                    let counted = (*part, *passed_on);
                    self.table(level.table).give_back(level.key, &level.limit, counted, *until);
                }
            }
        }
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

    const fn table(&mut self, table: Table) -> &mut Sketch {
        match table {
            Table::Accounts => &mut self.accounts,
            Table::Sources => &mut self.sources,
            Table::Networks => &mut self.networks,
        }
    }
}
