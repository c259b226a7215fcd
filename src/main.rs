//! The program: runs the command line.

use std::process::ExitCode;

/// jemalloc, because requests and their memory move from thread to thread, which the system's allocator handles slowly.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    heirloom::cli::main()
}
