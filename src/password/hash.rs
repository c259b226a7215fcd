//! How a password is stored: Argon2id (RFC 9106) over the password's HMAC-SHA-256 under a pepper.
//!
//! The pepper is in the keys folder, not in the database: whoever has stolen only the database can't even try
//! passwords. The HMAC also makes every byte of a long password count, whatever the length limit of the slow hash is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{Algorithm, Argon2, Block, Version};
use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Password;
pub use super::peppers::Peppers;

/// The stored hash of a password: a CBOR map with integer keys, about 75 bytes, which a later format can extend. Its
/// values are not trusted: the cost is checked before anything is computed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PasswordRecord {
    #[n(0)]
    format: u8,
    #[n(1)]
    pepper: u8,
    #[n(2)]
    memory_kib: u32,
    #[n(3)]
    passes: u32,
    #[n(4)]
    lanes: u32,
    #[cbor(n(5), with = "minicbor::bytes")]
    salt: [u8; 16],
    #[cbor(n(6), with = "minicbor::bytes")]
    hash: [u8; 32],
}

/// The format that this version writes: Argon2id version 1.3 over HMAC-SHA-256.
const FORMAT: u8 = 1;

impl PasswordRecord {
    /// Whether the password should be hashed again at the next sign-in, because the configured cost or the current
    /// pepper is another one.
    #[must_use]
    pub fn needs_rehash(&self, cost: Cost, current_pepper: u8) -> bool {
        self.cost() != Ok(cost) || self.pepper < current_pepper
    }

    /// The cost of verifying this record.
    ///
    /// # Errors
    /// [`HashRefused::Cost`] if it is out of bounds, [`HashRefused::Format`] if a newer version wrote the record.
    pub fn cost(&self) -> Result<Cost, HashRefused> {
        if self.format != FORMAT {
            return Err(HashRefused::Format(self.format));
        }
        Cost::new(self.memory_kib, self.passes, self.lanes)
    }

    /// The id of the pepper.
    #[must_use]
    pub const fn pepper(&self) -> u8 {
        self.pepper
    }

    /// A record that no password matches. Verifying it for a name without an account takes as long as for a current
    /// account.
    pub(super) fn of_nobody(cost: Cost, peppers: &Peppers) -> Self {
        let Cost { memory_kib, passes, lanes } = cost;
        Self {
            format: FORMAT,
            pepper: peppers.current(),
            memory_kib,
            passes,
            lanes,
            salt: [0; 16],
            hash: [0; 32],
        }
    }
}

impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, pepper, memory_kib, passes, lanes, salt: _, hash: _ } = self;
        write!(f, "PasswordRecord(format {format}, pepper {pepper}, m={memory_kib},t={passes},p={lanes}, …)")
    }
}

/// The cost of one hash. It is bounded, so that no record can ask for gigabytes or minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// OWASP's first recommendation: 19 MiB, two passes, one lane.
    pub const RECOMMENDED: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// The most memory, in KiB: 128 MiB.
    pub const MAX_MEMORY_KIB: u32 = 128 * 1024;
    /// The most passes.
    pub const MAX_PASSES: u32 = 16;
    /// The most lanes. They are computed one after the other, in one thread.
    pub const MAX_LANES: u32 = 4;

    /// `memory_kib` KiB of memory (at least 8 a lane), `passes` passes, `lanes` lanes.
    ///
    /// # Errors
    /// [`HashRefused::Cost`] if one of them is out of bounds.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, HashRefused> {
        let fits = (1..=Self::MAX_LANES).contains(&lanes)
            && (1..=Self::MAX_PASSES).contains(&passes)
            && (lanes.saturating_mul(8)..=Self::MAX_MEMORY_KIB).contains(&memory_kib);
        if fits {
            Ok(Self { memory_kib, passes, lanes })
        } else {
            Err(HashRefused::Cost { memory_kib, passes, lanes })
        }
    }

    /// The memory, in blocks of 1 KiB.
    fn blocks(self) -> usize {
        usize::try_from(self.memory_kib).unwrap_or(usize::MAX)
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}

