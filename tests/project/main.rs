//! Rules for the sources and the documents: modules use each other in one direction, no files use each other in a
//! circle, no file is long, and the tests that the table of threats names exist.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

mod circles;
mod direction;
mod sizes;
mod sources;
mod threats;
