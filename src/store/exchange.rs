//! What nodes tell each other that need not outlive a crash of the database: see [`Exchange`].

use super::StoreFuture;

/// A log that all nodes write to and read, for what is soon forgotten anyway, such as attempts to sign in, and how
/// often something is done. It guarantees:
///
/// - **One order.** Entries are numbered from 1 without gaps, in the order in which they become visible, over all nodes.
///   So a node that has written an entry and read all before it knows everything that was written earlier.
/// - **Bounded.** Only the youngest entries are kept: of the last hours, and at most some 32 MiB.
/// - **Not durable.** After a crash of the database, and on a standby that takes over, the log is empty, and begins anew
///   with another [era](Heard::era).
/// - **Apart.** It uses no connection and no lock of the [`Store`](super::Store)'s, so it makes no append wait.
pub trait Exchange: Send + Sync + 'static {
    /// Writes an entry, if one is given, and reads what comes after `after`. All entries are read from the first that is
    /// left if the log has begun anew since.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable): the entry may have been written, or be written soon.
    fn exchange(&self, after: Heard, entry: Option<Vec<u8>>) -> StoreFuture<'_, Exchanged>;
}

/// How far a node has read. The default is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Random; it changes when the log begins anew.
    pub era: [u8; 16],
    /// The number of the last entry that was read.
    pub number: u64,
}

/// The answer to [`Exchange::exchange`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// The present era; zeros if nothing was ever written.
    pub era: [u8; 16],
    /// The number of the entry that was written; `None` if none was given.
    pub written: Option<u64>,
    /// The number up to which there are entries to read: the one that was written, or the log's last.
    pub newest: u64,
    /// The next entries in their order, each with its number: about a megabyte of them, and none only if there are no more.
    pub entries: Vec<(u64, Vec<u8>)>,
}
