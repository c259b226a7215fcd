//! How the keys folder is opened.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::password::hash::Peppers as HashPeppers;
use crate::token::{IfMissing, KeyError, KeyLife, KeysFolder, Peppers, RefreshSecrets, SigningKeys};

/// Makes the keys and secrets that are missing in the keys folder of a new store.
///
/// # Errors
/// A [`KeyError`] that names the file.
pub fn make_keys(config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    let folder = || KeysFolder::at(&config.keys);
    SigningKeys::open(folder(), key_life(config), Some(config.algorithm), Arc::clone(clock))?;
    make_id_token_key(config, clock)?;
    RefreshSecrets::open(folder(), IfMissing::Create, clock.now())?;
    Peppers::open(folder(), IfMissing::Create, clock.now())?;
    Ok(())
}

/// Reads the keys folder of an existing store as [`crate::app::App::assemble`] does, to find out before the store is opened whether
/// it can be used. Only a key that signs ID tokens alone is made, if it is missing: it replaces none.
///
/// # Errors
/// A [`KeyError`] that names the file.
pub fn read_keys(config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    let folder = || KeysFolder::at(&config.keys);
    SigningKeys::open(folder(), key_life(config), None, Arc::clone(clock))?;
    make_id_token_key(config, clock)?;
    RefreshSecrets::open(folder(), IfMissing::Refuse, clock.now())?;
    Peppers::open(folder(), IfMissing::Refuse, clock.now())?;
    Ok(())
}

/// Makes the key that signs ID tokens alone, if the configuration has one and it is missing.
fn make_id_token_key(config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    let folder = KeysFolder::at(&config.keys);
    let algorithm = config.id_tokens_alone();
    algorithm.map_or(Ok(()), |algorithm| folder.create_id_token_key(algorithm, clock.now()))
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

pub(super) fn hash_peppers(peppers: &Peppers) -> Result<HashPeppers, KeyError> {
    let (current, newest) = peppers.current().ok_or_else(|| peppers.missing())?;
    let older = peppers.all().into_iter().map(|(id, secret)| (id, *secret.as_bytes()));
    Ok(HashPeppers::new((current, newest.as_bytes()), older))
}
