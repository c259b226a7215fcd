//! The clock for pacing and measuring the disk.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "paces and measures the disk; decides nothing that is stored")]
pub(super) fn now() -> Instant {
    Instant::now()
}