/// Why a stored hash can't be computed. For the operator; a client gets only a server error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashRefused {
    /// The record's cost is out of bounds: it is damaged, or somebody has changed it.
    #[error("a password hash asks for m={memory_kib} KiB, t={passes}, p={lanes}, which is out of bounds")]
    Cost {
        /// The memory, in KiB.
        memory_kib: u32,
        /// The passes.
        passes: u32,
        /// The lanes.
        lanes: u32,
    },
    /// A newer version of heirloom wrote the record.
    #[error("a password hash has format {0}, which this version does not know")]
    Format(u8),
    /// Its pepper is not in the keys folder.
    #[error("a password hash needs pepper {0}, which is not there")]
    Pepper(u8),
    /// The hash function itself refused.
    #[error("the password hash function failed")]
    Failed,
}

/// The memory in which hashes are computed. It is kept from one hash to the next.
#[derive(Default)]
pub(super) struct Workspace {
    blocks: Vec<Block>,
    started: Arc<AtomicU64>,
}

impl Workspace {
    /// A workspace without memory, which is allocated at the first hash. `started` counts the hashes.
    pub(super) fn new(started: Arc<AtomicU64>) -> Self {
        Self { blocks: Vec::new(), started }
    }

    /// Frees the memory until the next hash needs it.
    pub(super) fn give_back(&mut self) {
        self.blocks = Vec::new();
    }

