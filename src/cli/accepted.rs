//! What a start takes as it is.

/// What is taken as it is, since the operator says so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accepted {
    /// A log without its mark.
    pub missing_mark: bool,
    /// Data that were restored from a backup: every session ends.
    pub restored: bool,
}
