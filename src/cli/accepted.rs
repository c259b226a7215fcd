//! States of the data that a start normally refuses and the operator accepted by a flag.

/// What the operator accepted by flags of this start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accepted {
    /// `--accept-missing-mark`: the log's mark is missing.
    pub missing_mark: bool,
    /// `--restored`: the data were restored from a backup; every session is ended.
    pub restored: bool,
}
