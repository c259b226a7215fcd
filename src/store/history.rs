//! The history of a store in a database, by which it is told whether the database has what was acknowledged.
//!
//! A *term* begins when changes are made on another server than before, or on another timeline of it: after a fail-over
//! and after a restore. Whoever remembers a term and a position knows a database that lacks something, also when it has
//! gone on since.

/// A term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// What tells it from every other.
    pub mark: [u8; 16],
    /// The log's position at which it began.
    pub began: u64,
    /// Whether an operator accepted what is lost, by `serve --restored`.
    pub is_accepted: bool,
}

/// All terms of a store, from the first, and where its log ends. The embedded store has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The terms.
    pub terms: Vec<Term>,
    /// The position of the last event.
    pub position: u64,
}

/// What is remembered of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The mark of the newest term, if it is known.
    pub mark: Option<[u8; 16]>,
    /// A position up to which everything was acknowledged.
    pub position: u64,
}

/// What a store lacks of what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The newest term: it is a server from before a fail-over, or one beside the one that took over.
    Term,
    /// Events.
    Events {
        /// The last position that is as it was.
        until: u64,
        /// Whether an operator accepted it.
        is_accepted: bool,
    },
}

impl History {
    /// What tells its newest term from every other.
    #[must_use]
    pub fn mark(&self) -> Option<[u8; 16]> {
        self.terms.last().map(|term| term.mark)
    }

    /// The terms after that with this mark; `None` if it has no such term.
    #[must_use]
    pub fn after(&self, mark: [u8; 16]) -> Option<&[Term]> {
        let at = self.terms.iter().position(|term| term.mark == mark)?;
        self.terms.get(at.saturating_add(1)..)
    }

    /// What it lacks of what is remembered.
    #[must_use]
    pub fn lack_of(&self, remembered: Remembered) -> Option<Lack> {
        let position = remembered.position;
        let later = match remembered.mark.map(|mark| self.after(mark)) {
            Some(None) => return Some(Lack::Term),
            Some(Some(later)) => later,
            None => &[],
        };
        // Later terms begin where the log had come to since: only the first one that cut it off says what was lost. Who
        // accepted that has accepted it for everybody, whatever took over afterwards.
        match later.iter().find(|term| term.began < position) {
            Some(Term { began, is_accepted, .. }) => {
                Some(Lack::Events { until: *began, is_accepted: *is_accepted })
            }
            None => (self.position < position)
                .then_some(Lack::Events { until: self.position, is_accepted: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(number: u8, began: u64) -> Term {
        Term { mark: [number; 16], began, is_accepted: false }
    }

    fn lack(terms: &[Term], position: u64, (mark, remembered): (u8, u64)) -> Option<Lack> {
        let history = History { terms: terms.to_vec(), position };
        history.lack_of(Remembered { mark: Some([mark; 16]), position: remembered })
    }

    #[test]
    fn a_standby_that_had_everything_lacks_nothing() {
        assert_eq!(lack(&[term(1, 0)], 9, (1, 9)), None);
        assert_eq!(lack(&[term(1, 0), term(2, 9)], 9, (1, 9)), None);
        assert_eq!(lack(&[term(1, 0), term(2, 9), term(3, 12)], 15, (1, 9)), None);
        assert_eq!(lack(&[term(1, 0), term(2, 9), term(3, 12)], 15, (2, 11)), None);
    }

    #[test]
    fn a_standby_that_was_behind_is_known_also_after_it_went_on() {
        let lost = |until| Some(Lack::Events { until, is_accepted: false });
        for position in [7, 9, 100] {
            assert_eq!(lack(&[term(1, 0), term(2, 7)], position, (1, 9)), lost(7));
            assert_eq!(lack(&[term(1, 0), term(2, 7), term(3, 8)], position, (1, 9)), lost(7));
            assert_eq!(lack(&[term(1, 0), term(2, 9), term(3, 9)], 8, (1, 9)), lost(8));
        }
        assert_eq!(lack(&[term(1, 0)], 7, (1, 9)), lost(7), "restored into the same server");
    }

    #[test]
    fn a_server_from_before_a_fail_over_lacks_its_term_however_far_it_is() {
        assert_eq!(lack(&[term(1, 0)], 100, (2, 9)), Some(Lack::Term));
        assert_eq!(lack(&[term(1, 0), term(3, 9)], 100, (2, 9)), Some(Lack::Term), "two standbys took over");
    }

    #[test]
    fn what_the_operator_accepted_is_said_to_be() {
        let accepted = |number, began| Term { is_accepted: true, ..term(number, began) };
        let lost = |is_accepted| Some(Lack::Events { until: 7, is_accepted });
        assert_eq!(lack(&[term(1, 0), accepted(2, 7), accepted(3, 8)], 10, (1, 9)), lost(true));
        for later in [8, 12] {
            let terms = [term(1, 0), accepted(2, 7), accepted(3, 7), term(4, later)];
            assert_eq!(
                lack(&terms, 12, (1, 9)),
                lost(true),
                "another server took over since, with everything"
            );
        }
        assert_eq!(lack(&[term(1, 0), accepted(2, 5), term(3, 7)], 12, (2, 9)), lost(false));
        assert_eq!(lack(&[term(1, 0), accepted(2, 7), accepted(3, 8)], 10, (3, 9)), None);
    }

    #[test]
    fn without_a_mark_only_the_position_counts() {
        let history = History { terms: vec![term(1, 0), term(2, 7)], position: 9 };
        assert_eq!(history.lack_of(Remembered { mark: None, position: 9 }), None);
        let lack = Lack::Events { until: 9, is_accepted: false };
        assert_eq!(history.lack_of(Remembered { mark: None, position: 10 }), Some(lack));
    }
}
