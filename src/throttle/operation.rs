//! What nodes that share their counters tell each other, as bytes. Two versions run side by side during an upgrade, so the
//! bytes are frozen (`tests/formats`).
//!
//! Accounts and networks are in it only as hashes under a key that is not in the database. Of passwords there is nothing
//! in it, not even a keyed hash: whoever got hold of the entries and of the key could try passwords against such a hash a
//! million times faster than against the stored one.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::party::Party;
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};

const FORMAT: u8 = 1;

/// Something that changes the counters of all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Operation {
    /// Somebody wants to have a password hashed. Counts as a failure, if it is permitted.
    #[n(0)]
    Attempted {
        /// The counters.
        #[n(0)]
        counters: Counters,
        /// Whose account, and from where.
        #[n(1)]
        party: Party,
    },
    /// The password was right: takes the attempt back, and makes the network known.
    #[n(1)]
    Succeeded {
        /// The counters.
        #[n(0)]
        counters: Counters,
        /// Whose account, and from where.
        #[n(1)]
        party: Party,
        /// The attempt; none if it counted nothing.
        #[n(2)]
        attempt: Option<Position>,
    },
    /// Nothing was hashed: takes the attempt back.
    #[n(2)]
    Abandoned {
        /// The attempt.
        #[n(0)]
        attempt: Position,
    },
    /// The network is known to the account, by another name of it.
    #[n(3)]
    Known {
        /// The counters.
        #[n(0)]
        counters: Counters,
        /// Whose account, and from where.
        #[n(1)]
        party: Party,
    },
    /// Tokens were taken out of a [bucket](super::bucket).
    #[n(4)]
    Took {
        /// What was done.
        #[n(0)]
        action: LimitedAction,
        /// Whose bucket it is, as a hash under the shared key.
        #[n(1)]
        key: ByteArray<16>,
        /// How many.
        #[n(2)]
        number: u32,
        /// How many milliseconds ago the first of them was taken.
        #[n(3)]
        age: u32,
    },
}

impl Operation {
    /// Whether it is an attempt, which only who waits for it may tell.
    #[must_use]
    pub const fn is_attempt(&self) -> bool {
        match self {
            Self::Attempted { .. } => true,
            Self::Succeeded { .. } | Self::Abandoned { .. } | Self::Known { .. } | Self::Took { .. } => false,
        }
    }
}

/// What only so much of may be done in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum LimitedAction {
    /// A session is refreshed.
    #[n(0)]
    Refresh,
    /// A client gets a token for itself.
    #[n(1)]
    ClientToken,
    /// A login lets a client begin.
    #[n(2)]
    Authorization,
    /// A user signs in.
    #[n(3)]
    SignIn,
    /// A user changes the profile.
    #[n(4)]
    ProfileChange,
    /// A user ends sessions.
    #[n(5)]
    SessionEnding,
    /// A user changes the password.
    #[n(6)]
    PasswordChange,
    /// A new password is refused, in one session or login.
    #[n(7)]
    RefusedPassword,
}

/// Which counters are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Counters {
    /// Those of passwords.
    #[n(0)]
    SignIns,
    /// Those of sign-ups.
    #[n(1)]
    SignUps,
}

/// Where an operation is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Position {
    /// The number of its entry.
    #[n(0)]
    pub entry: u64,
    /// Which of the entry's operations it is, from 0.
    #[n(1)]
    pub index: u32,
    /// The era of the log: where it has begun anew, there are other operations at the same numbers.
    #[n(2)]
    pub era: ByteArray<16>,
}

/// What one node says at once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Entry {
    /// Tells the keys of the hashes apart: what was hashed under another key is of no use.
    #[n(0)]
    pub(super) key: ByteArray<8>,
    /// The process that says it, by a random number.
    #[n(1)]
    pub(super) node: ByteArray<8>,
    /// When, by that node's clock.
    #[n(2)]
    pub(super) at: Timestamp,
    /// The operations, each in bytes of its own: one that a newer version has added is passed over.
    #[n(3)]
    operations: Vec<ByteVec>,
}

impl Entry {
    pub(super) fn new(key: [u8; 8], node: [u8; 8], at: Timestamp, operations: &[Operation]) -> Self {
        let operations = operations.iter().map(|operation| encoding::encode(FORMAT, operation).into());
        Self { key: key.into(), node: node.into(), at, operations: operations.collect() }
    }

