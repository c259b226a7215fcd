//! Why a call into sled gave nothing.

use std::io;
use std::path::Path;

use super::super::StoreError;
use super::layout::Damaged;

/// Why a call into sled gave nothing, for the operator.
#[derive(Debug)]
pub(super) enum Fault {
    /// A row, or sled's file, is not what was written there.
    Damaged(String),
    /// The operating system refused something: what was written before is as good as it was.
    Refused(String),
    /// As `Refused`: there is no room on the disk.
    NoRoom(String),
    /// Another process has the file.
    Taken,
}

impl Fault {
    /// What the operating system refused.
    pub(super) fn refused(what: &str, error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let why = format!("{what}: {}", refusal(error));
        let no_room = [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind());
        if no_room { Self::NoRoom(why) } else { Self::Refused(why) }
    }

    /// A row of which nothing is believed.
    pub(super) fn row(what: impl std::fmt::Display) -> impl FnOnce(Damaged) -> Self {
        move |Damaged| Self::Damaged(format!("{what} is not what was written there"))
    }

    /// What ends the run, and what to do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Damaged(why) => format!("{why}; restore the whole folder from a backup"),
            Self::Refused(why) | Self::NoRoom(why) => why.clone(),
            Self::Taken => "another process has its file".to_owned(),
        }
    }

    /// As the error of whoever met it.
    pub(super) fn error(&self, folder: &Path) -> StoreError {
        let text = format!("{}: {}", folder.display(), self.text());
        match self {
            Self::Damaged(_) => StoreError::Corrupt(text),
            Self::Refused(_) | Self::Taken => StoreError::Unavailable(text),
            Self::NoRoom(_) => StoreError::NoRoom(text),
        }
    }
}

/// What the operating system said, and what to do about it: no backup is needed.
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
