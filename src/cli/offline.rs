//! Reads and changes an installation's keys, whether a server runs or not.

use std::time::Duration;

use super::keyring::{self, failure};
use super::{Failure, Installation, Outcome};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::oauth::{Kid, SigningAlgorithm};
use crate::token::KeyLife;
use crate::token::keyring::Keyring;
use crate::token::name::SecretKind;
use crate::token::rotate::{KeyInfo, NewKey, SecretInfo};

/// The signing keys, newest first.
///
/// # Errors
/// [`Failure`] if the keys can't be read or a key is malformed.
pub(super) fn list_keys(installation: &Installation) -> Outcome<Vec<KeyInfo>> {
    let (keyring, now) = keys(installation)?;
    let mut keys = keyring.signing_keys(&life(installation), now).map_err(|error| failure(&error))?;
    keys.reverse();
    Ok(keys)
}

/// Adds a signing key; with `compromised`, the new key replaces that one at once. Also returns when the new key signs.
///
/// # Errors
/// [`Failure`] if there is no such key, or the keys can't be written.
pub(super) fn rotate_keys(
    installation: &Installation,
    compromised: Option<&str>,
    (algorithm, for_id_tokens): (Option<SigningAlgorithm>, bool),
) -> Outcome<(NewKey, Timestamp)> {
    let (keyring, now) = keys(installation)?;
    let (new, wait) = if let Some(kid) = compromised {
        let kid: Kid = kid.parse().map_err(|error| Failure::Usage(format!("{kid}: {error}")))?;
        (keyring.compromised_signing(kid, now), Duration::ZERO)
    } else if for_id_tokens {
        let Some(algorithm) = algorithm.or(installation.id_tokens_alone) else {
            let problem =
                "no keys sign ID tokens alone: set id_token_algorithms in [keys], or name an --algorithm";
            return Err(Failure::Usage(problem.to_owned()));
        };
        (keyring.rotate_id_tokens(algorithm, now), installation.lead_time)
    } else {
        let algorithm = algorithm.unwrap_or(installation.algorithm);
        (keyring.rotate_signing(algorithm, now), installation.lead_time)
    };
    let new = new.map_err(|error| failure(&error))?;
    let signs_from = new.created.after(wait);
    Ok((new, signs_from))
}

/// The refresh secrets and the peppers, by kind and id.
///
/// # Errors
/// [`Failure`] if the keys can't be read.
pub(super) fn list_secrets(installation: &Installation) -> Outcome<Vec<SecretInfo>> {
    keys(installation)?.0.secrets().map_err(|error| failure(&error))
}

/// Adds a refresh secret or a pepper and returns it.
///
/// # Errors
/// [`Failure`] if all ids are taken, or the keys can't be written.
pub(super) fn rotate_secret(installation: &Installation, kind: SecretKind) -> Outcome<SecretInfo> {
    let (keyring, now) = keys(installation)?;
    let new = match kind {
        SecretKind::Refresh => keyring.rotate_refresh_secret(now),
        SecretKind::Pepper => keyring.rotate_pepper(now),
    };
    new.map_err(|error| failure(&error))
}

/// Destroys a refresh secret. If it was the newest, a new one takes its place and is returned.
///
/// # Errors
/// [`Failure`] if there is none with this id, or the keys can't be written.
pub(super) fn destroy_refresh_secret(installation: &Installation, id: u8) -> Outcome<Option<SecretInfo>> {
    let (keyring, now) = keys(installation)?;
    keyring.compromised_refresh_secret(id, now).map_err(|error| failure(&error))
}

fn keys(installation: &Installation) -> Outcome<(Keyring, Timestamp)> {
    Ok((keyring::of_installation(installation)?, SystemClock.now()))
}

fn life(installation: &Installation) -> KeyLife {
    KeyLife {
        lead_time: installation.lead_time,
        longest_access_token: installation.longest_access_token,
        ..KeyLife::default()
    }
}
