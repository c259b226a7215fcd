//! The targets that the figures are compared with. They are ratios within one run, so that they mean the same on any
//! machine.

use std::fmt::Write as _;

use serde_json::json;

use super::figures::{MB, Report, Round, Series, cell, median};
use super::options::size_text;
use super::rows::{Kind, Limit, MANY, Place};

/// The number of sessions in the targets about many sessions, and the small number that they are compared with.
const LARGE: usize = 1_000_000;
const SMALL: usize = 1000;
/// Over how many refreshes the disk cost is measured.
const REFRESHES: u64 = 300_000;

/// A figure and its target.
pub(crate) struct Bar {
    what: String,
    wanted: Wanted,
    value: Option<f64>,
    /// Whether it was measured at the size that the target is for.
    counts: bool,
    /// How many of its digits are significant.
    digits: usize,
}

/// What a figure should be, at least or at most.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn new(what: impl Into<String>, wanted: Wanted, value: Option<f64>) -> Self {
        Self { what: what.into(), wanted, value, counts: true, digits: 2 }
    }

    /// A figure of three digits that should be at most so large.
    pub(crate) fn at_most(what: impl Into<String>, most: f64, value: f64) -> Self {
        Self { digits: 3, ..Self::new(what, Wanted::AtMost(most), Some(value)) }
    }

    /// Whether the target is met; none if the figure was not measured.
    fn is_met(&self) -> Option<bool> {
        let value = self.value.filter(|_| self.counts)?;
        Some(match self.wanted {
            Wanted::AtLeast(least) => value >= least,
            Wanted::AtMost(most) => value <= most,
        })
    }

    /// The target as JSON, for `--json`.
    pub(crate) fn json(&self) -> serde_json::Value {
        let (least, most) = match self.wanted {
            Wanted::AtLeast(least) => (Some(least), None),
            Wanted::AtMost(most) => (None, Some(most)),
        };
        json!({ "what": self.what, "at_least": least, "at_most": most, "value": self.value, "met": self.is_met() })
    }
}

/// Writes the table of targets.
pub(crate) fn write(out: &mut String, bars: &[Bar]) -> std::fmt::Result {
    writeln!(out, "\n{:<74}{:>14}{:>10}   ", "Bars", "should be", "is")?;
    for bar in bars {
        let digits = bar.digits;
        let wanted = match bar.wanted {
            Wanted::AtLeast(least) => format!(">= {least:.digits$}"),
            Wanted::AtMost(most) => format!("<= {most:.digits$}"),
        };
        let met = match bar.is_met() {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None if bar.value.is_some() => "not at this size",
            None => "not measured",
        };
        writeln!(out, "{:<74}{wanted:>14}{:>10}   {met}", bar.what, cell(bar.value, digits))?;
    }
    Ok(())
}

/// All targets, with their figures.
pub(crate) fn all(report: &Report) -> Vec<Bar> {
    let mut bars = of_refreshes(report);
    bars.extend(of_storms(report));
    if report.target.is_none() {
        bars.extend(of_sizes(report));
        bars.extend(of_disk_and_idle(report));
    }
    bars
}

fn of_refreshes(report: &Report) -> Vec<Bar> {
    use Wanted::{AtLeast, AtMost};
    let row = |algorithm: &str, connections| {
        report.rows.iter().find(|row| row.row.name == format!("refresh {algorithm}, {connections} conn."))
    };
    let cpu_over_rsa = |round: &Round| Some(round.server_cpu()? / round.units.rsa_cpu?);
    let many = row("RS256", MANY);
    let longer = |round: &Round| Some(round.units.signature?.max(round.units.commit?));
    let latency = |round: &Round, percent| round.measured.tally.latency(percent);
    let bar = Bar::new;
    vec![
        bar(
            "refresh RS256, 64 conn. / RSA-2048 signatures by the library that signs",
            AtLeast(0.82),
            many.and_then(|row| row.median(|round| Some(round.of_limit()))),
        ),
        bar(
            "the same / RSA-2048 signatures by OpenSSL",
            AtLeast(0.82),
            many.and_then(|row| row.median(|round| Some(round.per_second() / round.units.openssl?))),
        ),
        bar(
            "refresh RS256, 64 conn.: server CPU / CPU of a signature",
            AtMost(1.10),
            many.and_then(|row| row.median(Round::cpu_of_limit)),
        ),
        bar(
            "refresh RS256, 1 conn.: p50 / the longer of a signature and a commit",
            AtMost(1.3),
            row("RS256", 1).and_then(|row| row.median(|round| Some(latency(round, 50) / longer(round)?))),
        ),
        bar(
            "refresh ES256, 256 conn.: server CPU / CPU of an RSA-2048 signature",
            AtMost(0.18),
            row("ES256", 256).and_then(|row| row.median(cpu_over_rsa)),
        ),
        bar(
            "refresh RS256, 16 conn.: p99 / one signature's time",
            AtMost(20.0),
            row("RS256", 16)
                .and_then(|row| row.median(|round| Some(latency(round, 99) / round.units.signature?))),
        ),
    ]
}

