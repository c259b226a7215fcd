//! Counts what each source uses of the listener: connections, and memory for bodies. A source is an IPv4 address or an
//! IPv6 /56, which is what one subscriber has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;
use crate::throttle::counted_address;

/// What all sources use of the listeners that share it.
#[derive(Debug, Default)]
pub struct Places {
    sources: Mutex<HashMap<Source, Arc<Taken>>>,
    /// Bytes of bodies of all sources.
    body_bytes: AtomicU64,
    refused_connections: AtomicU64,
    refused_bodies: AtomicU64,
    logged: Mutex<Logged>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    V6(u64),
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match counted_address(address) {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6(
                    [a, b, c, d & 0xff00].iter().fold(0, |network, part| (network << 16) | u64::from(*part)),
                )
            }
        }
    }
}

/// What one source uses.
#[derive(Debug, Default)]
struct Taken {
    /// Changed only under the lock of the table.
    connections: AtomicU64,
    body_bytes: AtomicU64,
}

/// What was logged when.
#[derive(Debug, Default)]
struct Logged {
    /// Sources that wanted more connections.
    sources: HashMap<Source, Instant>,
    /// That there was no room for a body.
    body: Option<Instant>,
}

/// How often it is logged at most that one source wants more connections, and of how many sources in this time.
const SOURCE_EVERY: Duration = Duration::from_hours(1);
const MOST_LOGGED: usize = 64;
/// How often it is logged at most that there is no room for a body.
const BODY_EVERY: Duration = Duration::from_mins(1);

impl Logged {
    fn is_source_due(&mut self, source: Source, now: Instant) -> bool {
        self.sources.retain(|_, then| now.saturating_duration_since(*then) < SOURCE_EVERY);
        let is_due = self.sources.len() < MOST_LOGGED && !self.sources.contains_key(&source);
        if is_due {
            self.sources.insert(source, now);
        }
        is_due
    }

    fn is_body_due(&mut self, now: Instant) -> bool {
        let is_due = self.body.is_none_or(|then| now.saturating_duration_since(then) >= BODY_EVERY);
        if is_due {
            self.body = Some(now);
        }
        is_due
    }
}

impl Places {
    /// How many connections were closed because their source had the most permitted.
    #[must_use]
    pub fn refused_connections(&self) -> u64 {
        self.refused_connections.load(Ordering::Relaxed)
    }

    /// How many requests were refused because there was no room for their bodies.
    #[must_use]
    pub fn refused_bodies(&self) -> u64 {
        self.refused_bodies.load(Ordering::Relaxed)
    }

    fn logged(&self) -> MutexGuard<'_, Logged> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<Source, Arc<Taken>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, which is freed when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    /// `None` if it is not counted by source, as a proxy's.
    source: Option<(Source, Arc<Taken>)>,
    body_bytes: u64,
    source_body_bytes: u64,
}

impl Place {
    /// Takes a place for a connection from `address` (`None`: one that is not counted by source). Returns `None` if the
    /// source has the most permitted.
    pub(super) fn take(places: &Arc<Places>, address: Option<IpAddr>, limits: &Limits) -> Option<Self> {
        let source = match address {
            None => None,
            Some(address) => {
                let source = Source::of(address);
                let mut sources = places.sources();
                let taken = sources.entry(source).or_default();
                let most = u64::try_from(limits.max_connections_per_source).unwrap_or(u64::MAX);
                if taken.connections.load(Ordering::Relaxed) >= most {
                    drop(sources);
                    places.refused_connections.fetch_add(1, Ordering::Relaxed);
                    if places.logged().is_source_due(source, Instant::now()) {
                        tracing::warn!(
                            peer.address = %address,
                            "closing connections: one address has as many as max_connections_per_address permits. \
                             trusted_proxies is only for a proxy of your own that sets X-Forwarded-For itself"
                        );
                    }
                    return None;
                }
                taken.connections.fetch_add(1, Ordering::Relaxed);
                Some((source, Arc::clone(taken)))
            }
        };
        let (body_bytes, source_body_bytes) = (limits.body_memory, limits.body_memory / SHARES);
        Some(Self { places: Arc::clone(places), source, body_bytes, source_body_bytes })
    }

