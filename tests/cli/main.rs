//! The command line, through the binary.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't go on should stop")]

mod administration;
mod commands;
mod support;
