//! The refresh secrets and the peppers of a running server.
//!
//! Both are 32 random bytes with an id of one byte. The newest is used for new tokens or hashes; all of them verify
//! older ones. An id is never used twice, so an old token or hash is never checked with another secret under its id.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::error::KeyError;
use super::keyring::{IfMissing, Keyring};
use super::name::SecretKind;
use super::secret_files::{Read, Secret, read};
use crate::clock::Timestamp;

/// The secrets behind refresh tokens.
pub type RefreshSecrets = Secrets<ForRefreshTokens>;

/// The peppers: without them, nobody can even try passwords against the stored hashes.
pub type Peppers = Secrets<ForPasswords>;

/// All secrets of one kind in a folder.
pub struct Secrets<P> {
    keyring: Keyring,
    held: RwLock<Arc<LoadedSecrets>>,
    /// The problems that the last reading of the folder found.
    problems: Mutex<Vec<String>>,
    purpose: PhantomData<P>,
}

/// The purpose of one kind of [`Secrets`], as a type, so that the two kinds can't be confused.
pub trait Purpose: Send + Sync + 'static {
    /// The kind of its files.
    const KIND: SecretKind;
}

/// The MAC of refresh tokens.
#[derive(Clone, Copy, Debug)]
pub enum ForRefreshTokens {}

/// The HMAC over passwords.
#[derive(Clone, Copy, Debug)]
pub enum ForPasswords {}

impl Purpose for ForRefreshTokens {
    const KIND: SecretKind = SecretKind::Refresh;
}

impl Purpose for ForPasswords {
    const KIND: SecretKind = SecretKind::Pepper;
}

#[derive(Clone)]
struct LoadedSecrets {
    /// `None` if every secret for new tokens or hashes is compromised.
    current: Option<(u8, Arc<Secret>)>,
    by_id: BTreeMap<u8, Arc<Secret>>,
    /// By the files' names, also of those that can't be used.
    created: BTreeMap<u8, Timestamp>,
    /// Whether there may be newer ones: the last reading failed.
    is_outdated: bool,
}

impl<P: Purpose> Secrets<P> {
    /// Reads the folder.
    ///
    /// # Errors
    /// [`KeyError`] naming the file of any secret that can't be used; [`KeyError::Missing`] if there is none and none
    /// may be made.
    pub fn open(keyring: Keyring, if_missing: IfMissing, now: Timestamp) -> Result<Self, KeyError> {
        if if_missing == IfMissing::Create {
            keyring.create_first_secret(P::KIND, now)?;
        }
        let Read { by_id, created, problems, .. } = read(&*keyring.look()?, P::KIND, &BTreeMap::new())?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        if by_id.is_empty() {
            return Err(Self::none_in(&keyring));
        }
        Ok(Self {
            keyring,
            held: RwLock::new(Arc::new(LoadedSecrets::of(by_id, created))),
            problems: Mutex::default(),
            purpose: PhantomData,
        })
    }

    /// The newest secret, which is used for new tokens or hashes, and its id; `None` if the last one is compromised.
    #[must_use]
    pub fn current(&self) -> Option<(u8, Arc<Secret>)> {
        self.now().current.clone()
    }

    /// The secret with this id.
    #[must_use]
    pub fn find(&self, id: u8) -> Option<Arc<Secret>> {
        self.now().by_id.get(&id).cloned()
    }

    /// When the secret with this id was made.
    #[must_use]
    pub fn created(&self, id: u8) -> Option<Timestamp> {
        self.now().created.get(&id).copied()
    }

    /// The ids of all secrets that exist, or may exist, also of those that can't be used.
    #[must_use]
    pub fn listed(&self) -> Vec<u8> {
        let now = self.now();
        let newest = now.created.last_key_value().map_or(0, |(id, _)| *id);
        let newer = newest.checked_add(1).filter(|_| now.is_outdated).map(|first| first..=u8::MAX);
        now.created.keys().copied().chain(newer.into_iter().flatten()).collect()
    }

