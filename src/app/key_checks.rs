//! Checks that the keys belong to the data, by the check values in the store.
//!
//! | key in the vault | value |
//! |---|---|
//! | `K`, `r` or `p`, id | the check value of a refresh secret or a pepper: [`crate::token::known`] |
//! | `K`, `s`, kid | nothing: a signing key that this data was used with |

use super::error::TokenError;
use super::keys::{CheckedSecrets, TokenKeys};
use crate::oauth::Kid;
use crate::password::hash::PasswordRecord;
use crate::store::{RecordChange, RecordKey, StoreError};
use crate::token::known::Fit;
use crate::token::name::{SecretFile, SecretKind};
use crate::token::{KeyError, KnownSecret, SecretsInUse};
use crate::user::vault;

/// How many records are read at a time.
const PAGE: usize = 500;

/// Why the keys can't be used with these data. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum KeyCheckError {
    /// They belong to other data, are damaged, or are older than the data.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unfit(Vec<KeyError>),
    /// They can't be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store can't tell.
    #[error("the store: {0}")]
    Store(#[from] TokenError),
}

/// The keys that the data were used with.
#[derive(Debug, Default)]
struct Known {
    secrets: Vec<KnownSecret>,
    signing: Vec<Kid>,
}

impl TokenKeys {
    /// Compares the keys with the check values, and records the new secrets. If the store has no check values,
    /// it accepts them as they are. Call it before requests are answered. Returns all check values.
    ///
    /// # Errors
    /// [`KeyCheckError`] if a secret differs from its check value, or the newest is missing; then nothing was changed.
    pub async fn check(&self) -> Result<Vec<KnownSecret>, KeyCheckError> {
        let known = self.known_keys().await?;
        let in_use = self.keyring.secrets_in_use()?;
        let fit = self.keyring.fit(&in_use, &known.secrets);
        if !fit.problems.is_empty() {
            return Err(KeyCheckError::Unfit(fit.problems));
        }
        if known.secrets.is_empty() && self.repository.store().stats().position > 0 {
            tracing::warn!(
                "this data has no check values of its secrets yet: the keys are believed to belong to it. From now on \
                 each start compares them"
            );
        }
        self.tell_missing(&fit, &in_use).await?;
        self.check_signing_keys(&known.signing).await?;
        self.note_secrets(&fit.new).await.map_err(TokenError::from)?;
        Ok(in_use.live)
    }

