//! `heirloom serve --check`: finds out whether the server would start, without starting it or changing a byte.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use super::error_text::with_sources;
use super::{bind, keyring, known_keys, operators, store};
use crate::config::{Config, Store};
use crate::http::server::tls_config;
use crate::token::{KeyError, KeyLife};

/// What the check found beyond the configuration itself.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What would prevent a start.
    pub(super) problems: Vec<String>,
    /// What the operator should know, though the server would start.
    pub(super) warnings: Vec<String>,
    /// What could not be checked, and why.
    pub(super) unchecked: Vec<String>,
}

/// Checks everything that a start uses and that can be checked without starting.
pub(super) fn check(config: &Config) -> Findings {
    let mut found = Findings::default();
    let runs = match operators::runs(&operators::path(&config.data)) {
        Ok(runs) => runs,
        Err(error) => {
            found.unchecked.push(format!("whether a server runs on the data folder: {error}"));
            false
        }
    };
    let exists = match store::check(config) {
        Ok(checked) => {
            found.warnings.extend(checked.warnings);
            checked.exists
        }
        Err(problem) => {
            found.problems.push(problem.to_string());
            false
        }
    };
    keys(config, exists, &mut found);
    data(config, exists, &mut found);
    tls(config, &mut found);
    if runs {
        found.unchecked.push("the ports: a server that runs on this data folder uses them".to_owned());
    } else {
        ports(config, &mut found);
    }
    found
}

fn keys(config: &Config, has_data: bool, found: &mut Findings) {
    let keyring = match keyring::of(config) {
        Ok(keyring) => keyring,
        Err(error) => return found.problems.push(error.to_string()),
    };
    let mut look = || -> Result<(), KeyError> {
        let signing = keyring.signing_keys(&KeyLife::default(), crate::clock::Timestamp::default())?;
        let in_use = keyring.secrets_in_use()?;
        if !has_data {
            return Ok(());
        }
        let missing = |what: &str| KeyError::Missing { what: what.to_owned(), place: keyring.place() };
        if signing.iter().all(|key| key.kid.is_none() || key.algorithm.is_none()) {
            return Err(missing("signing key"));
        }
        for kind in [crate::token::name::SecretKind::Refresh, crate::token::name::SecretKind::Pepper] {
            if in_use.live.iter().all(|secret| secret.file.kind != kind) {
                return Err(missing(&kind.to_string()));
            }
        }
        let Some(known) = known_keys::read(&config.data) else {
            found.unchecked.push(
                "whether the keys belong to the data: the next start records which they are".to_owned(),
            );
            return Ok(());
        };
        let fit = keyring.fit(&in_use, &known);
        found.problems.extend(fit.problems.iter().map(ToString::to_string));
        let missing = fit
            .missing
            .iter()
            .map(|file| format!("{file} is not there: the tokens or hashes of that secret are refused"));
        found.warnings.extend(missing);
        Ok(())
    };
    if let Err(error) = look() {
        found.problems.push(error.to_string());
    }
}

/// Checks who may write to a data folder that has a store. An empty folder is made private by the start; where the store is
/// in a database, the folder has nothing that is believed.
///
/// # Errors
/// If everybody may write, since anybody may have changed the data.
pub(super) fn who_may_write(config: &Config, exists: bool) -> Result<Option<String>, String> {
    let data = &config.data;
    let Ok(metadata) = fs::metadata(data) else { return Ok(None) };
    let mode = metadata.permissions().mode() & 0o777;
    if !exists || config.store != Store::Sled || mode & 0o022 == 0 {
        return Ok(None);
    }
    let folder = data.display();
    if mode & 0o002 != 0 {
        return Err(format!(
            "everybody may write to the data folder {folder} (mode {mode:03o}), and may have: run chmod 700, and restore a \
             backup if that is possible"
        ));
    }
    Ok(Some(format!("its group may write to the data folder {folder} (mode {mode:03o}): run chmod 700")))
}

fn data(config: &Config, exists: bool, found: &mut Findings) {
    match who_may_write(config, exists) {
        Ok(warning) => found.warnings.extend(warning),
        Err(problem) => found.problems.push(problem),
    }
    match fs::read_dir(&config.data) {
        Ok(_) if exists && config.store == Store::Sled => {
            found.unchecked.push("the store: `heirloom data verify` reads it".to_owned());
        }
        Ok(_) => {}
        // The start creates the folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => found.problems.push(format!("{}: {error}", config.data.display())),
    }
}

fn tls(config: &Config, found: &mut Findings) {
    if let Some(tls) = &config.server.tls
        && let Err(error) = tls_config(&tls.certificate, &tls.key)
    {
        found.problems.push(with_sources(&error));
    }
}

fn ports(config: &Config, found: &mut Findings) {
    for address in config.server.listen.iter().chain(&config.server.metrics) {
        if let Err(error) = bind(*address) {
            found.problems.push(format!("can't listen on {address}: {error}"));
        }
    }
}