    /// All secrets with their ids, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<(u8, Arc<Secret>)> {
        self.now().by_id.iter().map(|(id, secret)| (*id, Arc::clone(secret))).collect()
    }

    /// Reads the folder again. Usable secrets are added, missing and compromised ones are dropped at once, and the
    /// problems with unusable ones are returned. If no usable secret is left, the previous ones stay unless they are
    /// compromised.
    #[must_use = "what can't be used should be told to the operator"]
    pub fn reload(&self) -> Vec<KeyError> {
        let problems = self.read_again();
        *self.problems.lock().unwrap_or_else(PoisonError::into_inner) =
            problems.iter().map(ToString::to_string).collect();
        problems
    }

    /// The problems that the last reading of the folder found.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read_again(&self) -> Vec<KeyError> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let read = self.keyring.look().and_then(|files| read(&*files, P::KIND, &held.by_id));
        let is_outdated = read.as_ref().map_or(true, |read| read.created.is_empty() && read.dead.is_empty());
        if is_outdated && !held.is_outdated {
            *held = Arc::new(LoadedSecrets { is_outdated, ..LoadedSecrets::clone(&held) });
        }
        let Read { mut by_id, mut created, dead, mut problems } = match read {
            Ok(read) => read,
            Err(error) => return vec![error],
        };
        if by_id.is_empty() {
            problems.push(self.missing());
            by_id.clone_from(&held.by_id);
            by_id.retain(|id, _| !dead.contains(id));
            created.extend(held.created.iter().filter(|(id, _)| by_id.contains_key(id)));
        }
        let have_changed = !by_id.keys().eq(held.by_id.keys());
        if have_changed || created != held.created || held.is_outdated != is_outdated {
            let fresh = LoadedSecrets { is_outdated, ..LoadedSecrets::of(by_id, created) };
            if have_changed {
                tracing::info!(
                    keys.kind = %P::KIND, keys.current = fresh.current.as_ref().map(|(id, _)| id), "secrets changed"
                );
            }
            *held = Arc::new(fresh);
        }
        problems
    }

    fn now(&self) -> Arc<LoadedSecrets> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The error that there is none.
    #[must_use]
    pub fn missing(&self) -> KeyError {
        Self::none_in(&self.keyring)
    }

    fn none_in(keyring: &Keyring) -> KeyError {
        KeyError::Missing { what: P::KIND.to_string(), place: keyring.place() }
    }
}

impl<P: Purpose> fmt::Debug for Secrets<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("kind", &P::KIND)
            .field("by_id", &self.now().by_id)
            .finish_non_exhaustive()
    }
}

impl LoadedSecrets {
    fn of(by_id: BTreeMap<u8, Arc<Secret>>, created: BTreeMap<u8, Timestamp>) -> Self {
        let current = by_id.last_key_value().map(|(id, newest)| (*id, Arc::clone(newest)));
        Self { current, by_id, created, is_outdated: false }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::token::name::{COMPROMISED, SecretFile};
    use crate::token::rotate::SecretState;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_225_265);

    fn open(folder: &Keyring) -> RefreshSecrets {
        RefreshSecrets::open(folder.clone(), IfMissing::Create, NOW).unwrap()
    }

    #[test]
    fn the_first_secret_is_made_once_and_kept() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        let missing = RefreshSecrets::open(folder.clone(), IfMissing::Refuse, NOW).unwrap_err();
        assert!(matches!(missing, KeyError::Missing { .. }), "{missing}");

