//! What this machine can do at all: the limits that the rows are held against.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::server::own_cpu_seconds;

/// As long as what is signed of a usual token.
const MESSAGE: [u8; 600] = [b'x'; 600];

/// What limits a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// RSA-2048 signatures, on all cores.
    Rsa2048,
    /// The same by aws-lc, which the server does not sign with.
    Rsa2048AwsLc,
    /// Argon2id hashes at the cost that the server uses, on all cores.
    Argon2,
    /// Nothing that is measured.
    None,
}

impl Limit {
    /// As it stands in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "RSA-2048 signatures, all cores",
            Self::Rsa2048AwsLc => "the same by aws-lc",
            Self::Argon2 => "Argon2id hashes, all cores",
            Self::None => "",
        }
    }
}

/// How fast something is done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rate {
    /// How often a second.
    pub(crate) per_second: f64,
    /// The CPU seconds of one.
    pub(crate) cpu_each: f64,
}

impl Rate {
    /// Between two.
    pub(crate) fn mean(self, other: &Self) -> Self {
        Self {
            per_second: f64::midpoint(self.per_second, other.per_second),
            cpu_each: f64::midpoint(self.cpu_each, other.cpu_each),
        }
    }
}

/// The signing key of a server, parsed once by each library.
pub(crate) struct Keys {
    /// By ring, which the server signs with.
    ring: RsaKeyPair,
    /// By aws-lc, for comparison.
    aws_lc: aws_lc_rs::rsa::KeyPair,
}

/// The signing key of the server on a folder.
pub(crate) fn signing_key(folder: &Path) -> anyhow::Result<Keys> {
    let mut files = fs::read_dir(folder.join("keys"))?.filter_map(Result::ok).map(|entry| entry.path());
    let pem = files.find(|path| path.extension().is_some_and(|extension| extension == "pem"));
    let der = PrivatePkcs8KeyDer::from_pem_slice(&fs::read(pem.context("no signing key")?)?)?;
    let der = der.secret_pkcs8_der();
    Ok(Keys {
        ring: RsaKeyPair::from_pkcs8(der).map_err(|error| anyhow::anyhow!("{error}"))?,
        aws_lc: aws_lc_rs::rsa::KeyPair::from_pkcs8(der).map_err(|error| anyhow::anyhow!("{error}"))?,
    })
}

/// Measures a limit for so long.
pub(crate) fn measure(limit: Limit, keys: &Keys, length: Duration) -> anyhow::Result<Rate> {
    match limit {
        Limit::Rsa2048 => on_all_cores(length, || {
            let (random, mut room) = (SystemRandom::new(), vec![0; 256]);
            move || {
                let signed = keys.ring.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut room);
                signed.map_err(|_| anyhow::anyhow!("no signature"))
            }
        }),
        Limit::Rsa2048AwsLc => on_all_cores(length, || {
            let (random, mut room) = (aws_lc_rs::rand::SystemRandom::new(), vec![0; 256]);
            move || {
                let sha256 = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
                let signed = keys.aws_lc.sign(sha256, &random, &MESSAGE, &mut room);
                signed.map_err(|_| anyhow::anyhow!("no signature"))
            }
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

/// How often a second 4 KiB can be appended to a file in a folder and synced.
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

/// Does something on each core, again and again. `prepare` makes what one thread repeats.
fn on_all_cores<F: FnMut() -> anyhow::Result<()> + Send>(
    length: Duration,
    prepare: impl Fn() -> F,
) -> anyhow::Result<Rate> {
    let threads = std::thread::available_parallelism()?.get();
    let mut prepared: Vec<F> = (0..threads).map(|_| prepare()).collect();
    // Memory is touched, and the clock of the cores is up.
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
