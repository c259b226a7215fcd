//! A copy of the check values of the secrets that the data were used with, in a file beside the store. `heirloom serve
//! --check` compares it with the keys folder, whether a server has the store open or not. A start uses the store's own
//! check values.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::files::create_unfinished;
use crate::token::KnownSecret;

const FILE: &str = "keys.known";

/// Writes the file atomically.
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

/// The check values in the file; `None` if it is missing or can't be parsed.
pub(super) fn read(data: &Path) -> Option<Vec<KnownSecret>> {
    let text = fs::read_to_string(data.join(FILE)).ok()?;
    text.lines().map(KnownSecret::from_line).collect()
}
