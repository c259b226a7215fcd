//! `[data]` and `[keys]`: the two folders, and what is in them.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use super::section::seconds;
use crate::oauth::SigningAlgorithm;

/// The default of `nearly_full`, in MiB of free space.
const NEARLY_FULL: u32 = 256;

/// The free space, in bytes, below which the disk counts as nearly full.
pub(super) fn nearly_full(mib: Option<u32>) -> u64 {
    u64::from(mib.unwrap_or(NEARLY_FULL)).saturating_mul(1 << 20)
}

/// The algorithm of access tokens, and those of ID tokens.
type Algorithms = (SigningAlgorithm, Vec<SigningAlgorithm>);

/// Reads `[data]` and `[keys]`: the data folder with the free space to keep on its disk, the keys folder, how long a
/// signing key is published before it signs, and the algorithms of access tokens and of ID tokens.
pub(super) fn folders(root: &mut Section<'_>) -> ((PathBuf, u64), PathBuf, Duration, Algorithms) {
    let mut section = root.section("data");
    let data = section.path("folder").unwrap_or_else(|| section.beside_the_file("data"));
    let nearly_full = nearly_full(section.number("nearly_full_mib", 16..=1_048_576).map(|at| at.value));
    section.finish();
    let mut section = root.section("keys");
    let keys = section.path("folder").unwrap_or_else(|| section.beside_the_file("keys"));
    let lead_time =
        section.duration("lead_time", &seconds(0, 7 * 86_400)).map_or(super::LEAD_TIME, |at| at.value);
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
    ((data.value, nearly_full), keys.value, lead_time, algorithms)
}
