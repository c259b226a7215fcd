//! `heirloom keys seal`, `unseal` and `reseal`: keys in the database.

use std::io::Write;

use super::keyring::{self, failure};
use super::{Failure, Installation, Outcome, log, print};
use crate::config::KeysIn;
use crate::token::Keyring;

/// Copies the keys folder into the database.
pub(super) fn seal(installation: &Installation, out: &mut dyn Write) -> Outcome {
    let (folder, database) = both(installation)?;
    let count = folder.copy_to(&database).map_err(|error| failure(&error))?;
    let said = format!(
        "{count} files are in {}, and were read back. Once every server has started with in = \"database\", remove {}\n",
        database.place(),
        folder.place()
    );
    print(out, &log::escaped(&said))
}

/// Copies the keys in the database into the keys folder.
pub(super) fn unseal(installation: &Installation, out: &mut dyn Write) -> Outcome {
    let (folder, database) = both(installation)?;
    let count = database.copy_to(&folder).map_err(|error| failure(&error))?;
    let said = format!("{count} files are in {}, and were read back\n", folder.place());
    print(out, &log::escaped(&said))
}

/// Seals all keys under the current key-encryption key.
pub(super) fn reseal(installation: &Installation, out: &mut dyn Write) -> Outcome {
    let (_, database) = both(installation)?;
    let resealed = database.reseal().map_err(|error| failure(&error))?.unwrap_or_default();
    let said = format!(
        "{resealed} files were sealed again: {} need no other_key_encryption_key_file any more\n",
        database.place()
    );
    print(out, &log::escaped(&said))
}

/// The keys folder and the keys in the database.
fn both(installation: &Installation) -> Outcome<(Keyring, Keyring)> {
    if installation.keys_in == KeysIn::Folder {
        return Err(Failure::Usage(
            "the keys are in the keys folder: write in = \"database\" and key_encryption_key_file in [keys] first"
                .to_owned(),
        ));
    }
    Ok((Keyring::in_folder(&installation.keys), keyring::of_installation(installation)?))
}
