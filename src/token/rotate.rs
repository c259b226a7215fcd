//! The changes that an operator makes to the keys. A running server notices them without a restart.

use std::time::Duration;

use super::error::KeyError;
use super::key_files::{KeyFiles, Listing, LockedFiles};
use super::keyring::Keyring;
use super::keys;
use super::life::{KeyLife, KeyState};
use super::name::{Entry, SecretFile, SecretKind, SigningFile};
use super::secret_files::Secret;
use super::signing::SigningKey;
use crate::clock::Timestamp;
use crate::oauth::{Kid, SigningAlgorithm};
use crate::random::Random;

/// A signing key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its `kid`; `None` for a compromised key whose tombstone doesn't have it.
    pub kid: Option<Kid>,
    /// Its algorithm; `None` for a compromised key.
    pub algorithm: Option<SigningAlgorithm>,
    /// When it was made.
    pub created: Timestamp,
    /// What it does at the moment of listing.
    pub state: KeyState,
    /// The name of its file.
    pub file: String,
}

/// A signing key that has just been generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Its `kid`.
    pub kid: Kid,
    /// When it was made.
    pub created: Timestamp,
    /// The name of its file.
    pub file: String,
}

/// A refresh secret or pepper in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// What it is for: refresh tokens or passwords.
    pub kind: SecretKind,
    /// Its id, 1 to 255.
    pub id: u8,
    /// When it was made.
    pub created: Timestamp,
    /// What it is used for at the moment of listing.
    pub state: SecretState,
    /// The name of its file.
    pub file: String,
}

/// What a secret is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// It is used for new tokens or hashes.
    Current,
    /// It is used only to verify older tokens or hashes.
    Checking,
    /// It is destroyed.
    Compromised,
}

impl Keyring {
    /// All signing keys, in the order of creation, with what each does at `now`.
    ///
    /// # Errors
    /// [`KeyError`] for the first file that can't be used.
    pub fn signing_keys(&self, life: &KeyLife, now: Timestamp) -> Result<Vec<KeyInfo>, KeyError> {
        let files = self.look()?;
        let keys::Read { held, problems, .. } = keys::read(&*files, &[])?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let births: Vec<_> = held.iter().map(keys::KeyOnDisk::birth).collect();
        let states = life.states(&births, now);
        let usable = held.iter().zip(states).map(|(held, state)| KeyInfo {
            kid: Some(held.key.kid()),
            algorithm: Some(held.key.algorithm()),
            created: held.file.created,
            state,
            file: held.file.to_string(),
        });
        let compromised = Listing::of(&*files)?.compromised.into_iter().filter_map(|entry| match entry {
            Entry::Signing(file) => Some(KeyInfo {
                kid: files.epitaph(&file.to_string()).parse().ok(),
                algorithm: None,
                created: file.created,
                state: KeyState::Compromised,
                file: file.to_string(),
            }),
            Entry::Secret(_) => None,
        });
        let mut all: Vec<_> = usable.chain(compromised).collect();
        all.sort_by_key(|key| key.created);
        Ok(all)
    }

    /// All refresh secrets and peppers, by kind and id.
    ///
    /// # Errors
    /// [`KeyError`] if the folder can't be listed. The files are not read.
    pub fn secrets(&self) -> Result<Vec<SecretInfo>, KeyError> {
        let listing = Listing::of(&*self.look()?)?;
        Ok(secrets(&listing))
    }

