//! The files of secrets in the keys folder: which can be used, and what is wrong with the others.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::key_files::{KeyFiles, Listing};
use super::name::{Entry, SecretFile, SecretKind};
use crate::clock::Timestamp;

/// 32 random bytes, wiped when dropped.
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// The secret that has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What stands in its file: base64url, and the end of the line.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        URL_SAFE_NO_PAD.encode_string(self.as_bytes(), &mut text);
        text.push('\n');
        text
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // One byte more than is wanted, so that what is too long is noticed.
        let mut room = Zeroizing::new([0; 33]);
        let len = URL_SAFE_NO_PAD.decode_slice(text.trim_ascii_end(), room.as_mut_slice()).ok()?;
        let bytes = room.get(..len)?;
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The secrets of a kind.
pub(super) struct Read {
    /// Those that can be used.
    pub(super) by_id: BTreeMap<u8, Arc<Secret>>,
    /// When each was made, by its file's name.
    pub(super) created: BTreeMap<u8, Timestamp>,
    /// The ids that have a tombstone.
    pub(super) dead: Vec<u8>,
    /// What is wrong with the others.
    pub(super) problems: Vec<KeyError>,
}

/// All secrets of `kind`, and what is wrong with the others. One that is among `known` is not read again.
pub(super) fn read(
    place: &dyn KeyFiles,
    kind: SecretKind,
    known: &BTreeMap<u8, Arc<Secret>>,
) -> Result<Read, KeyError> {
    let listing = Listing::of(place)?;
    let mut problems = listing.mistyped(place, kind.word());
    let of_kind = |entry: &Entry| entry.secret().filter(|file| file.kind == kind);
    // By id, not by name: a backup may bring one back.
    let dead: Vec<u8> = listing.compromised.iter().filter_map(of_kind).map(|file| file.id).collect();
    let mut files: BTreeMap<u8, SecretFile> = BTreeMap::new();
    let mut by_id = BTreeMap::new();
    for file in listing.live.iter().filter_map(of_kind).filter(|file| !dead.contains(&file.id)) {
        if let Some(other) = files.insert(file.id, file) {
            problems
                .push(KeyError::Duplicate { path: place.file(&file.to_string()), other: other.to_string() });
            continue;
        }
        let secret = known.get(&file.id).map_or_else(|| parse(place, file), |known| Ok(Arc::clone(known)));
        match secret {
            Ok(secret) => {
                by_id.insert(file.id, secret);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let created = files.into_iter().map(|(id, file)| (id, file.created)).collect();
    Ok(Read { by_id, created, dead, problems })
}

fn parse(place: &dyn KeyFiles, file: SecretFile) -> Result<Arc<Secret>, KeyError> {
    let text = place.read(&file.to_string())?;
    Secret::parse(&text).map(Arc::new).ok_or_else(|| KeyError::Broken {
        path: place.file(&file.to_string()),
        reason: "it doesn't hold 32 bytes as base64url".to_owned(),
    })
}
