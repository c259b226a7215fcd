//! What the sources and the documents must keep: the direction of dependencies, no circle between files, and tests that are
//! named and exist.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

mod circles;
mod direction;
mod sources;
mod threats;
