//! The limits of this machine, which the rows are compared with.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Append, Expected, Store as _, StreamId};

use super::bare::EVENT;
use super::keys::{Keys, MESSAGE};
use super::rows::{Limit, Row};
use super::server::own_cpu_seconds;

/// How fast something can be done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rate {
    /// How many times a second.
    pub(crate) per_second: f64,
    /// CPU seconds for each.
    pub(crate) cpu_each: f64,
}

impl Rate {
    /// The mean of two rates.
    pub(crate) fn mean(self, other: &Self) -> Self {
        Self {
            per_second: f64::midpoint(self.per_second, other.per_second),
            cpu_each: f64::midpoint(self.cpu_each, other.cpu_each),
        }
    }
}

/// Limits that a row is compared with besides its own, measured next to it. In milliseconds unless a field says
/// otherwise; none where the row does not need it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Units {
    /// One RSA-2048 signature on one core.
    pub(crate) signature: Option<f64>,
    /// One group commit of one event.
    pub(crate) commit: Option<f64>,
    /// The CPU time of one RSA-2048 signature, for rows that sign with another algorithm.
    pub(crate) rsa_cpu: Option<f64>,
    /// RSA-2048 signatures a second by OpenSSL on all cores.
    pub(crate) openssl: Option<f64>,
}

impl Units {
    /// Measures the limits that `row` needs, each for `length`.
    pub(crate) async fn measure(
        row: &Row,
        keys: &Keys,
        folder: &Path,
        length: Duration,
    ) -> anyhow::Result<Self> {
        let mut units = Self::default();
        match row.limit {
            Limit::Rsa2048 => {
                units.signature = Some(one_signature(keys, length)?);
                if row.connections == 1 {
                    units.commit = Some(one_commit(folder, length).await?);
                }
                if row.is_held_against_openssl() {
                    units.openssl = openssl();
                }
            }
            Limit::P256 => {
                units.rsa_cpu = Some(measure(Limit::Rsa2048, keys, length)?.cpu_each * 1000.0);
            }
            Limit::Rsa2048Other | Limit::Argon2 | Limit::None => {}
        }
        Ok(units)
    }

    /// The mean of two.
    pub(crate) fn mean(self, other: &Self) -> Self {
        let mean = |one: Option<f64>, other: Option<f64>| Some(f64::midpoint(one?, other?));
        Self {
            signature: mean(self.signature, other.signature),
            commit: mean(self.commit, other.commit),
            rsa_cpu: mean(self.rsa_cpu, other.rsa_cpu),
            openssl: mean(self.openssl, other.openssl),
        }
    }
}

/// The median time of one RSA-2048 signature on one core while nothing else runs, in milliseconds.
pub(crate) fn one_signature(keys: &Keys, length: Duration) -> anyhow::Result<f64> {
    let mut room = [0; 256];
    median_millis(length, || keys.sign(&mut room))
}

/// Measures a limit for `length`.
pub(crate) fn measure(limit: Limit, keys: &Keys, length: Duration) -> anyhow::Result<Rate> {
    match limit {
        Limit::Rsa2048 => on_all_cores(length, || {
            let mut room = [0; 256];
            move || keys.sign(&mut room)
        }),
        Limit::Rsa2048Other => on_all_cores(length, || {
            let mut room = [0; 256];
            move || keys.sign_by_the_other(&mut room)
        }),
        Limit::P256 => on_all_cores(length, || {
            let random = aws_lc_rs::rand::SystemRandom::new();
            move || Ok(keys.p256.sign(&random, &MESSAGE).map(drop)?)
        }),
        Limit::Argon2 => on_all_cores(length, || {
            let params = Params::new(19 * 1024, 2, 1, Some(32));
            let mut blocks = vec![Block::default(); 19 * 1024];
            move || {
                let params = params.clone().map_err(|error| anyhow::anyhow!("{error}"))?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into_with_memory(&[1; 32], &[2; 16], &mut [0; 32], &mut blocks)
                    .map_err(|error| anyhow::anyhow!("{error}"))
            }
        }),
        Limit::None => Ok(Rate::default()),
    }
}

