//! Medians, the table, and JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::drive::Measured;
use super::limits::{Limit, Rate};
use super::rows::Row;

/// How many cores other programs may use, the kernel's work for server and generator included, before the table warns.
const QUIET: f64 = 0.15;

/// All that was measured.
pub(crate) struct Report<'a> {
    length: Duration,
    rows: &'a [Row],
    /// The rounds of each row.
    pub(crate) rounds: Vec<Vec<Round>>,
    /// Syncs a second, by round.
    pub(crate) fsyncs: Vec<f64>,
    /// Signatures by the other library, by round.
    pub(crate) aws_lc: Vec<Rate>,
    /// The most memory that the server had, in bytes.
    pub(crate) peak_memory: u64,
    /// What was proved, or why not.
    pub(crate) proof: Option<String>,
}

/// One round of one row.
pub(crate) struct Round {
    /// What the row measured.
    pub(crate) measured: Measured,
    /// Its limit: the mean of just before and just after.
    pub(crate) limit: Rate,
}

impl Round {
    fn per_second(&self) -> f64 {
        self.measured.answers as f64 / self.measured.seconds
    }

    /// The latency, in milliseconds, that so many percent of the answers keep.
    fn latency(&self, percent: usize) -> f64 {
        let micros = &self.measured.micros;
        let at = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
        f64::from(micros.get(at).copied().unwrap_or_default()) / 1000.0
    }

    /// CPU milliseconds of an answer, of so many CPU seconds.
    fn cpu_each(&self, seconds: f64) -> f64 {
        seconds * 1000.0 / (self.measured.answers.max(1) as f64)
    }

    fn server_cpu(&self) -> f64 {
        self.cpu_each(self.measured.server_cpu)
    }

    fn of_limit(&self) -> f64 {
        self.per_second() / self.limit.per_second
    }

    fn cpu_of_limit(&self) -> f64 {
        self.server_cpu() / (self.limit.cpu_each * 1000.0)
    }

    /// What the ratio of the rates would be if CPU time were all that counts and nothing else ran: the CPU time of what
    /// limits the row over that of server and generator.
    fn bound_by_cpu(&self) -> f64 {
        self.limit.cpu_each * 1000.0 / (self.server_cpu() + self.cpu_each(self.measured.own_cpu))
    }

    fn others(&self) -> f64 {
        self.measured.other_cpu / self.measured.seconds
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "per_second": self.per_second(),
            "p50_ms": self.latency(50), "p99_ms": self.latency(99), "max_ms": self.latency(100),
            "answers": self.measured.answers, "errors": self.measured.errors,
            "first_error": self.measured.first_error,
            "server_cpu_ms_each": self.server_cpu(), "generator_cpu_ms_each": self.cpu_each(self.measured.own_cpu),
            "other_cpu_cores": self.others(),
            "limit_per_second": self.limit.per_second, "limit_cpu_ms_each": self.limit.cpu_each * 1000.0,
        })
    }
}

impl<'a> Report<'a> {
    /// Of nothing yet.
    pub(crate) fn new(length: Duration, rows: &'a [Row]) -> Self {
        let rounds = rows.iter().map(|_| Vec::new()).collect();
        Self { length, rows, rounds, fsyncs: Vec::new(), aws_lc: Vec::new(), peak_memory: 0, proof: None }
    }

    /// How many answers were not what they should be.
    pub(crate) fn errors(&self) -> u64 {
        self.rounds.iter().flatten().map(|round| round.measured.errors).sum()
    }

