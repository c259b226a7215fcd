//! The queue in front of the hashing threads: bounded, and fair between those who fill it.
//!
//! There are two lanes, one for attempts from networks that the account knows and one for all others. As long as both
//! have work, the threads take from them in turns. A quarter of the places is for each lane alone, so that strangers
//! never fill the queue. In a lane, networks take turns: first the widest ones (the /48), in each of them the
//! subscribers (the /56), in each of those the accounts.
//!
//! A subscriber and an account may have only so many jobs waiting and at work, in each lane. When a lane is full all the
//! same, whoever has fewer jobs in it takes a place of whoever has the most: the newest job of the fullest account in the
//! fullest subscriber's part of the fullest network.

use std::collections::{BTreeMap, VecDeque};

/// Whose work it is. The numbers are keyed hashes: they mean nothing outside this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The widest network: the /48 of IPv6, the address of IPv4.
    pub block: u64,
    /// The subscriber: the /56 of IPv6, the address of IPv4.
    pub site: u64,
    /// The account, or the name that somebody invented.
    pub account: u64,
    /// Whether the account has signed in from this network before.
    pub known: bool,
}

impl Source {
    /// The operator, at the command line or through the administration.
    pub const OPERATOR: Self = Self { block: 0, site: 0, account: 0, known: true };

    /// From wide to narrow.
    const fn levels(self) -> [u64; LEVELS] {
        [self.block, self.site, self.account]
    }
}

const LEVELS: usize = 3;

/// How many jobs there may be, waiting or, where it says so, at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// Waiting in both lanes.
    all: usize,
    /// Waiting in one lane.
    of_lane: usize,
    /// Of one subscriber, waiting and at work, in each lane.
    of_site: usize,
    /// The same of one account.
    of_account: usize,
}

impl Places {
    /// For a queue of `all` places before `threads` threads. A quarter is for each lane alone. A subscriber has half of
    /// them, an account a quarter, and as many more as can be at work.
    pub(super) fn new(all: usize, threads: usize) -> Self {
        let all = all.max(1);
        let part = |of: usize| all.checked_div(of).unwrap_or(all).max(1);
        Self {
            all,
            of_lane: all.saturating_sub(all.checked_div(4).unwrap_or(0)).max(1),
            of_site: part(2).saturating_add(threads),
            of_account: part(4).saturating_add(threads),
        }
    }
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The queue is full of other people's work.
    Queue,
    /// This source has as much waiting and at work as it may have.
    Source,
}

/// Jobs that wait, and whose are at work.
#[derive(Debug)]
pub(super) struct Queue<T> {
    places: Places,
    known: Lane<T>,
    strangers: Lane<T>,
    at_work: Vec<Source>,
    /// Which lane is next where both have work.
    known_is_next: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(places: Places) -> Self {
        let (known, strangers) = (Lane::default(), Lane::default());
        Self { places, known, strangers, at_work: Vec::new(), known_is_next: true }
    }

    /// Whether the next job of this source may find no place, so that it is worth looking for jobs that nobody waits for
    /// any more.
    pub(super) fn is_crowded(&self, source: Source) -> bool {
        self.len() >= self.places.all.div_ceil(2) || self.has_its_share(source)
    }

    /// Forgets the jobs that `gone` says; how many those were.
    pub(super) fn forget(&mut self, gone: impl Fn(&T) -> bool) -> usize {
        let before = self.len();
        for lane in [&mut self.known, &mut self.strangers] {
            lane.waiting.retain(|waiting| !gone(&waiting.job));
        }
        before.saturating_sub(self.len())
    }

    /// Puts a job in. Returns the one that had to make room for it, if there is one.
    pub(super) fn push(&mut self, source: Source, job: T) -> Result<Option<T>, Full> {
        let is_full = self.len() >= self.places.all;
        let has_its_share = self.has_its_share(source);
        let lane = if source.known { &mut self.known } else { &mut self.strangers };
        let crowded = is_full || lane.waiting.len() >= self.places.of_lane;
        let displaced = match (crowded, has_its_share) {
            (false, false) => None,
            (false, true) => return Err(Full::Source),
            (true, false) => Some(lane.make_room(source).ok_or(Full::Queue)?),
            (true, true) => return Err(Full::Queue),
        };
        lane.waiting.push_back(Waiting { source, job });
        Ok(displaced)
    }

    /// Whether a source has as much waiting and at work, in its lane, as it may have.
    fn has_its_share(&self, source: Source) -> bool {
        let lane = if source.known { &self.known } else { &self.strangers };
        let at_work = self.at_work.iter().filter(|other| other.known == source.known);
        let all = lane.waiting.iter().map(|waiting| &waiting.source).chain(at_work);
        let of_site = all.clone().filter(|other| other.site == source.site).count();
        let of_account = all.filter(|other| other.account == source.account).count();
        // An operator's commands are not counted like an account's.
        source != Source::OPERATOR && (of_site >= self.places.of_site || of_account >= self.places.of_account)
    }

