//! What holds files with keys and secrets, and which of them are there.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::error::KeyError;
use super::name::{COMPROMISED, Entry};

/// The files with keys and secrets.
pub(super) trait KeyFiles {
    /// The names of all files.
    fn names(&self) -> Result<Vec<String>, KeyError>;
    /// The bytes of a file, if nobody else can have read or written them.
    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError>;
    /// The text in a tombstone; empty if there is none that can be read.
    fn epitaph(&self, name: &str) -> String;
    /// How messages call the file of this name.
    fn file(&self, name: &str) -> PathBuf;
    /// How messages call the place of all files.
    fn place(&self) -> String;
}

/// The files, which nobody else can change at the moment.
pub(super) trait LockedFiles: KeyFiles {
    /// Adds a new file; none of this name may exist.
    fn create(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeyError>;
    /// Destroys the key material in a file and leaves a tombstone with `epitaph` in its place.
    fn destroy(&mut self, name: &str, epitaph: &str) -> Result<(), KeyError>;
}

/// The files that are named as ours, in order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) live: Vec<Entry>,
    pub(super) compromised: Vec<Entry>,
    mistyped: Vec<String>,
}

impl Listing {
    pub(super) fn of(files: &dyn KeyFiles) -> Result<Self, KeyError> {
        let mut listing = Self::default();
        for name in files.names()? {
            let (bare, compromised) =
                name.strip_suffix(COMPROMISED).map_or((name.as_str(), false), |bare| (bare, true));
            match Entry::parse(bare) {
                Ok(Some(entry)) if compromised => listing.compromised.push(entry),
                Ok(Some(entry)) => listing.live.push(entry),
                Ok(None) => {}
                Err(_) => listing.mistyped.push(name),
            }
        }
        listing.live.sort();
        listing.compromised.sort();
        Ok(listing)
    }

    /// The names of all of them.
    pub(super) fn names(&self) -> Vec<String> {
        let live = self.live.iter().map(ToString::to_string);
        let compromised = self.compromised.iter().map(|entry| format!("{entry}{COMPROMISED}"));
        live.chain(compromised).chain(self.mistyped.iter().cloned()).collect()
    }

    /// What is wrong with the names that begin with `word`, as those of one kind of key do.
    pub(super) fn mistyped(&self, files: &dyn KeyFiles, word: &str) -> Vec<KeyError> {
        let of_kind = self.mistyped.iter().filter(|name| name.starts_with(word));
        of_kind.map(|name| KeyError::BadName { path: files.file(name) }).collect()
    }
}
