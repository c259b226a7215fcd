//! Why a call into sled failed.

use std::io;
use std::path::Path;

use super::super::StoreError;
use super::layout::Damaged;

/// Why a call into sled failed; for the operator.
#[derive(Debug)]
pub(super) enum Fault {
    /// The bytes of a row or of sled's file differ from what was written.
    Damaged(String),
    /// The operating system refused something; what was written before is unharmed.
    Refused(String),
    /// As `Refused`: there is no room on the disk.
    NoRoom(String),
    /// Another process holds the lock of sled's file.
    Taken,
}

impl Fault {
    /// The fault for an error of the operating system.
    pub(super) fn refused(what: &str, error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let why = format!("{what}: {}", refusal(error));
        let no_room = [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind());
        if no_room { Self::NoRoom(why) } else { Self::Refused(why) }
    }

    /// The fault for a damaged row.
    pub(super) fn row(what: impl std::fmt::Display) -> impl FnOnce(Damaged) -> Self {
        move |Damaged| Self::Damaged(format!("{what} is not what was written there"))
    }

    /// The message that ends the run, with advice.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Damaged(why) => format!("{why}; restore the whole folder from a backup"),
            Self::Refused(why) | Self::NoRoom(why) => why.clone(),
            Self::Taken => "another process has its file".to_owned(),
        }
    }

    /// The fault as the error of a store call.
    pub(super) fn error(&self, folder: &Path) -> StoreError {
        let text = format!("{}: {}", folder.display(), self.text());
        match self {
            Self::Damaged(_) => StoreError::Corrupt(text),
            Self::Refused(_) | Self::Taken => StoreError::Unavailable(text),
            Self::NoRoom(_) => StoreError::NoRoom(text),
        }
    }
}

/// The operating system's error with advice; no backup is needed.
pub(super) fn refusal(error: &io::Error) -> String {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let advice = if [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind()) {
        "make room on the disk"
    } else if [PermissionDenied, ReadOnlyFilesystem].contains(&error.kind()) {
        "let heirloom's user write there"
    } else {
        "look at the disk and at the system's log"
    };
    format!("{error}; {advice}, then start again: nothing that was acknowledged is lost")
}