    /// The next job. Say when it is [done](Self::done).
    pub(super) fn pop(&mut self) -> Option<(Source, T)> {
        let (first, second) = if self.known_is_next {
            (&mut self.known, &mut self.strangers)
        } else {
            (&mut self.strangers, &mut self.known)
        };
        let (source, job) = first.pop().or_else(|| second.pop())?;
        self.known_is_next = !source.known;
        self.at_work.push(source);
        Some((source, job))
    }

    /// A job of this source is no longer at work.
    pub(super) fn done(&mut self, source: Source) {
        if let Some(at) = self.at_work.iter().position(|other| *other == source) {
            self.at_work.swap_remove(at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.known.waiting.len().saturating_add(self.strangers.waiting.len())
    }
}

#[derive(Debug)]
struct Waiting<T> {
    source: Source,
    job: T,
}

/// Jobs in the order in which they came, and when each network and account was last served.
#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<Waiting<T>>,
    served: [BTreeMap<u64, u64>; LEVELS],
    turn: u64,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), served: [const { BTreeMap::new() }; LEVELS], turn: 0 }
    }
}

/// Of how many turns it is remembered who had them, at least.
const REMEMBERED: usize = 1024;

impl<T> Lane<T> {
    /// The job of whoever has waited longest for a turn: by block, then by site, then by account.
    fn pop(&mut self) -> Option<(Source, T)> {
        let last = |source: Source| {
            let mut turns = [0; LEVELS];
            let levels = source.levels();
            for ((turn, key), served) in turns.iter_mut().zip(levels).zip(&self.served) {
                *turn = served.get(&key).copied().unwrap_or(0);
            }
            turns
        };
        let waiting = self.waiting.iter().enumerate();
        let (at, _) = waiting.min_by_key(|(at, waiting)| (last(waiting.source), *at))?;
        let Waiting { source, job } = self.waiting.remove(at)?;
        self.turn = self.turn.saturating_add(1);
        let kept = u64::try_from(REMEMBERED).unwrap_or(u64::MAX);
        let oldest = self.turn.saturating_sub(kept);
        for (served, key) in self.served.iter_mut().zip(source.levels()) {
            served.insert(key, self.turn);
            if served.len() > REMEMBERED.saturating_mul(2) {
                served.retain(|_, turn| *turn > oldest);
            }
        }
        Some((source, job))
    }

