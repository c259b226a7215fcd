//! The keys that the limits and the servers that know no OAuth sign with.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use aws_lc_rs::encoding::AsDer as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// As long as the signed part of a usual token.
pub(crate) const MESSAGE: [u8; 600] = [b'x'; 600];
/// The length of an access token without its signature.
const REST: usize = 480;

/// The names of the two libraries.
const RING: &str = "ring";

/// Keys of the sizes that a server has, parsed once by each library.
pub(crate) struct Keys {
    aws_lc: aws_lc_rs::rsa::KeyPair,
    ring: ring::signature::RsaKeyPair,
    pub(crate) p256: aws_lc_rs::signature::EcdsaKeyPair,
    /// Whether ring makes RSA signatures faster here. The server finds that out in the same way.
    ring_is_faster: bool,
}

impl Keys {
    /// New keys; also finds out which library is faster.
    pub(crate) fn make() -> anyhow::Result<Self> {
        let mut keys = Self::new()?;
        // As the server does it: both sign in turn, and the fastest time of each counts.
        let (mut room, mut best) = ([0; 256], [Duration::MAX; 2]);
        for _ in 0..100 {
            for (best, ring) in best.iter_mut().zip([true, false]) {
                let began = Instant::now();
                keys.sign_by(ring, &mut room)?;
                *best = began.elapsed().min(*best);
            }
        }
        let [by_ring, by_aws_lc] = best;
        keys.ring_is_faster = by_ring < by_aws_lc;
        eprintln!(
            "RSA signatures are faster by {} here: {by_ring:?} by ring, {by_aws_lc:?} by aws-lc",
            keys.faster()
        );
        Ok(keys)
    }

    /// New keys, for one given library.
    pub(crate) fn of(library: &str) -> anyhow::Result<Self> {
        Ok(Self { ring_is_faster: library == RING, ..Self::new()? })
    }

    /// The faster library.
    pub(crate) const fn faster(&self) -> &'static str {
        if self.ring_is_faster { RING } else { "aws-lc" }
    }

    fn new() -> anyhow::Result<Self> {
        let aws_lc = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = aws_lc.as_der()?;
        let ring = ring::signature::RsaKeyPair::from_pkcs8(der.as_ref());
        let ring = ring.map_err(|error| anyhow::anyhow!("{error}"))?;
        let p256 = aws_lc_rs::signature::EcdsaKeyPair::generate(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        )?;
        Ok(Self { aws_lc, ring, p256, ring_is_faster: false })
    }

    /// One RSA-2048 signature by the library that the server signs with.
    pub(crate) fn sign(&self, room: &mut [u8]) -> anyhow::Result<()> {
        self.sign_by(self.ring_is_faster, room)
    }

    /// One RSA-2048 signature by the other library.
    pub(crate) fn sign_by_the_other(&self, room: &mut [u8]) -> anyhow::Result<()> {
        self.sign_by(!self.ring_is_faster, room)
    }

    fn sign_by(&self, ring: bool, room: &mut [u8]) -> anyhow::Result<()> {
        if ring {
            let (sha256, random) = (&ring::signature::RSA_PKCS1_SHA256, ring::rand::SystemRandom::new());
            let signed = self.ring.sign(sha256, &random, &MESSAGE, room);
            return signed.map_err(|_| anyhow::anyhow!("no signature"));
        }
        let (sha256, random) =
            (&aws_lc_rs::signature::RSA_PKCS1_SHA256, aws_lc_rs::rand::SystemRandom::new());
        Ok(self.aws_lc.sign(sha256, &random, &MESSAGE, room)?)
    }

    /// A text as long as an access token, which ends with a signature.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        let mut signature = [0; 256];
        self.sign(&mut signature).context("signing")?;
        let mut token = "x".repeat(REST);
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}
