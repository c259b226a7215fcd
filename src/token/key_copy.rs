//! Copies all keys and secrets from one place to another: from the keys folder to a database, and back.

use zeroize::Zeroizing;

use super::error::KeyError;
use super::key_files::{KeyFiles, Listing};
use super::keyring::Keyring;
use super::life::KeyLife;
use super::name::COMPROMISED;
use crate::clock::Timestamp;

/// The name of a file, and what is in it.
type File = (String, Zeroizing<Vec<u8>>);

impl Keyring {
    /// Copies all keys, secrets and tombstones to `to`, reads them back there, and says how many files they are. What is
    /// there already must be the same: so a copy that was interrupted is completed, and nothing is ever replaced.
    ///
    /// # Errors
    /// [`KeyError`] for the first file that can't be used here, and [`KeyError::Differs`] if `to` has other ones.
    pub fn copy_to(&self, to: &Self) -> Result<usize, KeyError> {
        // Nothing that can't be used is copied.
        self.signing_keys(&KeyLife::default(), Timestamp::default())?;
        self.secrets_in_use()?;
        let files = self.files()?;
        to.change(|there| {
            for name in Listing::of(there)?.names() {
                let same = files.iter().find(|(other, _)| *other == name);
                if !same.is_some_and(|file| is_same(there, file)) {
                    return Err(KeyError::Differs { path: there.file(&name), place: self.place() });
                }
            }
            let names = there.names()?;
            let missing = files.iter().filter(|(name, _)| !names.contains(name));
            missing.into_iter().try_for_each(|(name, bytes)| there.create(name, bytes))
        })?;
        let there = to.look()?;
        match files.iter().find(|file| !is_same(&*there, file)) {
            Some((name, _)) => Err(KeyError::Differs { path: there.file(name), place: self.place() }),
            None => Ok(files.len()),
        }
    }

    /// All files that count: where a key has a tombstone, only that.
    fn files(&self) -> Result<Vec<File>, KeyError> {
        let there = self.look()?;
        let listing = Listing::of(&*there)?;
        let live = listing.live.iter().filter(|entry| !listing.compromised.contains(entry));
        let live = live.map(ToString::to_string).map(|name| Ok((name.clone(), there.read(&name)?)));
        let dead = listing.compromised.iter().map(ToString::to_string).map(|name| {
            let epitaph = format!("{}\n", there.epitaph(&name)).into_bytes();
            Ok((format!("{name}{COMPROMISED}"), Zeroizing::new(epitaph)))
        });
        let files = live.chain(dead).collect::<Result<Vec<File>, KeyError>>()?;
        if files.is_empty() {
            return Err(KeyError::Missing { what: "key".to_owned(), place: self.place() });
        }
        Ok(files)
    }
}

/// Whether a file is there with the same contents. Of a tombstone, the name counts.
fn is_same(there: &(impl KeyFiles + ?Sized), (name, bytes): &File) -> bool {
    let is_there = || there.names().is_ok_and(|names| names.contains(name));
    if name.ends_with(COMPROMISED) { is_there() } else { there.read(name).is_ok_and(|read| read == *bytes) }
}