    /// The allocated memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity().saturating_mul(Block::SIZE)
    }

    /// Frees the memory beyond what `cost` needs, after a record with a higher cost was verified.
    pub(super) fn shrink_to(&mut self, cost: Cost) {
        self.blocks.truncate(cost.blocks());
        self.blocks.shrink_to(cost.blocks());
    }

    /// Hashes a new password.
    pub(super) fn hash(
        &mut self,
        password: &Password,
        (cost, peppers): (Cost, &Peppers),
        salt: [u8; 16],
    ) -> Result<PasswordRecord, HashRefused> {
        let mut record = PasswordRecord { salt, ..PasswordRecord::of_nobody(cost, peppers) };
        record.hash = *self.compute(password, &record, peppers)?;
        Ok(record)
    }

    /// Whether `password` is the one from which `record` was made; compared in constant time.
    pub(super) fn verify(
        &mut self,
        password: &Password,
        record: &PasswordRecord,
        peppers: &Peppers,
    ) -> Result<bool, HashRefused> {
        Ok(self.compute(password, record, peppers)?.ct_eq(&record.hash).into())
    }

    fn compute(
        &mut self,
        password: &Password,
        record: &PasswordRecord,
        peppers: &Peppers,
    ) -> Result<Zeroizing<[u8; 32]>, HashRefused> {
        let cost = record.cost()?;
        let peppered = peppers.pepper(record.pepper, password).ok_or(HashRefused::Pepper(record.pepper))?;
        if self.blocks.len() < cost.blocks() {
            self.blocks.resize(cost.blocks(), Block::new());
        }
        let params = argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
            .map_err(|_| HashRefused::Failed)?;
        let mut hash = Zeroizing::new([0; 32]);
        self.started.fetch_add(1, Ordering::Relaxed);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(peppered.as_ref(), &record.salt, &mut *hash, &mut self.blocks)
            .map_err(|_| HashRefused::Failed)?;
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::Frozen;

    fn small() -> Cost {
        Cost::new(64, 1, 1).unwrap()
    }

    fn peppers() -> Peppers {
        Peppers::new((2, &[2; 32]), [(1, [1; 32])])
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    fn hashed(text: &str) -> PasswordRecord {
        Workspace::default().hash(&password(text), (small(), &peppers()), [7; 16]).unwrap()
    }

    fn verifies(text: &str, record: &PasswordRecord) -> Result<bool, HashRefused> {
        Workspace::default().verify(&password(text), record, &peppers())
    }

    /// bcrypt ignores everything after 72 bytes.
    #[test]
    fn passwords_that_differ_at_byte_73_differ() {
        let (a, b) = (format!("{}a", "x".repeat(72)), format!("{}b", "x".repeat(72)));
        assert_eq!(verifies(&a, &hashed(&a)), Ok(true));
        assert_eq!(verifies(&b, &hashed(&a)), Ok(false));
    }

    #[test]
    fn nfc_and_nfd_verify_alike() {
        assert_eq!(verifies("cafe\u{301} au lait", &hashed("caf\u{e9} au lait")), Ok(true));
        assert_eq!(verifies("café aulait", &hashed("café au lait")), Ok(false));
    }

    /// A record in the store must not be able to use up all memory.
    #[test]
    fn a_record_that_asks_for_4_gib_is_refused() {
        for (memory_kib, passes, lanes) in [
            (4 * 1024 * 1024, 2, 1),
            (u32::MAX, 1, 1),
            (64, u32::MAX, 1),
            (64, 1, u32::MAX),
            (64, 0, 1),
            (1, 1, 1),
            (8, 1, 4),
        ] {
            let record = PasswordRecord { memory_kib, passes, lanes, ..hashed("a") };
            let mut workspace = Workspace::default();
            let refused = workspace.verify(&password("a"), &record, &peppers());
            assert_eq!(refused, Err(HashRefused::Cost { memory_kib, passes, lanes }));
            assert_eq!(workspace.bytes(), 0);
        }
    }

    #[test]
    fn an_older_cost_or_pepper_needs_a_new_hash() {
        let record = hashed("a");
        assert!(!record.needs_rehash(small(), 2));
        assert!(record.needs_rehash(Cost::RECOMMENDED, 2));
        assert!(record.needs_rehash(small(), 3));
        assert!(!record.needs_rehash(small(), 1), "another node has begun to use a newer one");
    }

    #[test]
    fn the_pepper_counts_and_a_missing_one_is_named() {
        let record = hashed("a");
        assert_eq!(verifies("a", &PasswordRecord { pepper: 1, ..record }), Ok(false));
        assert_eq!(verifies("a", &PasswordRecord { pepper: 9, ..hashed("a") }), Err(HashRefused::Pepper(9)));
    }

    #[test]
    fn a_pepper_that_is_added_verifies_and_makes_nothing() {
        let newer = Peppers::new((3, &[3; 32]), []);
        let record = Workspace::default().hash(&password("a"), (small(), &newer), [7; 16]).unwrap();
        assert_eq!(verifies("a", &record), Err(HashRefused::Pepper(3)));
        // The pepper that is known already stays what it is.
        let with = peppers().with([(3, [3; 32]), (2, [9; 32])]);
        assert_eq!(Workspace::default().verify(&password("a"), &record, &with), Ok(true));
        assert_eq!(Workspace::default().verify(&password("a"), &hashed("a"), &with), Ok(true));
        assert_eq!(with.current(), 2);
    }

    #[test]
    fn a_record_survives_its_encoding_and_a_newer_format_is_refused() {
        let record = hashed("a");
        let bytes = minicbor::to_vec(&record).unwrap();
        assert!(bytes.len() < 80, "{}", bytes.len());
        assert_eq!(minicbor::decode::<PasswordRecord>(&bytes).unwrap(), record);
        for cut in 0..bytes.len() {
            assert!(minicbor::decode::<PasswordRecord>(&bytes[..cut]).is_err());
        }
        assert_eq!(verifies("a", &PasswordRecord { format: 2, ..record }), Err(HashRefused::Format(2)));
    }

    #[test]
    fn a_password_is_hashed_and_kept_as_it_was() {
        let mut frozen = Frozen::read("passwords.txt");
        let hash = |cost| Workspace::default().hash(&password("correct horse"), (cost, &peppers()), [7; 16]);
        for (name, cost) in [("small", small()), ("recommended", Cost::RECOMMENDED)] {
            let encode = |record: &PasswordRecord| minicbor::to_vec(record).unwrap();
            frozen.both_ways(name, &hash(cost).unwrap(), encode, |bytes| minicbor::decode(bytes));
        }
        frozen.finish();
    }

    #[test]
    fn it_is_argon2id_over_hmac_sha_256() {
        let tag = peppers().pepper(2, &password("correct horse")).unwrap();
        // Python: hmac.digest(bytes([2]) * 32, b"correct horse", "sha256").
        assert_eq!(tag.as_ref()[..8], [0x4d, 0x36, 0xea, 0xcf, 0xce, 0xb4, 0x67, 0x00]);
        let mut expected = [0; 32];
        let params = argon2::Params::new(64, 1, 1, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(tag.as_ref(), &[7; 16], &mut expected)
            .unwrap();
        assert_eq!(hashed("correct horse").hash, expected);
    }

    #[test]
    fn debug_shows_neither_salt_nor_hash_nor_pepper() {
        assert_eq!(format!("{:?}", hashed("a")), "PasswordRecord(format 1, pepper 2, m=64,t=1,p=1, …)");
        assert_eq!(format!("{:?}", peppers()), "Peppers(current 2, known [1, 2], …)");
    }
}
