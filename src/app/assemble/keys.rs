//! How the keys are opened.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{Config, Store};
use crate::password::hash::Peppers as HashPeppers;
use crate::token::{IfMissing, KeyError, KeyLife, Keyring, Peppers, RefreshSecrets, SigningKeys};

/// Servers look for new keys every two seconds. The rest is for their clocks.
const SHARED_SECRET_LEAD_TIME: Duration = Duration::from_mins(1);

/// Makes the keys and secrets that a new store lacks.
///
/// # Errors
/// A [`KeyError`] that names the file.
pub fn make_keys(keyring: &Keyring, config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    SigningKeys::open(keyring.clone(), key_life(config), Some(config.algorithm), Arc::clone(clock))?;
    make_id_token_key(keyring, config, clock)?;
    RefreshSecrets::open(keyring.clone(), IfMissing::Create, clock.now())?;
    Peppers::open(keyring.clone(), IfMissing::Create, clock.now())?;
    Ok(())
}

/// Reads the keys of an existing store as [`crate::app::App::assemble`] does, to find out before the store is opened whether
/// it can be used. Only a key that signs ID tokens alone is made, if it is missing: it replaces none.
///
/// # Errors
/// A [`KeyError`] that names the file.
pub fn read_keys(keyring: &Keyring, config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    SigningKeys::open(keyring.clone(), key_life(config), None, Arc::clone(clock))?;
    make_id_token_key(keyring, config, clock)?;
    RefreshSecrets::open(keyring.clone(), IfMissing::Refuse, clock.now())?;
    Peppers::open(keyring.clone(), IfMissing::Refuse, clock.now())?;
    Ok(())
}

/// Makes the key that signs ID tokens alone, if the configuration has one and it is missing.
fn make_id_token_key(keyring: &Keyring, config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    let algorithm = config.id_tokens_alone();
    algorithm.map_or(Ok(()), |algorithm| keyring.create_id_token_key(algorithm, clock.now()))
}

/// How long the signing keys of a configuration are published.
pub(super) fn key_life(config: &Config) -> KeyLife {
    let lives = config.clients.iter().map(|client| client.metadata.lifetimes.access_token);
    let longest = lives.chain([config.tokens.lifetimes.access_token]).max();
    let usual = KeyLife::default();
    KeyLife {
        lead_time: config.lead_time,
        longest_access_token: longest.unwrap_or(usual.longest_access_token),
        ..usual
    }
}

/// How old a refresh secret must be before it makes tokens. In a database there may be several servers, and each must have
/// noticed it.
pub(super) fn secret_lead_time(config: &Config) -> Duration {
    match config.store {
        Store::Sled | Store::Memory => Duration::ZERO,
        Store::Postgres(_) => SHARED_SECRET_LEAD_TIME,
    }
}

pub(super) fn hash_peppers(peppers: &Peppers) -> Result<HashPeppers, KeyError> {
    let (current, newest) = peppers.current().ok_or_else(|| peppers.missing())?;
    let older = peppers.all().into_iter().map(|(id, secret)| (id, *secret.as_bytes()));
    Ok(HashPeppers::new((current, newest.as_bytes()), older))
}
