//! Check values of the refresh secrets and peppers, which are kept in the store. By them, a start notices keys that
//! don't belong to the data, before users are answered that their passwords are wrong.
//!
//! A *check value* is the first 16 bytes of the SHA-256 of an HMAC, under the secret, over a fixed text. It
//! distinguishes two secrets and reveals neither: the secrets are 32 random bytes, so nobody can find one by trying;
//! and the HMACs in tokens and passwords are over other texts, which a hash of this one says nothing about.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::{Decode, Encode};
use ring::{digest, hmac};

use super::error::KeyError;
use super::key_files::Listing;
use super::keyring::Keyring;
use super::name::{Entry, SecretFile, SecretKind};
use super::secret_files::{self, Secret};
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};

const LABEL: &[u8] = b"heirloom secret check v1";
const FORMAT: u8 = 1;

/// A refresh secret or pepper that the data were used with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSecret {
    /// The name of its file: the kind, the id, and when it was made.
    pub file: SecretFile,
    /// Its check value.
    pub value: CheckValue,
}

/// The check value of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct CheckValue(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

/// The stored value; the record's key has the kind and the id.
#[derive(Encode, Decode)]
struct Stored {
    #[n(0)]
    created: Timestamp,
    #[n(1)]
    value: CheckValue,
}

/// The usable secrets of a folder, and the compromised ones.
#[derive(Clone, Debug, Default)]
pub struct SecretsInUse {
    /// The usable secrets.
    pub live: Vec<KnownSecret>,
    /// The compromised secrets.
    pub dead: Vec<SecretFile>,
}

/// How the secrets of a folder compare with the check values in the store.
#[derive(Debug, Default)]
pub struct Fit {
    /// Secrets that the store does not know yet.
    pub new: Vec<KnownSecret>,
    /// Secrets that the store knows and the folder has neither as a file nor as a tombstone, though it has newer ones.
    pub missing: Vec<SecretFile>,
    /// Secrets that differ from their check value, and a missing secret that was the newest.
    pub problems: Vec<KeyError>,
    /// The kinds and ids of secrets that differ from their check value.
    pub foreign: Vec<(SecretKind, u8)>,
}

impl KnownSecret {
    /// Computes the check value of a secret.
    #[must_use]
    pub fn of(file: SecretFile, secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let text = [LABEL, file.kind.word().as_bytes(), &[file.id]].concat();
        let hash = digest::digest(&digest::SHA256, hmac::sign(&key, &text).as_ref());
        let value = hash.as_ref().first_chunk().copied().unwrap_or_default();
        Self { file, value: CheckValue(value) }
    }

    /// As a record's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, &Stored { created: self.file.created, value: self.value })
    }

    /// From the value of the record of a kind and an id.
    ///
    /// # Errors
    /// A newer format, or bytes that are not a check value.
    pub fn decode(kind: SecretKind, id: u8, bytes: &[u8]) -> Result<Self, DecodeError> {
        let Stored { created, value } = encoding::decode(FORMAT, bytes)?;
        Ok(Self { file: SecretFile { kind, id, created }, value })
    }

    /// As a line of text: the file's name and the check value.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{} {}", self.file, URL_SAFE_NO_PAD.encode(self.value.0))
    }

    /// From a line of text; `None` if it can't be parsed.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let (name, value) = line.split_once(' ')?;
        let Ok(Some(Entry::Secret(file))) = Entry::parse(name) else { return None };
        let value = URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
        Some(Self { file, value: CheckValue(value) })
    }
}

impl Keyring {
    /// Reads the usable secrets and the compromised ones.
    ///
    /// # Errors
    /// [`KeyError`] for the first file that can't be used.
    pub fn secrets_in_use(&self) -> Result<SecretsInUse, KeyError> {
        let files = self.look()?;
        let listing = Listing::of(&*files)?;
        let dead: Vec<SecretFile> = listing.compromised.iter().filter_map(Entry::secret).collect();
        let mut live = Vec::new();
        for kind in [SecretKind::Refresh, SecretKind::Pepper] {
            let secret_files::Read { by_id, problems, .. } =
                secret_files::read(&*files, kind, &BTreeMap::new())?;
            if let Some(problem) = problems.into_iter().next() {
                return Err(problem);
            }
            let of_kind = listing.live.iter().filter_map(Entry::secret).filter(|file| file.kind == kind);
            live.extend(of_kind.filter_map(|file| Some(KnownSecret::of(file, by_id.get(&file.id)?))));
        }
        Ok(SecretsInUse { live, dead })
    }