    /// Adds a signing key. It is published as soon as the server notices it, and signs after the lead time.
    ///
    /// # Errors
    /// [`KeyError`]: then the folder is unchanged.
    pub fn rotate_signing(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<NewKey, KeyError> {
        let wanted = Wanted { algorithm, at_once: false, for_id_tokens: false };
        self.change(|files| new_signing_key(files, &wanted, now))
    }

    /// Adds a key that signs ID tokens alone, like [`Keyring::rotate_signing`].
    ///
    /// # Errors
    /// As there.
    pub fn rotate_id_tokens(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<NewKey, KeyError> {
        let wanted = Wanted { algorithm, at_once: false, for_id_tokens: true };
        self.change(|files| new_signing_key(files, &wanted, now))
    }

    /// Destroys the signing key `kid`, replaces it with a new key of the same algorithm, for the same tokens, that signs at once, and returns
    /// the new key.
    ///
    /// Resource servers refuse tokens of the old key once they have fetched the JWKS again. Until then they don't know
    /// the new key either, and may refuse its tokens.
    ///
    /// # Errors
    /// [`KeyError::UnknownKid`]; otherwise as [`Keyring::rotate_signing`].
    pub fn compromised_signing(&self, kid: Kid, now: Timestamp) -> Result<NewKey, KeyError> {
        self.change(|files| {
            bury_leftovers(files)?;
            // Other unusable files must not prevent this.
            let keys::Read { held, .. } = keys::read(files, &[])?;
            let old = held.iter().find(|held| held.key.kid() == kid).ok_or(KeyError::UnknownKid(kid))?;
            let algorithm = old.key.algorithm();
            let wanted = Wanted { algorithm, at_once: true, for_id_tokens: old.file.for_id_tokens };
            let new = new_signing_key(files, &wanted, now)?;
            files.destroy(&old.file.to_string(), &kid.to_string())?;
            Ok(new)
        })
    }

    /// Adds a refresh secret: all new refresh tokens use it, and the earlier ones still verify.
    ///
    /// # Errors
    /// [`KeyError::IdsExhausted`] after 255 of them; otherwise as [`Keyring::rotate_signing`].
    pub fn rotate_refresh_secret(&self, now: Timestamp) -> Result<SecretInfo, KeyError> {
        self.change(|files| new_secret(files, SecretKind::Refresh, now))
    }

    /// Adds a pepper: all new hashes use it, and the earlier ones still verify.
    ///
    /// # Errors
    /// As [`Keyring::rotate_refresh_secret`].
    pub fn rotate_pepper(&self, now: Timestamp) -> Result<SecretInfo, KeyError> {
        self.change(|files| new_secret(files, SecretKind::Pepper, now))
    }

    /// Destroys the refresh secret `id`: every refresh token made with it is refused. If it was the newest, a new one
    /// is made and returned.
    ///
    /// # Errors
    /// [`KeyError::UnknownSecret`]; otherwise as [`Keyring::rotate_refresh_secret`].
    pub fn compromised_refresh_secret(&self, id: u8, now: Timestamp) -> Result<Option<SecretInfo>, KeyError> {
        self.change(|files| {
            bury_leftovers(files)?;
            let secrets = secrets(&Listing::of(files)?);
            let refresh = |secret: &&SecretInfo| secret.kind == SecretKind::Refresh && secret.id == id;
            let old = secrets.iter().filter(refresh).find(|secret| secret.state != SecretState::Compromised);
            let old = old.ok_or(KeyError::UnknownSecret(SecretKind::Refresh, id))?;
            let was_current = old.state == SecretState::Current;
            let new = was_current.then(|| new_secret(files, SecretKind::Refresh, now)).transpose()?;
            files.destroy(&old.file, "")?;
            Ok(new)
        })
    }

    /// Generates a signing key if there is none.
    pub(super) fn create_first_signing_key(
        &self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        // Checked again under the lock: another process may have made one meanwhile.
        let is_one = |entry: &Entry| entry.signing().is_some_and(|file| !file.for_id_tokens);
        if has(&*self.look()?, is_one)? {
            return Ok(());
        }
        let wanted = Wanted { algorithm, at_once: false, for_id_tokens: false };
        self.change(
            |files| if has(files, is_one)? { Ok(()) } else { new_signing_key(files, &wanted, now).map(drop) },
        )
    }

    /// Generates a key for `algorithm` that signs ID tokens alone, if there is none.
    ///
    /// # Errors
    /// [`KeyError`] for the first file that can't be used; otherwise as [`Keyring::rotate_signing`].
    pub fn create_id_token_key(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<(), KeyError> {
        let wanted = Wanted { algorithm, at_once: false, for_id_tokens: true };
        self.change(|files| {
            let keys::Read { held, problems, .. } = keys::read(files, &[])?;
            if let Some(problem) = problems.into_iter().next() {
                return Err(problem);
            }
            if !held.iter().any(|held| held.birth().id_tokens_alone == Some(algorithm)) {
                new_signing_key(files, &wanted, now)?;
            }
            Ok(())
        })
    }

    /// Generates a secret of `kind` if there is none.
    pub(super) fn create_first_secret(&self, kind: SecretKind, now: Timestamp) -> Result<(), KeyError> {
        let of_kind = |entry: &Entry| entry.secret().is_some_and(|file| file.kind == kind);
        if has(&*self.look()?, of_kind)? {
            return Ok(());
        }
        self.change(
            |files| if has(files, of_kind)? { Ok(()) } else { new_secret(files, kind, now).map(drop) },
        )
    }
}

/// Whether there is a file like this.
fn has(files: &dyn KeyFiles, wanted: impl Fn(&Entry) -> bool) -> Result<bool, KeyError> {
    Ok(Listing::of(files)?.live.iter().any(wanted))
}

/// The secrets of a listing, by kind and id.
fn secrets(listing: &Listing) -> Vec<SecretInfo> {
    let dead: Vec<_> = listing.compromised.iter().filter_map(Entry::secret).collect();
    let buried = |file: &SecretFile| dead.iter().any(|dead| (dead.kind, dead.id) == (file.kind, file.id));
    let live: Vec<_> = listing.live.iter().filter_map(Entry::secret).filter(|file| !buried(file)).collect();
    let is_newest = |file: &SecretFile| {
        live.iter().filter(|other| other.kind == file.kind).all(|other| other.id <= file.id)
    };
    let live = live
        .iter()
        .map(|file| (*file, if is_newest(file) { SecretState::Current } else { SecretState::Checking }));
    let mut all: Vec<_> = live.chain(dead.iter().map(|file| (*file, SecretState::Compromised))).collect();
    all.sort_by_key(|(file, _)| *file);
    let info = |(file, state): (SecretFile, _)| SecretInfo {
        kind: file.kind,
        id: file.id,
        created: file.created,
        state,
        file: file.to_string(),
    };
    all.into_iter().map(info).collect()
}

/// The signing key that is to be made.
struct Wanted {
    algorithm: SigningAlgorithm,
    at_once: bool,
    for_id_tokens: bool,
}

fn new_signing_key(files: &mut dyn LockedFiles, wanted: &Wanted, now: Timestamp) -> Result<NewKey, KeyError> {
    let Wanted { algorithm, at_once, for_id_tokens } = *wanted;
    let listing = Listing::of(files)?;
    let newest = listing.live.iter().chain(&listing.compromised).filter_map(Entry::signing).max();
    // Later than all others, whatever the clock shows, because names must sort by creation.
    let created = newest.map_or(now, |newest| now.max(newest.created.after(Duration::from_secs(1))));
    let created = Timestamp::from_seconds(created.seconds());
    let pem = SigningKey::generate(algorithm).map_err(|error| KeyError::NotMade(error.to_string()))?;
    let key = SigningKey::from_pem(pem.as_bytes()).map_err(|error| KeyError::NotMade(error.to_string()))?;
    let file = SigningFile { created, at_once, label: key.kid().short(), for_id_tokens };
    files.create(&file.to_string(), pem.as_bytes())?;
    Ok(NewKey { kid: key.kid(), created, file: file.to_string() })
}

fn new_secret(files: &mut dyn LockedFiles, kind: SecretKind, now: Timestamp) -> Result<SecretInfo, KeyError> {
    let listing = Listing::of(files)?;
    let all = listing.live.iter().chain(&listing.compromised).filter_map(Entry::secret);
    let highest = all.filter(|file| file.kind == kind).map(|file| file.id).max().unwrap_or_default();
    let id = highest.checked_add(1).ok_or(KeyError::IdsExhausted(kind))?;
    let bytes = Random::system().bytes().map_err(|error| KeyError::NotMade(error.to_string()))?;
    let file = SecretFile { kind, id, created: Timestamp::from_seconds(now.seconds()) };
    files.create(&file.to_string(), Secret::from_bytes(bytes).to_text().as_bytes())?;
    Ok(SecretInfo { kind, id, created: file.created, state: SecretState::Current, file: file.to_string() })
}

/// Completes destructions that a crash interrupted, and destroys again what a backup brought back.
fn bury_leftovers(files: &mut dyn LockedFiles) -> Result<(), KeyError> {
    let listing = Listing::of(files)?;
    let leftovers = listing.live.iter().filter(|entry| listing.compromised.contains(entry));
    leftovers.map(ToString::to_string).try_for_each(|name| files.destroy(&name, ""))
}