    /// Takes out a job of whoever has the most, if `newcomer` has fewer even with one more. From there on it is the
    /// fullest at each level that pays, so that nobody does for a neighbour: of two that are as full, the one whose job is
    /// newer.
    fn make_room(&mut self, newcomer: Source) -> Option<T> {
        let mut scope: Vec<usize> = (0..self.waiting.len()).collect();
        let mut has_fewer = false;
        for level in 0..LEVELS {
            let of = |at: usize| self.waiting.get(at)?.source.levels().get(level).copied();
            // How many jobs each has, and where the newest is.
            let mut counts = BTreeMap::<u64, (usize, usize)>::new();
            for (key, at) in scope.iter().filter_map(|at| Some((of(*at)?, *at))) {
                let (count, newest) = counts.entry(key).or_default();
                (*count, *newest) = (count.saturating_add(1), at);
            }
            let own = newcomer.levels().get(level).copied()?;
            let mine = counts.get(&own).map_or(0, |(count, _)| *count);
            let (fullest, (most, _)) = counts.into_iter().max_by_key(|(_, has)| *has)?;
            has_fewer = has_fewer || most > mine.saturating_add(1);
            let chosen = if has_fewer { fullest } else { own };
            scope.retain(|at| of(*at) == Some(chosen));
        }
        let newest = scope.pop().filter(|_| has_fewer)?;
        self.waiting.remove(newest).map(|waiting| waiting.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(block: u64, site: u64, account: u64) -> Source {
        Source { block, site, account, known: false }
    }

    fn known(number: u64) -> Source {
        Source { block: number, site: number, account: number, known: true }
    }

    fn queue(all: usize) -> Queue<u64> {
        Queue::new(Places::new(all, 1))
    }

    /// All that waits, in the order in which it is taken.
    fn order(queue: &mut Queue<u64>) -> Vec<u64> {
        std::iter::from_fn(|| {
            let (source, job) = queue.pop()?;
            queue.done(source);
            Some(job)
        })
        .collect()
    }

    #[test]
    fn networks_take_turns_then_subscribers_then_accounts() {
        let mut queue = queue(64);
        for job in 10..14 {
            queue.push(stranger(1, 1, 1), job).unwrap();
        }
        queue.push(stranger(1, 1, 2), 20).unwrap();
        for job in 30..33 {
            queue.push(stranger(1, 2, 3), job).unwrap();
        }
        queue.push(stranger(2, 3, 4), 40).unwrap();
        assert_eq!(order(&mut queue), [10, 40, 30, 20, 31, 11, 32, 12, 13]);
    }

    #[test]
    fn known_networks_and_strangers_take_turns() {
        let mut queue = queue(64);
        for job in 10..14 {
            queue.push(stranger(job, job, job), job).unwrap();
        }
        for job in 1..3 {
            queue.push(known(job), job).unwrap();
        }
        assert_eq!(order(&mut queue), [1, 10, 2, 11, 12, 13]);
    }

    #[test]
    fn neither_strangers_nor_known_networks_fill_it() {
        let mut queue = queue(16);
        for job in 0..12 {
            queue.push(known(job), job).unwrap();
        }
        assert_eq!(queue.push(known(99), 99), Err(Full::Queue));
        assert_eq!(queue.push(stranger(1, 1, 1), 1), Ok(None));

        let mut queue = super::Queue::new(Places::new(16, 1));
        for job in 0..12 {
            queue.push(stranger(job, job, job), job).unwrap();
        }
        assert_eq!(queue.push(stranger(99, 99, 99), 99), Err(Full::Queue));
        for job in 0..4 {
            assert_eq!(queue.push(known(job), job), Ok(None));
        }
        assert_eq!(queue.push(known(4), 4), Err(Full::Queue));
    }

    #[test]
    fn a_subscriber_and_an_account_have_so_many_places_and_no_more() {
        let mut queue = queue(16);
        let pushed = (0..64).filter(|n| queue.push(stranger(1, 1, *n), *n).is_ok()).count();
        assert_eq!(pushed, 9, "half of the places, and one at work");
        queue.pop().unwrap();
        assert_eq!(queue.push(stranger(1, 1, 99), 99), Err(Full::Source), "what is at work counts");
        queue.done(stranger(1, 1, 0));
        assert_eq!(queue.push(stranger(1, 1, 99), 99), Ok(None));

        let mut queue = super::Queue::new(Places::new(16, 1));
        let pushed = (0..64).filter(|n| queue.push(stranger(*n, *n, 7), *n).is_ok()).count();
        assert_eq!(pushed, 5, "a quarter of the places, and one at work");
        assert_eq!(queue.push(Source { account: 7, ..known(1) }, 1), Ok(None), "each lane by itself");
    }

    #[test]
    fn who_has_fewer_takes_the_place_of_who_has_the_most() {
        let mut queue = queue(16);
        for job in 0..6 {
            queue.push(stranger(1, 1, job), job).unwrap();
            queue.push(stranger(1, 2, job), 10 + job).unwrap();
        }
        // The newest of the block that has all of them.
        assert_eq!(queue.push(stranger(2, 3, 1), 20), Ok(Some(15)));
        assert_eq!(queue.push(stranger(2, 3, 1), 21), Ok(Some(5)));
        // In the same block another subscriber, who has none.
        assert_eq!(queue.push(stranger(1, 4, 9), 30), Ok(Some(14)));
        // Until each block has 6 of the 12 places; one with as many takes nobody's.
        for job in 0..4 {
            queue.push(stranger(2, 5, job), 40 + job).unwrap();
        }
        assert!(
            queue.strangers.waiting.iter().any(|waiting| waiting.job == 30),
            "the newest, but not of the fullest"
        );
        assert_eq!(
            queue.push(stranger(2, 6, 600), 50),
            Ok(Some(43)),
            "of its own block, where that has more"
        );
    }

    #[test]
    fn whoever_fills_the_queue_makes_room_and_not_a_neighbour() {
        let mut queue = queue(16);
        // Three accounts of one subscriber, the first of which has the most.
        for (account, jobs) in [(1, 0..4), (2, 4..6), (3, 6..8)] {
            for job in jobs {
                queue.push(stranger(1, 1, account), job).unwrap();
            }
        }
        // Their neighbours: in the same block, and in another. They came last.
        queue.push(stranger(1, 2, 4), 20).unwrap();
        queue.push(stranger(1, 3, 5), 21).unwrap();
        queue.push(stranger(2, 4, 6), 22).unwrap();
        queue.push(stranger(3, 5, 7), 23).unwrap();
        assert_eq!(queue.push(stranger(4, 6, 8), 30), Ok(Some(3)));
        assert_eq!(queue.push(stranger(5, 7, 9), 31), Ok(Some(2)));
        // Now the three are as full as one another: the newest job.
        assert_eq!(queue.push(stranger(1, 8, 10), 32), Ok(Some(7)));
    }

    #[test]
    fn an_operator_is_not_counted_like_an_account_and_jobs_that_nobody_waits_for_are_forgotten() {
        let mut queue = queue(16);
        for job in 0..12 {
            queue.push(Source::OPERATOR, job).unwrap();
        }
        assert!(queue.is_crowded(Source::OPERATOR));
        assert_eq!(queue.forget(|job| *job >= 5), 7);
        assert!(!queue.is_crowded(Source::OPERATOR));
        assert_eq!(order(&mut queue), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_remembered_of_turns_is_bounded() {
        let mut queue = queue(16);
        for job in 0..10_000 {
            queue.push(stranger(job, job, job), job).unwrap();
            queue.pop().unwrap();
            queue.done(stranger(job, job, job));
        }
        assert!(queue.strangers.served.iter().all(|served| served.len() <= 2 * REMEMBERED));
    }
}