    /// Compares the secrets in use with the check values in the store.
    #[must_use]
    pub fn fit(&self, in_use: &SecretsInUse, known: &[KnownSecret]) -> Fit {
        let mut fit = Fit::default();
        let id = |file: SecretFile| (file.kind, file.id);
        for secret in &in_use.live {
            match known.iter().find(|known| id(known.file) == id(secret.file)) {
                None => fit.new.push(secret.clone()),
                Some(known) if known.value == secret.value => {}
                Some(_) => {
                    let path = self.file(&secret.file.to_string());
                    fit.problems.push(KeyError::Foreign { path, kind: secret.file.kind, id: secret.file.id });
                    fit.foreign.push(id(secret.file));
                }
            }
        }
        let there: Vec<SecretFile> =
            in_use.live.iter().map(|secret| secret.file).chain(in_use.dead.iter().copied()).collect();
        for gone in
            known.iter().map(|known| known.file).filter(|file| there.iter().all(|t| id(*t) != id(*file)))
        {
            // A missing secret that was the newest is an error: the newest tokens or hashes need it, and its id would
            // be used again.
            if there.iter().any(|other| other.kind == gone.kind && other.id > gone.id) {
                fit.missing.push(gone);
            } else {
                fit.problems.push(KeyError::Outdated { place: self.place(), gone });
            }
        }
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_225_265);

    fn folder() -> (tempfile::TempDir, Keyring) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        folder.rotate_pepper(NOW).unwrap();
        folder.rotate_refresh_secret(NOW).unwrap();
        (temp, folder)
    }

    fn known(folder: &Keyring) -> Vec<KnownSecret> {
        folder.secrets_in_use().unwrap().live
    }

    fn fit(folder: &Keyring, known: &[KnownSecret]) -> Fit {
        folder.fit(&folder.secrets_in_use().unwrap(), known)
    }

    #[test]
    fn what_is_known_survives_its_encodings_and_shows_no_part_of_the_secret() {
        let file = SecretFile { kind: SecretKind::Pepper, id: 7, created: NOW };
        let secret = KnownSecret::of(file, &Secret::from_bytes([9; 32]));
        assert_eq!(KnownSecret::decode(file.kind, file.id, &secret.encode()), Ok(secret.clone()));
        assert_eq!(KnownSecret::from_line(&secret.to_line()), Some(secret.clone()));
        let raw =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]), &[LABEL, b"pepper", &[7]].concat());
        assert_ne!(raw.as_ref().first_chunk(), Some(&secret.value.0), "not a part of the HMAC itself");
        // These bytes must never change.
        assert_eq!(secret.to_line(), "pepper-007-20261121T014105Z.secret bCSbqH-cFzyYv0Nhmyo7yw");
    }

    #[test]
    fn another_secret_under_a_known_id_is_named_and_a_new_id_is_new() {
        let (_temp, ours) = folder();
        let (_other, theirs) = folder();
        let known = known(&ours);
        assert!(fit(&ours, &known).problems.is_empty());
        let fits = fit(&theirs, &known);
        assert_eq!(fits.foreign, [(SecretKind::Refresh, 1), (SecretKind::Pepper, 1)]);
        let text = fits.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.contains("pepper-001-") && text.contains("refresh-001-"), "{text}");
        ours.rotate_pepper(NOW).unwrap();
        let fits = fit(&ours, &known);
        assert!(fits.problems.is_empty() && fits.missing.is_empty());
        assert_eq!(fits.new.iter().map(|new| new.file.id).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_folder_without_the_newest_is_older_than_the_data_unless_a_tombstone_says_so() {
        let (_temp, folder) = folder();
        let second = folder.rotate_pepper(NOW).unwrap().file;
        let all = known(&folder);
        std::fs::rename(folder.file(&second), folder.file("kept")).unwrap();
        let fits = fit(&folder, &all);
        let text = fits.problems.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains(&second) && fits.problems.len() == 1, "{text}");
        std::fs::write(folder.file(&format!("{second}.compromised")), "").unwrap();
        assert!(fit(&folder, &all).problems.is_empty());

        // An older secret may be deleted once nothing needs it.
        std::fs::remove_file(folder.file(&format!("{second}.compromised"))).unwrap();
        std::fs::rename(folder.file("kept"), folder.file(&second)).unwrap();
        std::fs::remove_file(folder.file("pepper-001-20261121T014105Z.secret")).unwrap();
        let fits = fit(&folder, &all);
        assert!(fits.problems.is_empty());
        assert_eq!(
            fits.missing.iter().map(|file| (file.kind, file.id)).collect::<Vec<_>>(),
            [(SecretKind::Pepper, 1)]
        );
    }
}
