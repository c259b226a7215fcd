//! What is done to an installation's folders while no server has them open.

use std::sync::Arc;
use std::time::Duration;

use super::{Failure, Installation, Outcome, run};
use crate::app::App;
use crate::app::users::{Listed, UserError};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::config::Config;
use crate::oauth::Kid;
use crate::store::sled::SledStore;
use crate::token::folder::KeysFolder;
use crate::token::name::SecretKind;
use crate::token::rotate::{KeyInfo, NewKey, SecretInfo};
use crate::token::{KeyError, KeyLife};
use crate::user::{Command, Username};

/// How many users are read at a time.
const PAGE: usize = 500;

/// The signing keys, newest first.
///
/// # Errors
/// [`Failure`] if the folder can't be read or a key is not what it should be.
pub(super) fn list_keys(installation: &Installation) -> Outcome<Vec<KeyInfo>> {
    let (folder, now) = keys(installation);
    let mut keys = folder.signing_keys(&life(installation), now).map_err(|error| key_failure(&error))?;
    keys.reverse();
    Ok(keys)
}

/// Adds a signing key. With `compromised`, it replaces that key at once. Returns when it signs, too.
///
/// # Errors
/// [`Failure`] if there is no such key, or the folder can't be written.
pub(super) fn rotate_keys(
    installation: &Installation,
    compromised: Option<&str>,
) -> Outcome<(NewKey, Timestamp)> {
    let (folder, now) = keys(installation);
    let (new, wait) = if let Some(kid) = compromised {
        let kid: Kid = kid.parse().map_err(|error| Failure::Usage(format!("{kid}: {error}")))?;
        (folder.compromised_signing(kid, now), Duration::ZERO)
    } else {
        (folder.rotate_signing(now), installation.lead_time)
    };
    let new = new.map_err(|error| key_failure(&error))?;
    let signs_from = new.created.after(wait);
    Ok((new, signs_from))
}

/// The refresh secrets and the peppers, by kind and id.
///
/// # Errors
/// [`Failure`] if the folder can't be read.
pub(super) fn list_secrets(installation: &Installation) -> Outcome<Vec<SecretInfo>> {
    keys(installation).0.secrets().map_err(|error| key_failure(&error))
}

/// Adds a refresh secret or a pepper and returns it.
///
/// # Errors
/// [`Failure`] if all ids are taken, or the folder can't be written.
pub(super) fn rotate_secret(installation: &Installation, kind: SecretKind) -> Outcome<SecretInfo> {
    let (folder, now) = keys(installation);
    let new = match kind {
        SecretKind::Refresh => folder.rotate_refresh_secret(now),
        SecretKind::Pepper => folder.rotate_pepper(now),
    };
    new.map_err(|error| key_failure(&error))
}

/// Destroys a refresh secret. Returns the one in its place, if it was the newest.
///
/// # Errors
/// [`Failure`] if there is none with this id, or the folder can't be written.
pub(super) fn destroy_refresh_secret(installation: &Installation, id: u8) -> Outcome<Option<SecretInfo>> {
    let (folder, now) = keys(installation);
    folder.compromised_refresh_secret(id, now).map_err(|error| key_failure(&error))
}

/// Adds a user and returns its id.
///
/// # Errors
/// [`Failure`] if the name is taken or not allowed, the password too weak, or a server has the folder open.
pub(super) fn add_user(installation: &Installation, name: &str, password: &str) -> Outcome<String> {
    // The first user of an installation may come before its first start; a demo has its own.
    if installation.demo {
        must_be_there(installation)?;
    }
    let id = on_store(installation, async |app| app.register(name, password, Vec::new()).await)?;
    Ok(id.to_string())
}

/// Sets a user's password and ends the user's sessions.
///
/// # Errors
/// As [`add_user`]; and if there is no such user.
pub(super) fn set_password(installation: &Installation, name: &str, password: &str) -> Outcome {
    must_be_there(installation)?;
    on_store(installation, async |app| app.set_password(name, password, None).await)
}

/// Disables a user and ends the user's sessions, or enables it again.
///
/// # Errors
/// As [`set_password`].
pub(super) fn set_disabled(installation: &Installation, name: &str, disabled: bool) -> Outcome {
    let command = if disabled { Command::Disable } else { Command::Enable };
    must_be_there(installation)?;
    on_store(installation, async |app| app.change(name, command.clone()).await)
}

/// Deletes a user: name, profile, password.
///
/// # Errors
/// As [`set_password`].
pub(super) fn delete_user(installation: &Installation, name: &str) -> Outcome {
    must_be_there(installation)?;
    on_store(installation, async |app| app.delete_user(name).await)
}

/// Every user, by name.
///
/// # Errors
/// [`Failure`] if the folder can't be read, or a server has it open.
pub(super) fn list_users(installation: &Installation) -> Outcome<Vec<Listed>> {
    must_be_there(installation)?;
    on_store(installation, async |app| {
        let mut users = Vec::new();
        let mut after: Option<Username> = None;
        loop {
            let page = app.list_users(after.as_ref(), PAGE).await?;
            after = page.last().and_then(|last| last.name.parse().ok());
            let full = page.len() == PAGE;
            users.extend(page);
            if !full || after.is_none() {
                return Ok(users);
            }
        }
    })
}

fn keys(installation: &Installation) -> (KeysFolder, Timestamp) {
    (KeysFolder::at(&installation.keys), SystemClock.now())
}

fn life(installation: &Installation) -> KeyLife {
    KeyLife {
        lead_time: installation.lead_time,
        longest_access_token: installation.longest_access_token,
        ..KeyLife::default()
    }
}

fn key_failure(error: &KeyError) -> Failure {
    Failure::Failed(error.to_string())
}

/// A mistyped folder must not become a new, empty installation.
fn must_be_there(installation: &Installation) -> Outcome {
    if SledStore::is_in(&installation.data) {
        return Ok(());
    }
    let begin =
        if installation.demo { "`heirloom dev`" } else { "`heirloom serve`, or `heirloom user add`," };
    let folder = installation.data.display();
    Err(Failure::Failed(format!("there is no store in {folder}: {begin} makes one; nothing was changed")))
}

/// Opens the store, does one thing, and closes it.
fn on_store<T>(
    installation: &Installation,
    act: impl AsyncFnOnce(&App) -> Result<T, UserError>,
) -> Outcome<T> {
    let mut config = Config::without_clients(&installation.data, &installation.keys)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    config.passwords = installation.passwords.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("can't start: {error}")))?;
    let app: Arc<App> = run::open(&config, false)?;
    runtime.block_on(act(&app)).map_err(|error| Failure::Failed(error.to_string()))
}