    /// The operations; `None` in the place of one that this version does not know.
    pub(super) fn operations(&self) -> impl Iterator<Item = Option<Operation>> {
        self.operations.iter().map(|bytes| encoding::decode(FORMAT, bytes).ok())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::Frozen;
    use crate::throttle::keyed_hash::KeyedHash;
    use crate::throttle::takes::Takes;

    const AT: Timestamp = Timestamp::from_millis(1_795_780_800_250);

    fn party(peer: &str) -> Party {
        Party::of(&KeyedHash::new(&[7; 32]), b"ann", peer.parse().unwrap())
    }

    fn took(action: LimitedAction) -> Operation {
        let key = Takes::new(&[7; 32]).key(&[5; 16]).into();
        Operation::Took { action, key, number: 300, age: 250 }
    }

    fn operations() -> [(&'static str, Operation); 14] {
        let (counters, attempt) =
            (Counters::SignIns, Position { entry: 70_000, index: 3, era: [9; 16].into() });
        let party = party("2001:db8::1");
        [
            ("Attempted", Operation::Attempted { counters, party }),
            ("Attempted, a sign-up", Operation::Attempted { counters: Counters::SignUps, party }),
            ("Succeeded", Operation::Succeeded { counters, party, attempt: Some(attempt) }),
            ("Succeeded, a repeat", Operation::Succeeded { counters, party, attempt: None }),
            ("Abandoned", Operation::Abandoned { attempt }),
            ("Known", Operation::Known { counters, party: self::party("192.0.2.1") }),
            ("Took, a refresh", took(LimitedAction::Refresh)),
            ("Took, a token of a client", took(LimitedAction::ClientToken)),
            ("Took, an authorization", took(LimitedAction::Authorization)),
            ("Took, a sign-in", took(LimitedAction::SignIn)),
            ("Took, a change of the profile", took(LimitedAction::ProfileChange)),
            ("Took, an end of sessions", took(LimitedAction::SessionEnding)),
            ("Took, a change of the password", took(LimitedAction::PasswordChange)),
            ("Took, a refused password", took(LimitedAction::RefusedPassword)),
        ]
    }

    #[test]
    fn what_nodes_of_other_versions_say_is_read_and_written_alike() {
        let mut frozen = Frozen::read("throttle.txt");
        let decode = |bytes: &[u8]| encoding::decode::<Operation>(FORMAT, bytes);
        for (name, operation) in operations() {
            frozen.both_ways(name, &operation, |operation| encoding::encode(FORMAT, operation), decode);
            // A new variant needs a line of its own.
            match operation {
                Operation::Attempted { .. }
                | Operation::Succeeded { .. }
                | Operation::Abandoned { .. }
                | Operation::Known { .. }
                | Operation::Took {
                    action:
                        LimitedAction::Refresh
                        | LimitedAction::ClientToken
                        | LimitedAction::Authorization
                        | LimitedAction::SignIn
                        | LimitedAction::ProfileChange
                        | LimitedAction::SessionEnding
                        | LimitedAction::PasswordChange
                        | LimitedAction::RefusedPassword,
                    ..
                } => {}
            }
        }
        let all = operations().map(|(_, operation)| operation);
        let entry = Entry::new([1; 8], [2; 8], AT, &all[4..6]);
        frozen.both_ways("an entry", &entry, Entry::encode, Entry::decode);
        frozen.finish();
    }

    #[test]
    fn an_operation_of_a_newer_version_is_passed_over_and_those_behind_it_keep_their_places() {
        let all = operations().map(|(_, operation)| operation);
        let mut entry = Entry::new([1; 8], [2; 8], AT, &all[..2]);
        // The array of variant 99, with nothing in it.
        entry.operations.insert(1, vec![FORMAT, 0x82, 0x18, 99, 0x80].into());
        entry.operations.insert(0, vec![FORMAT + 1, 0].into());
        // An action that this version does not limit.
        let mut took = encoding::encode(FORMAT, &took(LimitedAction::RefusedPassword));
        assert_eq!(took[..5], [FORMAT, 0x82, 4, 0x84, 7]);
        took.splice(4..5, [0x18, 99]);
        entry.operations.insert(1, took.into());
        let read = Entry::decode(&entry.encode()).unwrap();
        assert_eq!(read.operations().collect::<Vec<_>>(), [None, None, Some(all[0]), None, Some(all[1])]);
    }
}