        let (id, first) = open(&folder).current().unwrap();
        let (again, same) = open(&folder).current().unwrap();
        assert_eq!((id, again), (1, 1));
        assert_eq!(first.as_bytes(), same.as_bytes());
        assert_ne!(first.as_bytes(), &[0; 32]);
        let peppers = Peppers::open(folder, IfMissing::Create, NOW).unwrap();
        assert_ne!(
            peppers.current().unwrap().1.as_bytes(),
            first.as_bytes(),
            "another kind is another secret"
        );
    }

    #[test]
    fn the_newest_makes_and_the_older_check_until_compromised() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        let secrets = open(&folder);
        let first = secrets.current().unwrap().1;
        assert_eq!(folder.rotate_refresh_secret(NOW).unwrap().id, 2);
        assert!(secrets.reload().is_empty());
        assert_eq!(secrets.current().unwrap().0, 2);
        assert!(Arc::ptr_eq(&secrets.find(1).unwrap(), &first), "not read again");
        assert_eq!(secrets.all().len(), 2);

        assert_eq!(folder.compromised_refresh_secret(1, NOW).unwrap(), None, "the newest is still good");
        assert!(secrets.reload().is_empty());
        assert!(secrets.find(1).is_none());
        assert_eq!(secrets.current().unwrap().0, 2);

        let new = folder.compromised_refresh_secret(2, NOW).unwrap().unwrap();
        assert!(secrets.reload().is_empty());
        assert_eq!((new.id, secrets.current().unwrap().0, secrets.all().len()), (3, 3, 1));
        let again = folder.compromised_refresh_secret(2, NOW).unwrap_err();
        assert!(matches!(again, KeyError::UnknownSecret(SecretKind::Refresh, 2)), "{again}");

        let states: Vec<_> =
            folder.secrets().unwrap().iter().map(|secret| (secret.id, secret.state)).collect();
        let expected =
            [(1, SecretState::Compromised), (2, SecretState::Compromised), (3, SecretState::Current)];
        assert_eq!(states, expected);
    }

    #[test]
    fn a_compromised_secret_that_a_backup_brings_back_stays_dead() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        let secrets = open(&folder);
        let file = folder.file(&folder.secrets().unwrap().remove(0).file);
        let backup = fs::read(&file).unwrap();
        folder.compromised_refresh_secret(1, NOW).unwrap();
        assert!(!file.exists());
        let tombstone = fs::read(format!("{}{COMPROMISED}", file.display())).unwrap();
        assert!(!tombstone.windows(8).any(|part| backup.windows(8).any(|secret| secret == part)));

        folder.change(|files| files.create(&file.file_name().unwrap().to_string_lossy(), &backup)).unwrap();
        assert!(secrets.reload().is_empty());
        assert!(secrets.find(1).is_none());
        assert!(open(&folder).find(1).is_none());
        folder.compromised_refresh_secret(2, NOW).unwrap();
        assert!(!file.exists(), "destroyed again when next at it");
    }

    #[test]
    fn a_tombstone_alone_stops_a_secret_whatever_else_can_be_read() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        let secrets = open(&folder);
        let file = folder.file(&folder.secrets().unwrap().remove(0).file);
        fs::rename(&file, format!("{}{COMPROMISED}", file.display())).unwrap();
        let second = SecretFile { kind: SecretKind::Refresh, id: 2, created: NOW }.to_string();
        folder.change(|files| files.create(&second, b"not readable")).unwrap();
        assert_eq!(secrets.reload().len(), 2);
        assert!(secrets.current().is_none() && secrets.find(1).is_none());
        assert_eq!(secrets.problems().len(), 2);
        assert_eq!(folder.rotate_refresh_secret(NOW).unwrap().id, 3);
        assert_eq!(secrets.reload().len(), 1);
        assert_eq!(secrets.current().unwrap().0, 3);
    }

    #[test]
    fn ids_end_at_255_and_never_come_again() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        let last = SecretFile { kind: SecretKind::Refresh, id: 255, created: NOW };
        let bytes = Secret::from_bytes([1; 32]).to_text();
        folder.change(|files| files.create(&last.to_string(), bytes.as_bytes())).unwrap();
        assert_eq!(open(&folder).current().unwrap().0, 255);
        assert!(matches!(
            folder.rotate_refresh_secret(NOW),
            Err(KeyError::IdsExhausted(SecretKind::Refresh))
        ));
        assert!(folder.compromised_refresh_secret(255, NOW).is_err());
        assert_eq!(open(&folder).current().unwrap().0, 255, "nothing destroyed that can't be replaced");
    }

    #[test]
    fn an_id_that_only_a_tombstone_has_is_not_given_again() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        open(&folder);
        let file = folder.file(&folder.secrets().unwrap().remove(0).file);
        fs::rename(&file, format!("{}{COMPROMISED}", file.display())).unwrap();
        assert_eq!(open(&folder).current().unwrap().0, 2);
    }

    #[test]
    fn a_mistyped_name_stops_only_what_it_was_meant_for() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        fs::write(folder.file("pepper-1.secret"), b"").unwrap();
        open(&folder);
        let peppers = Peppers::open(folder, IfMissing::Create, NOW);
        assert!(matches!(peppers, Err(KeyError::BadName { .. })));
    }

    #[test]
    fn a_broken_secret_is_refused_by_name() {
        for (at, broken) in
            ["", "AAAA", &"A".repeat(44), &"A".repeat(300), &"*".repeat(43)].iter().enumerate()
        {
            let temp = tempfile::tempdir().unwrap();
            let folder = Keyring::in_folder(temp.path());
            let file = SecretFile { kind: SecretKind::Refresh, id: 9, created: NOW }.to_string();
            folder.change(|files| files.create(&file, broken.as_bytes())).unwrap();
            let error = RefreshSecrets::open(folder, IfMissing::Create, NOW).unwrap_err().to_string();
            assert!(error.contains(&file), "{at}: {error}");
        }
    }

    #[test]
    fn two_files_of_one_id_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Keyring::in_folder(temp.path());
        for created in [NOW, Timestamp::from_seconds(0)] {
            let file = SecretFile { kind: SecretKind::Refresh, id: 1, created };
            let bytes = Secret::from_bytes([1; 32]).to_text();
            folder.change(|files| files.create(&file.to_string(), bytes.as_bytes())).unwrap();
        }
        let error = RefreshSecrets::open(folder, IfMissing::Create, NOW).unwrap_err();
        assert!(matches!(error, KeyError::Duplicate { .. }), "{error}");
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let temp = tempfile::tempdir().unwrap();
        let secrets = open(&Keyring::in_folder(temp.path()));
        let shown = format!("{secrets:?} {:?}", secrets.current().unwrap());
        let text = secrets.current().unwrap().1.to_text();
        assert!(shown.contains("redacted") && !shown.contains(text.trim_end()), "{shown}");
    }
}