    /// The table.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (cores, rounds) = (cores(), self.fsyncs.len());
        writeln!(
            out,
            "\nheirloom {}, {cores} cores, medians of {rounds} rounds of {:?} a row;",
            env!("CARGO_PKG_VERSION"),
            self.length
        )?;
        writeln!(out, "the generator runs on the same machine. Latencies and CPU times in milliseconds.\n")?;
        writeln!(
            out,
            "{:<30}{:>10}{:>9}{:>9}{:>9}{:>8}{:>9}{:>9}{:>8}",
            "", "a second", "p50", "p99", "max", "errors", "server", "gener-", "others"
        )?;
        writeln!(
            out,
            "{:<30}{:>10}{:>9}{:>9}{:>9}{:>8}{:>9}{:>9}{:>8}",
            "", "", "", "", "", "", "CPU each", "ator CPU", "cores"
        )?;
        for (row, rounds) in self.rows.iter().zip(&self.rounds) {
            let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
            let errors: u64 = rounds.iter().map(|round| round.measured.errors).sum();
            writeln!(
                out,
                "{:<30}{:>10.0}{:>9.2}{:>9.2}{:>9.2}{errors:>8}{:>9.3}{:>9.3}{:>8.2}",
                row.name,
                of(Round::per_second),
                of(|round| round.latency(50)),
                of(|round| round.latency(99)),
                of(|round| round.latency(100)),
                of(Round::server_cpu),
                of(|round| round.cpu_each(round.measured.own_cpu)),
                of(Round::others),
            )?;
            if let Some(error) = rounds.iter().find_map(|round| round.measured.first_error.as_ref()) {
                writeln!(out, "    {error}")?;
            }
        }
        self.write_limits(out)?;
        self.write_ratios(out)?;
        writeln!(out, "\nThe server's memory: {} MiB at most.", self.peak_memory >> 20)
    }

    fn write_limits(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\nLimits, in the same run")?;
        for limit in [Limit::Rsa2048, Limit::Rsa2048AwsLc, Limit::Argon2] {
            let rates = self.rates(limit);
            if !rates.is_empty() {
                let rate = median(rates.iter().map(|rate| rate.per_second));
                let cpu = median(rates.iter().map(|rate| rate.cpu_each)) * 1000.0;
                writeln!(out, "{:<30}{rate:>10.0}{cpu:>44.3}", limit.name())?;
            }
        }
        writeln!(out, "{:<30}{:>10.0}", "4 KiB appended and synced", median(self.fsyncs.iter().copied()))
    }

    fn write_ratios(&self, out: &mut String) -> std::fmt::Result {
        let [rate, cpu, bound] = ["rate / limit", "server CPU / limit's", "limit's CPU / all"];
        writeln!(out, "\n{:<30}{rate:>16}{cpu:>24}{bound:>21}", "Ratios")?;
        for (row, rounds) in self.rows.iter().zip(&self.rounds).filter(|(row, _)| row.limit != Limit::None) {
            let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
            let (rate, cpu, bound) = (of(Round::of_limit), of(Round::cpu_of_limit), of(Round::bound_by_cpu));
            writeln!(out, "{:<30}{rate:>16.2}{cpu:>24.2}{bound:>21.2}", row.name)?;
        }
        let others = median(self.rounds.iter().flatten().map(Round::others));
        if others > QUIET {
            writeln!(
                out,
                "\nNOT QUIET: other programs used {others:.1} cores. Rates, latencies and \"rate / limit\" mean little;\n\
                 the CPU times and their ratios still do."
            )?;
        }
        Ok(())
    }

    fn rates(&self, limit: Limit) -> Vec<Rate> {
        if limit == Limit::Rsa2048AwsLc {
            return self.aws_lc.clone();
        }
        let rows = self.rows.iter().zip(&self.rounds).filter(|(row, _)| row.limit == limit);
        rows.flat_map(|(_, rounds)| rounds).map(|round| round.limit).collect()
    }

    /// All rounds and the medians.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let rows = self.rows.iter().zip(&self.rounds).map(|(row, rounds)| {
            let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
            let limited = row.limit != Limit::None;
            json!({
                "name": row.name, "connections": row.connections, "limit": row.limit.name(),
                "per_second": of(Round::per_second),
                "p50_ms": of(|round| round.latency(50)), "p99_ms": of(|round| round.latency(99)),
                "max_ms": of(|round| round.latency(100)), "server_cpu_ms_each": of(Round::server_cpu),
                "rate_of_limit": limited.then(|| of(Round::of_limit)),
                "cpu_of_limit": limited.then(|| of(Round::cpu_of_limit)),
                "bound_by_cpu": limited.then(|| of(Round::bound_by_cpu)),
                "rounds": rounds.iter().map(Round::json).collect::<Vec<_>>(),
            })
        });
        serde_json::to_string_pretty(&json!({
            "version": env!("CARGO_PKG_VERSION"), "cores": cores(), "seconds_a_row": self.length.as_secs_f64(),
            "fsyncs_per_second": self.fsyncs,
            "aws_lc_signatures_per_second": self.aws_lc.iter().map(|rate| rate.per_second).collect::<Vec<_>>(), "peak_memory_bytes": self.peak_memory, "proof": self.proof,
            "rows": rows.collect::<Vec<_>>(),
        }))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The middle one; 0 of none.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    let upper = figures.get(half).copied().unwrap_or_default();
    match figures.len() % 2 {
        0 => figures.get(half.wrapping_sub(1)).map_or(upper, |lower| f64::midpoint(*lower, upper)),
        _ => upper,
    }
}
