//! The queue in front of the hashing threads: bounded, and fair between those who wait in it.
//!
//! There are two lanes: one for attempts from networks that the account knows, and one for all others. While both have
//! jobs, the threads take from them in turn. A quarter of the places is reserved for each lane, so strangers can never
//! fill the queue. Within a lane, networks take turns: first the widest ones (the /48), within each of them the
//! subscribers (the /56), within each of those the accounts.
//!
//! In each lane, the jobs of a subscriber and of an account, waiting and running, are limited. When a lane is full
//! nevertheless, a newcomer with fewer jobs takes the place of somebody with the most: the newest job of the fullest
//! account in the fullest subscriber of the fullest network.

use std::collections::{BTreeMap, VecDeque};

/// Where a job comes from. The numbers are keyed hashes, which only this process can compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The widest network: the /48 of IPv6, the address of IPv4.
    pub block: u64,
    /// The subscriber: the /56 of IPv6, the address of IPv4.
    pub site: u64,
    /// The account's name, which may be invented.
    pub account: u64,
    /// Whether the account has signed in from this network before.
    pub known: bool,
}

impl Source {
    /// An operator's command.
    pub const OPERATOR: Self = Self { block: 0, site: 0, account: 0, known: true };

    /// The keys from wide to narrow.
    const fn levels(self) -> [u64; LEVELS] {
        [self.block, self.site, self.account]
    }
}

const LEVELS: usize = 3;

/// How many jobs are permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// Waiting jobs in both lanes.
    all: usize,
    /// Waiting jobs in one lane.
    of_lane: usize,
    /// Waiting and running jobs of one subscriber in one lane.
    of_site: usize,
    /// Waiting and running jobs of one account in one lane.
    of_account: usize,
}

impl Places {
    /// For a queue of `all` places before `threads` threads. A quarter of the places is reserved for each lane. A
    /// subscriber may have half of all places and an account a quarter, each plus the jobs that can run.
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

/// Why a job was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The queue is full.
    Queue,
    /// This source has as many jobs waiting and running as it may have.
    Source,
}

/// The waiting jobs, and the sources of the running ones.
#[derive(Debug)]
pub(super) struct Queue<T> {
    places: Places,
    known: Lane<T>,
    strangers: Lane<T>,
    at_work: Vec<Source>,
    /// Which lane is next when both have jobs.
    known_is_next: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(places: Places) -> Self {
        let (known, strangers) = (Lane::default(), Lane::default());
        Self { places, known, strangers, at_work: Vec::new(), known_is_next: true }
    }

    /// Whether the next job of this source may be refused. Then it is worth removing jobs whose caller has given up.
    pub(super) fn is_crowded(&self, source: Source) -> bool {
        self.len() >= self.places.all.div_ceil(2) || self.has_its_share(source)
    }

    /// Removes the jobs for which `gone` is true, and returns how many it removed.
    pub(super) fn forget(&mut self, gone: impl Fn(&T) -> bool) -> usize {
        let before = self.len();
        for lane in [&mut self.known, &mut self.strangers] {
            lane.waiting.retain(|waiting| !gone(&waiting.job));
        }
        before.saturating_sub(self.len())
    }

    /// Adds a job. Returns the job that had to make room for it, if any.
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

    /// Whether a source has as many jobs waiting and running in its lane as it may have.
    fn has_its_share(&self, source: Source) -> bool {
        let lane = if source.known { &self.known } else { &self.strangers };
        let at_work = self.at_work.iter().filter(|other| other.known == source.known);
        let all = lane.waiting.iter().map(|waiting| &waiting.source).chain(at_work);
        let of_site = all.clone().filter(|other| other.site == source.site).count();
        let of_account = all.filter(|other| other.account == source.account).count();
        // An operator's commands have no such limit.
        source != Source::OPERATOR && (of_site >= self.places.of_site || of_account >= self.places.of_account)
    }

    /// The next job to run. The caller must report when it is [done](Self::done).
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

    /// A job of this source has ended.
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

/// The waiting jobs in the order in which they came, and the turn in which each network and account was last served.
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

/// At least this many of the last turns are remembered.
const REMEMBERED: usize = 1024;

impl<T> Lane<T> {
    /// The job whose block was served longest ago; within the block, whose subscriber; within that, whose account.
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

    /// Removes a job of the source that has the most, if `newcomer` will have fewer even after its own job is added. It
    /// goes down the levels from block to account, to the fullest at each level. Once the levels differ from the
    /// newcomer's, nobody gives up a job for a neighbour with more. Between two that are equally full, the one with the
    /// newer job gives it up.
    fn make_room(&mut self, newcomer: Source) -> Option<T> {
        let mut scope: Vec<usize> = (0..self.waiting.len()).collect();
        let mut has_fewer = false;
        for level in 0..LEVELS {
            let of = |at: usize| self.waiting.get(at)?.source.levels().get(level).copied();
            // For each key, how many jobs it has and the index of the newest.
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

    /// All waiting jobs, in the order in which they are taken.
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
        // The newest job of the block that has all of them.
        assert_eq!(queue.push(stranger(2, 3, 1), 20), Ok(Some(15)));
        assert_eq!(queue.push(stranger(2, 3, 1), 21), Ok(Some(5)));
        // In the same block, another subscriber, who has none.
        assert_eq!(queue.push(stranger(1, 4, 9), 30), Ok(Some(14)));
        // Until each block has 6 of the 12 places: a source with as many jobs can't displace anybody's.
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
        // Three accounts of one subscriber; the first has the most jobs.
        for (account, jobs) in [(1, 0..4), (2, 4..6), (3, 6..8)] {
            for job in jobs {
                queue.push(stranger(1, 1, account), job).unwrap();
            }
        }
        // Two neighbours, one in the same block and one in another, which came last.
        queue.push(stranger(1, 2, 4), 20).unwrap();
        queue.push(stranger(1, 3, 5), 21).unwrap();
        queue.push(stranger(2, 4, 6), 22).unwrap();
        queue.push(stranger(3, 5, 7), 23).unwrap();
        assert_eq!(queue.push(stranger(4, 6, 8), 30), Ok(Some(3)));
        assert_eq!(queue.push(stranger(5, 7, 9), 31), Ok(Some(2)));
        // Now the three are equally full: the newest job goes.
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