fn of_storms(report: &Report) -> Vec<Bar> {
    use Wanted::{AtLeast, AtMost};
    let storm = report.rows.iter().find(|row| row.row.storm > 0 && row.skipped.is_none());
    let quiet = storm.and_then(|storm| {
        let same = |row: &&Series| {
            row.row.storm == 0
                && row.row.place == storm.row.place
                && row.row.kind == storm.row.kind
                && row.row.connections == storm.row.connections
        };
        report.rows.iter().find(same)
    });
    let ratio = |figure: fn(&Round) -> f64| {
        let of = |row: Option<&Series>| row?.median(|round| Some(figure(round)));
        Some(of(storm)? / of(quiet)?)
    };
    let sign_in =
        report.rows.iter().find(|row| row.row.kind == Kind::SignIn && row.row.limit == Limit::Argon2);
    vec![
        Bar::new(
            "refreshes during a storm of sign-ins / the quiet rate",
            AtLeast(0.7),
            ratio(Round::per_second),
        ),
        Bar::new("their p99 / the quiet p99", AtMost(3.0), ratio(|round| round.measured.tally.latency(99))),
        Bar::new(
            "sign-ins / Argon2 hashes",
            AtLeast(0.9),
            sign_in.and_then(|row| row.median(|round| Some(round.of_limit()))),
        ),
    ]
}

fn of_sizes(report: &Report) -> Vec<Bar> {
    use Wanted::{AtLeast, AtMost};
    let row =
        |size: Option<usize>| report.rows.iter().find(|row| Some(row.row.place) == size.map(Place::Size));
    let sizes = || report.sizes.iter().map(|size| size.sessions);
    let (small, large) = (sizes().min(), sizes().max());
    // The ratio is taken round by round, because other load on the machine affects both rates alike.
    let of = |size: Option<usize>| Some(row(size)?.rounds.iter().map(Round::per_second).collect::<Vec<_>>());
    let ratios = of(large)
        .zip(of(small))
        .map(|(large, small)| median(large.iter().zip(&small).map(|(large, small)| large / small)));
    let facts = report.sizes.iter().max_by_key(|size| size.sessions);
    let size = size_text(large.unwrap_or(LARGE));
    let is_large = large == Some(LARGE);
    vec![
        Bar {
            counts: is_large && small == Some(SMALL),
            ..Bar::new(
                format!("refresh at {size} sessions / at {}", size_text(small.unwrap_or(SMALL))),
                AtLeast(0.95),
                ratios.flatten().filter(|_| small != large),
            )
        },
        Bar {
            counts: is_large,
            digits: 0,
            ..Bar::new(
                format!("memory at {size} live sessions, at most, MB"),
                AtMost(600.0),
                facts.map(|facts| facts.peak_memory as f64 / MB),
            )
        },
        Bar {
            counts: is_large,
            ..Bar::new(
                format!("start with {size} live sessions, the longer of first and after SIGKILL, s"),
                AtMost(3.0),
                facts.and_then(|facts| Some(median(facts.killed_start.iter().copied())?.max(facts.start))),
            )
        },
    ]
}

fn of_disk_and_idle(report: &Report) -> Vec<Bar> {
    let disk = report.disk.as_ref();
    let counts = disk.is_some_and(|disk| disk.refreshes >= REFRESHES);
    let idle = report.idle.map(|memory| memory.now as f64 / MB);
    let at_most = Wanted::AtMost;
    vec![
        Bar {
            digits: 0,
            counts,
            ..Bar::new("disk a refresh, bytes", at_most(1000.0), disk.map(super::figures::DiskFacts::each))
        },
        Bar { digits: 1, ..Bar::new("memory, idle and empty, MB", at_most(30.0), idle) },
    ]
}