/// RSA-2048 signatures a second by `openssl speed` on all cores; none if openssl is not installed.
fn openssl() -> Option<f64> {
    let cores = std::thread::available_parallelism().ok()?.get().to_string();
    let said = Command::new("openssl").args(["speed", "-multi", &cores, "-seconds", "1", "rsa2048"]).output();
    let said = String::from_utf8(said.ok().filter(|said| said.status.success())?.stdout).ok()?;
    // The columns of the output are below their names, behind "rsa 2048 bits".
    let names = said.lines().find(|line| line.contains("sign/s"))?;
    let column = names.split_whitespace().position(|name| name == "sign/s")?;
    let mut row = said.lines().find(|line| line.trim_start().starts_with("rsa"))?.split("bits").skip(1);
    row.next()?.split_whitespace().nth(column)?.parse().ok()
}

/// How many times a second 4 KiB can be appended to a file in `folder` and synced.
pub(crate) fn fsyncs(folder: &Path, length: Duration) -> anyhow::Result<f64> {
    let path = folder.join("fsyncs");
    let file = File::create(&path)?;
    let (began, mut count) = (Instant::now(), 0_u64);
    while began.elapsed() < length {
        file.write_all_at(&[1; 4096], count * 4096)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}

/// The median time that the store takes for a group of one event, as a refresh appends it, in milliseconds.
pub(crate) async fn one_commit(folder: &Path, length: Duration) -> anyhow::Result<f64> {
    let folder = folder.join("commits");
    let store = SledStore::open(&folder, SledOptions::default())?;
    let stream = StreamId::new(b's', &[1; 16]).context("a stream's name")?;
    let (mut version, mut micros) = (0_u64, Vec::new());
    let began = Instant::now();
    while began.elapsed() < length {
        let append = Append {
            stream: stream.clone(),
            expected: if version == 0 { Expected::NoStream } else { Expected::Exact(version) },
            events: vec![vec![7; EVENT.0]],
            snapshot: vec![7; EVENT.1],
            records: Vec::new(),
        };
        let sent = Instant::now();
        version = store.append(append).await?.version;
        micros.push(sent.elapsed());
    }
    drop(store);
    fs::remove_dir_all(folder)?;
    Ok(middle(micros))
}

/// Repeats something on this thread. Returns the median time of one, in milliseconds.
fn median_millis(length: Duration, mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < length {
        let sent = Instant::now();
        once()?;
        took.push(sent.elapsed());
    }
    Ok(middle(took))
}

fn middle(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1000.0
}

/// Repeats something on each core. `prepare` makes the work of one thread.
fn on_all_cores<F: FnMut() -> anyhow::Result<()> + Send>(
    length: Duration,
    prepare: impl Fn() -> F,
) -> anyhow::Result<Rate> {
    let threads = std::thread::available_parallelism()?.get();
    let mut prepared: Vec<F> = (0..threads).map(|_| prepare()).collect();
    // A first run touches the memory, and brings the cores to their full clock speed.
    prepared.iter_mut().try_for_each(|once| once())?;
    let (cpu, began) = (own_cpu_seconds()?, Instant::now());
    let counts: Vec<anyhow::Result<u64>> = std::thread::scope(|scope| {
        let repeat = |mut once: F| {
            scope.spawn(move || {
                let mut count = 0;
                while began.elapsed() < length {
                    once()?;
                    count += 1;
                }
                Ok(count)
            })
        };
        let threads: Vec<_> = prepared.into_iter().map(repeat).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("it panicked")))
            .collect()
    });
    let count = counts.into_iter().sum::<anyhow::Result<u64>>()?.max(1) as f64;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Rate { per_second: count / seconds, cpu_each: (own_cpu_seconds()? - cpu) / count })
}
