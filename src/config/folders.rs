//! `[data]` and `[keys]`: the two folders, and what is in them.

use std::path::PathBuf;
use std::time::Duration;

use super::section::{Section, seconds};
use super::store::Store;
use crate::oauth::SigningAlgorithm;

/// The default of `nearly_full`, in MiB of free space.
const NEARLY_FULL: u32 = 256;

/// The shortest time for which a key of several nodes is published before it signs: each must have noticed it.
const LEAST_SHARED_LEAD_TIME: u64 = 60;

/// Where the keys lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeysIn {
    /// In the keys folder.
    #[default]
    Folder,
    /// In the store's database, sealed.
    Database(KeyEncryptionFiles),
}

/// The files of the key-encryption keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEncryptionFiles {
    /// That of the key which seals.
    pub current: PathBuf,
    /// That of a key which only opens, while one takes the place of the other.
    pub other: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Kind {
    Folder,
    Database,
}

/// `[keys]`.
pub(super) struct Keys {
    pub(super) folder: PathBuf,
    pub(super) place: KeysIn,
    pub(super) lead_time: Duration,
    pub(super) algorithms: Algorithms,
}

/// The free space, in bytes, below which the disk counts as nearly full.
pub(super) fn nearly_full(mib: Option<u32>) -> u64 {
    u64::from(mib.unwrap_or(NEARLY_FULL)).saturating_mul(1 << 20)
}

/// The algorithm of access tokens, and those of ID tokens.
pub(super) type Algorithms = (SigningAlgorithm, Vec<SigningAlgorithm>);

/// Reads `[data]` and `[keys]`: the data folder with the free space to keep on its disk; and all of the keys.
pub(super) fn folders(root: &mut Section<'_>, store: &Store) -> ((PathBuf, u64), Keys) {
    let mut section = root.section("data");
    let data = section.path("folder").unwrap_or_else(|| section.beside_the_file("data"));
    let nearly_full = nearly_full(section.number("nearly_full_mib", 16..=1_048_576).map(|at| at.value));
    section.finish();
    let mut section = root.section("keys");
    let keys = section.path("folder").unwrap_or_else(|| section.beside_the_file("keys"));
    let place = keys_in(&mut section, store);
    let least = if place == KeysIn::Folder { 0 } else { LEAST_SHARED_LEAD_TIME };
    let lead_time =
        section.duration("lead_time", &seconds(least, 7 * 86_400)).map_or(super::LEAD_TIME, |at| at.value);
    let algorithms = SigningAlgorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm));
    let algorithm =
        section.choice("algorithm", &algorithms).map_or(SigningAlgorithm::default(), |at| at.value);
    let listed = section.choices("id_token_algorithms", &algorithms);
    // OpenID Connect Discovery §3: "The algorithm RS256 MUST be included."
    let of_id_tokens = SigningAlgorithm::ALL
        .into_iter()
        .filter(|one| *one == SigningAlgorithm::Rs256 || *one == algorithm || listed.contains(one));
    let algorithms = (algorithm, of_id_tokens.collect());
    if keys.value.starts_with(&data.value) || data.value.starts_with(&keys.value) {
        let suggestion = "keep them apart: who gets a copy of the data must not get the keys with it";
        section.problems.note(&keys.place, "the keys' folder and the data's lie in one another", suggestion);
    }
    section.finish();
    ((data.value, nearly_full), Keys { folder: keys.value, place, lead_time, algorithms })
}

/// Reads where the keys lie, and what they are sealed with.
fn keys_in(section: &mut Section<'_>, store: &Store) -> KeysIn {
    let kind = section.choice("in", &[("folder", Kind::Folder), ("database", Kind::Database)]);
    let place = kind.as_ref().map_or_else(|| section.place.clone(), |kind| kind.place.clone());
    let current = section.path("key_encryption_key_file");
    let other = section.path("other_key_encryption_key_file");
    match kind.map_or(Kind::Folder, |kind| kind.value) {
        Kind::Folder => {
            for file in current.iter().chain(&other) {
                let message = "a key-encryption key is for keys in the database";
                section.problems.note(&file.place, message, "write in = \"database\", or leave it out");
            }
            KeysIn::Folder
        }
        Kind::Database => {
            if matches!(store, Store::Sled | Store::Memory) {
                let suggestion = "write kind = \"postgres\" in [store], or leave `in` out";
                section.problems.note(&place, "the embedded store has no keys in it", suggestion);
            }
            let Some(current) = current else {
                let suggestion =
                    "name a file in key_encryption_key_file: `openssl rand -base64 32` makes one";
                section.problems.note(&place, "there is no key to seal the keys with", suggestion);
                return KeysIn::Folder;
            };
            KeysIn::Database(KeyEncryptionFiles {
                current: current.value,
                other: other.map(|file| file.value),
            })
        }
    }
}
