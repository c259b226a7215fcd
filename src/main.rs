//! The command line, nothing else.

use std::process::ExitCode;

/// Requests are handed from thread to thread, with all that they hold, which the system's allocator is slow at.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    heirloom::cli::main()
}
