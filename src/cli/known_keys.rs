//! The check values of the secrets that the data were used with, beside the store for `heirloom serve --check`: it can
//! hold the keys folder against them whether a server has the store open or not. The store has them too, and decides.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::files::create_unfinished;
use crate::token::KnownSecret;

const FILE: &str = "keys.known";

/// Writes the file, all of it or nothing.
pub(super) fn write(data: &Path, known: &[KnownSecret]) -> io::Result<()> {
    let lines = known.iter().map(KnownSecret::to_line).collect::<Vec<_>>().join("\n");
    if fs::read_to_string(data.join(FILE)).is_ok_and(|text| text == lines) {
        return Ok(());
    }
    let fresh = data.join(format!(".{FILE}.new"));
    let mut file = create_unfinished(&fresh)?;
    file.write_all(lines.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, data.join(FILE))
}

/// What the file says; `None` if there is none that can be read.
pub(super) fn read(data: &Path) -> Option<Vec<KnownSecret>> {
    let text = fs::read_to_string(data.join(FILE)).ok()?;
    text.lines().map(KnownSecret::from_line).collect()
}