    /// Records the refresh secrets that a running server has just read, and returns which of them may be used.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub(super) async fn check_refresh_secrets(&self) -> Result<CheckedSecrets, TokenError> {
        let known = self.known_keys().await?;
        let live = self.refresh_secrets.all().into_iter().map(|(id, secret)| {
            let created = self.refresh_secrets.created(id).unwrap_or_default();
            KnownSecret::of(SecretFile { kind: SecretKind::Refresh, id, created }, &secret)
        });
        let in_use = SecretsInUse { live: live.collect(), dead: Vec::new() };
        let fit = self.keyring.fit(&in_use, &known.secrets);
        for (kind, id) in &fit.foreign {
            tracing::error!(keys.kind = %kind, keys.id = id, "a secret that is not the one this data was used with: it is not used");
        }
        self.note_secrets(&fit.new).await?;
        let foreign: Vec<u8> = fit.foreign.into_iter().map(|(_, id)| id).collect();
        let good =
            in_use.live.iter().map(|secret| secret.file.id).filter(|id| !foreign.contains(id)).collect();
        Ok(CheckedSecrets { good, foreign })
    }

    async fn known_keys(&self) -> Result<Known, TokenError> {
        let mut known = Known::default();
        let mut after = None;
        loop {
            let page = self.repository.scan(RecordKey::vault(&[b"K"]), after, PAGE).await?;
            for (key, value) in &page {
                match key.as_bytes().get(2..).and_then(<[u8]>::split_first) {
                    Some((b's', kid)) => known.signing.extend(<[u8; 32]>::try_from(kid).map(Kid::from_bytes)),
                    Some((letter, [id])) => {
                        let kind = if *letter == b'r' { SecretKind::Refresh } else { SecretKind::Pepper };
                        known.secrets.push(KnownSecret::decode(kind, *id, value)?);
                    }
                    _ => return Err(StoreError::Corrupt("a key's check value has no key".to_owned()).into()),
                }
            }
            if page.len() < PAGE {
                return Ok(known);
            }
            after = page.last().map(|(key, _)| key.clone());
        }
    }

    async fn note_secrets(&self, new: &[KnownSecret]) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        for secret in new {
            tracing::info!(keys.file = %secret.file, "noted: from now on this data knows the secret");
        }
        let notes = new.iter().map(|secret| RecordChange::Put(of_secret(secret.file), secret.encode()));
        self.repository.change_records(notes.collect()).await
    }

    /// Logs the missing older secrets that something may still need, and deletes the check values of those that nothing
    /// needs.
    async fn tell_missing(&self, fit: &Fit, in_use: &SecretsInUse) -> Result<(), TokenError> {
        for file in &fit.missing {
            let needed = match file.kind {
                SecretKind::Refresh => self.tokens_may_need(*file, in_use),
                SecretKind::Pepper => {
                    let passwords = self.passwords_under(file.id).await?;
                    if passwords > 0 {
                        tracing::error!(
                            keys.file = %file, passwords,
                            "a pepper is missing: so many passwords can't be checked without it"
                        );
                    }
                    passwords > 0
                }
            };
            if !needed {
                self.repository.change_records(vec![RecordChange::Delete(of_secret(*file))]).await?;
            }
        }
        Ok(())
    }

    /// Whether refresh tokens made with a secret may still be valid; if so, logs it.
    fn tokens_may_need(&self, file: SecretFile, in_use: &SecretsInUse) -> bool {
        let newer = in_use.live.iter().map(|secret| secret.file).chain(in_use.dead.iter().copied());
        let newer = newer.filter(|other| other.kind == file.kind && other.id > file.id);
        let replaced = newer.min_by_key(|other| other.id).map(|other| other.created).unwrap_or_default();
        let needed = self.clock.now() < replaced.after(self.settings.tokens.lifetimes.refresh_absolute);
        if needed {
            tracing::error!(
                keys.file = %file,
                "a refresh secret is missing: the refresh tokens that it made are refused"
            );
        }
        needed
    }

    /// How many passwords are hashed under a pepper. It reads all of them, and is called only when a pepper is missing.
    async fn passwords_under(&self, pepper: u8) -> Result<u64, TokenError> {
        let (mut found, mut after) = (0_u64, None);
        loop {
            let page = self.repository.scan(vault::passwords(), after, PAGE).await?;
            let records = page.iter().filter_map(|(_, value)| minicbor::decode::<PasswordRecord>(value).ok());
            let under = records.filter(|record| record.pepper() == pepper).count();
            found = found.saturating_add(u64::try_from(under).unwrap_or(u64::MAX));
            if page.len() < PAGE {
                return Ok(found);
            }
            after = page.last().map(|(key, _)| key.clone());
        }
    }

    /// Signing keys may be replaced, or brought from elsewhere. If none of the known ones is left, that is logged, and
    /// is no reason to refuse the folder.
    async fn check_signing_keys(&self, known: &[Kid]) -> Result<(), TokenError> {
        let (live, dead) = self.signing.kids();
        if !known.is_empty() && known.iter().all(|kid| !live.contains(kid) && !dead.contains(kid)) {
            tracing::error!(
                "none of the signing keys that this data was used with is there: access tokens that are out \
                 there don't verify any more"
            );
        }
        let gone =
            known.iter().filter(|kid| !live.contains(kid)).map(|kid| RecordChange::Delete(of_signing(*kid)));
        let new = live.iter().filter(|kid| !known.contains(kid));
        let new = new.map(|kid| RecordChange::Put(of_signing(*kid), Vec::new()));
        let changes: Vec<_> = gone.chain(new).collect();
        if changes.is_empty() { Ok(()) } else { Ok(self.repository.change_records(changes).await?) }
    }
}

fn of_secret(file: SecretFile) -> RecordKey {
    let kind = match file.kind {
        SecretKind::Refresh => b"r",
        SecretKind::Pepper => b"p",
    };
    RecordKey::vault(&[b"K", kind, &[file.id]])
}

fn of_signing(kid: Kid) -> RecordKey {
    RecordKey::vault(&[b"K", b"s", kid.as_bytes()])
}