    /// Reserves memory for `bytes` of a body; false if there is none. [`Self::free`] frees it.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let add = |count: &AtomicU64| count.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let of_all = add(&self.places.body_bytes);
        let of_source = self.source.as_ref().map(|(_, taken)| add(&taken.body_bytes));
        let fits = of_all <= self.body_bytes && of_source.is_none_or(|bytes| bytes <= self.source_body_bytes);
        if !fits {
            self.free(bytes);
        }
        fits
    }

    /// Counts a request that was refused for lack of memory. Returns whether to log it.
    pub(super) fn refuse_body(&self) -> bool {
        self.places.refused_bodies.fetch_add(1, Ordering::Relaxed);
        self.places.logged().is_body_due(Instant::now())
    }

    /// Frees memory.
    pub(super) fn free(&self, bytes: u64) {
        self.places.body_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if let Some((_, taken)) = &self.source {
            taken.body_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// One source gets an eighth of the memory for bodies, so that it takes several to use up all.
const SHARES: u64 = 8;

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((source, taken)) = &self.source {
            let mut sources = self.places.sources();
            if taken.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
                sources.remove(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { max_connections_per_source: 2, body_memory: 800, ..Limits::default() }
    }

    fn take(places: &Arc<Places>, address: &str) -> Option<Place> {
        Place::take(places, Some(address.parse().unwrap()), &limits())
    }

    #[test]
    fn a_source_has_so_many_places_and_gets_them_back() {
        let places = Arc::new(Places::default());
        let first = take(&places, "192.0.2.1");
        let second = take(&places, "::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(take(&places, "192.0.2.1").is_none(), "IPv4 in IPv6 is the same address");
        assert!(take(&places, "192.0.2.2").is_some());
        drop(first);
        assert!(take(&places, "192.0.2.1").is_some());
        drop(second);
        assert!(places.sources().is_empty(), "nothing is left of who has gone");
    }

    #[test]
    fn a_network_of_56_bits_is_one_source_unless_it_is_all_of_ipv4() {
        let places = Arc::new(Places::default());
        let held = [take(&places, "2001:db8:0:100::1"), take(&places, "2001:db8:0:1ff:ffff::2")];
        assert!(held.iter().all(Option::is_some));
        assert!(take(&places, "2001:db8:0:101::3").is_none());
        assert!(take(&places, "2001:db8:0:200::1").is_some());
        let translated = [take(&places, "64:ff9b::192.0.2.1"), take(&places, "192.0.2.1")];
        assert!(translated.iter().all(Option::is_some));
        assert!(take(&places, "192.0.2.1").is_none() && take(&places, "64:ff9b::192.0.2.2").is_some());
        assert_eq!(places.refused_connections(), 2);
        let proxy = || Place::take(&places, None, &limits());
        assert!([proxy(), proxy(), proxy()].iter().all(Option::is_some), "a proxy's are not counted");
    }

    #[test]
    fn the_log_is_told_once_an_hour_of_each_source_and_once_a_minute_of_bodies() {
        let (mut logged, start) = (Logged::default(), Instant::now());
        let source = |n: u8| Source::of(IpAddr::from([192, 0, 2, n]));
        assert!(logged.is_source_due(source(1), start) && !logged.is_source_due(source(1), start));
        assert!(logged.is_source_due(source(2), start));
        let later = start + Duration::from_mins(59);
        assert!(!logged.is_source_due(source(1), later) && logged.is_source_due(source(3), later));
        let later = start + Duration::from_hours(1);
        assert!(logged.is_source_due(source(1), later) && !logged.is_source_due(source(3), later));
        let written = (0..=255).filter(|n| logged.is_source_due(source(*n), later)).count();
        assert_eq!(written, MOST_LOGGED - 2, "a flood from everywhere is not logged of each");

        assert!(logged.is_body_due(start) && !logged.is_body_due(start + Duration::from_secs(59)));
        assert!(logged.is_body_due(start + BODY_EVERY) && !logged.is_body_due(start + BODY_EVERY));
    }

    #[test]
    fn memory_is_shared_and_no_source_takes_all_of_it() {
        let places = Arc::new(Places::default());
        let of = |address| take(&places, address).unwrap();
        let (first, again) = (of("192.0.2.1"), of("192.0.2.1"));
        assert!(first.reserve(60) && !again.reserve(60), "a source has an eighth");
        assert!(again.reserve(40));
        let proxy = Place::take(&places, None, &limits()).unwrap();
        assert!(proxy.reserve(650) && !proxy.reserve(100));
        let other = of("192.0.2.2");
        assert!(other.reserve(50) && !other.reserve(1), "and all of them have all of it");
        first.free(60);
        assert!(other.reserve(50));
    }
}
