//! `[passwords]`: the minimum length, and the hashing threads.

use super::section::Section;
use super::section::set;

/// The settings of `[passwords]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    /// The minimum length of a new password, in characters.
    pub min_length: u32,
    /// Threads that hash; each takes 19 MiB while it does. One a core, unless it is set.
    pub threads: u32,
    /// How many sign-ins may wait for a thread; more get 503. A quarter of them may be one account's, half one network's.
    /// 16 a thread, unless it is set.
    pub queue: u32,
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = u32::try_from(cores).unwrap_or(u32::MAX);
        Self { min_length: 8, threads, queue: default_queue(threads) }
    }
}

/// The longest queue. It is bounded because the next job is found by examining all that wait.
const MOST_WAITING: u32 = 4096;

/// A queue so short that waiting in it takes a fraction of a second.
fn default_queue(threads: u32) -> u32 {
    threads.saturating_mul(16).min(MOST_WAITING)
}

/// Reads `[passwords]`.
pub(super) fn passwords(root: &mut Section<'_>) -> Passwords {
    let mut section = root.section("passwords");
    let mut passwords = Passwords::default();
    // NIST SP 800-63B-4 §3.1.1.2: at least 8 characters; a maximum below 64 would refuse what it says to take.
    set(&mut passwords.min_length, section.number("min_length", 8..=64));
    set(&mut passwords.threads, section.number("threads", 1..=256));
    passwords.queue = default_queue(passwords.threads);
    set(&mut passwords.queue, section.number("queue", 1..=MOST_WAITING));
    section.finish();
    passwords
}
