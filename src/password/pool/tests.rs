use super::worker::{NICENESS, lower_priority};
use super::*;
use crate::password::hash::HashRefused;
use crate::password::policy::{Policy, PolicyRefused};

fn options(threads: usize, queue: usize) -> PoolOptions {
    PoolOptions { threads, queue, cost: Cost::new(64, 1, 1).unwrap(), ..PoolOptions::default() }
}

fn peppers() -> Peppers {
    Peppers::new((2, &[2; 32]), [(1, [1; 32])])
}

fn unstarted(options: PoolOptions) -> Arc<HashingPool> {
    Arc::new(HashingPool::unstarted(options, peppers(), Random::system()))
}

/// A person at home.
const HOME: Source = Source { block: 1, site: 1, account: 1, known: true };

fn started(options: PoolOptions) -> HashingPool {
    HashingPool::start(options, peppers(), Random::system()).unwrap()
}

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

#[tokio::test]
async fn what_was_hashed_verifies_and_nothing_else_does() {
    let pool = started(options(2, 8));
    let record = pool.hash(password("correct horse"), HOME).await.unwrap();
    let again = pool.hash(password("correct horse"), HOME).await.unwrap();
    assert_ne!(record, again, "every hash has its own salt");
    let right = pool.verify(password("correct horse"), Some(record.clone()), HOME).await.unwrap();
    assert_eq!(right, Verdict { matches: true, rehashed: None });
    let wrong = pool.verify(password("battery staple"), Some(record), HOME).await.unwrap();
    assert_eq!(wrong, Verdict { matches: false, rehashed: None });
}

#[tokio::test]
async fn a_weak_new_password_is_refused_before_it_is_hashed() {
    let pool = started(options(1, 8));
    let rules = NewPassword { policy: Policy::default(), about: vec!["threepwood".to_owned()] };
    let weak = pool.hash_new(password("threepwood"), rules.clone(), HOME).await;
    assert_eq!(weak, Err(PoolError::NotAccepted(PolicyRefused::Guessable)));
    assert_eq!(pool.hashes_started(), 0);
    assert!(pool.hash_new(password("three-headed monkey"), rules, HOME).await.is_ok());
}

/// Vault told by its timing who exists (CVE-2025-6011).
#[tokio::test]
async fn an_unknown_account_costs_one_hash_of_the_current_cost_and_never_matches() {
    let pool = started(options(1, 8));
    let record = pool.hash(password("right"), HOME).await.unwrap();
    let before = pool.hashes_started();
    assert!(!pool.verify(password("wrong"), Some(record), HOME).await.unwrap().matches);
    let known = pool.hashes_started() - before;
    assert!(!pool.verify(password("wrong"), None, HOME).await.unwrap().matches);
    assert_eq!((known, pool.hashes_started() - before), (1, 2));
    let nobody = PasswordRecord::of_nobody(Cost::RECOMMENDED, &peppers());
    assert!(!nobody.needs_rehash(Cost::RECOMMENDED, 2));
}

#[tokio::test]
async fn what_overflows_the_queue_is_told_to_come_back_and_memory_stays_bounded() {
    let pool = unstarted(options(2, 8));
    let jobs: Vec<_> = (0..64)
        .map(|n| {
            let pool = Arc::clone(&pool);
            // Each is a stranger of its own.
            let source = Source { block: n, site: n, account: n, known: n % 2 == 0 };
            tokio::spawn(async move { pool.hash(password("correct horse"), source).await })
        })
        .collect();
    // No thread hashes yet. On this single-threaded runtime a few rounds submit every job.
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.stats().refused_busy, 56);
    pool.start_threads(2).unwrap();
    let mut done = 0;
    for job in jobs {
        match job.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error, PoolError::Busy { retry_after: Duration::from_secs(1) }),
        }
    }
    assert_eq!((done, pool.hashes_started()), (8, 8));
    assert!(pool.stats().memory_bytes <= 2 * 64 * 1024);
}

#[tokio::test]
async fn one_account_is_told_to_come_back_while_everybody_else_finds_a_place() {
    let pool = unstarted(options(2, 32));
    let submit = |source: Source| {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.hash(password("correct horse"), source).await })
    };
    let flood: Vec<_> = (0..64).map(|_| submit(HOME)).collect();
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    assert_eq!((pool.stats().refused_source, pool.stats().refused_busy), (54, 0));
    let others: Vec<_> =
        (2..10).map(|n| submit(Source { block: n, site: n, account: n, known: n % 2 == 0 })).collect();
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    pool.start_threads(2).unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    let mut done = 0;
    for job in flood {
        match job.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => {
                assert_eq!(error, PoolError::TooManyAtOnce { retry_after: Duration::from_secs(1) });
            }
        }
    }
    assert_eq!(done, 10);
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_is_skipped() {
    let pool = unstarted(options(1, 8));
    let submit = |text: &'static str| {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.hash(password(text), HOME).await })
    };
    let (gone, stays) = (submit("gone"), submit("stays"));
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    pool.start_threads(1).unwrap();
    stays.await.unwrap().unwrap();
    assert_eq!((pool.hashes_started(), pool.stats().skipped), (1, 1));
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_takes_none_of_a_sources_share() {
    let pool = unstarted(options(2, 32));
    let submit = || {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.hash(password("correct horse"), HOME).await })
    };
    // All that one account may have, in a queue that is not half full.
    let gone: Vec<_> = (0..10).map(|_| submit()).collect();
    tokio::task::yield_now().await;
    for job in gone {
        job.abort();
        assert!(job.await.unwrap_err().is_cancelled());
    }
    let stays = submit();
    tokio::task::yield_now().await;
    pool.start_threads(2).unwrap();
    stays.await.unwrap().unwrap();
    assert_eq!((pool.hashes_started(), pool.stats().skipped, pool.stats().refused_source), (1, 10, 0));
}

#[tokio::test]
async fn a_monstrous_record_is_refused_and_the_pool_lives() {
    let pool = started(options(1, 8));
    let monstrous = PasswordRecord::of_nobody(Cost::RECOMMENDED, &peppers());
    let mut bytes = minicbor::to_vec(&monstrous).unwrap();
    // Key 2, then 19 * 1024 as a 16-bit number; a 32-bit 4 GiB in its place.
    let at = bytes.windows(4).position(|window| window == [0x02, 0x19, 0x4c, 0x00]).unwrap();
    bytes.splice(at + 1..at + 4, [0x1a, 0x00, 0x40, 0x00, 0x00]);
    let monstrous = minicbor::decode(&bytes).unwrap();
    let refused = HashRefused::Cost { memory_kib: 4 * 1024 * 1024, passes: 2, lanes: 1 };
    let answer = pool.verify(password("any"), Some(monstrous), HOME).await;
    assert_eq!(answer, Err(PoolError::Refused(refused)));
    assert!(!pool.verify(password("any"), None, HOME).await.unwrap().matches);
}

#[tokio::test]
async fn a_match_with_an_older_cost_is_hashed_again_and_its_memory_given_back() {
    let older = HashingPool::start(
        PoolOptions { cost: Cost::new(1024, 2, 1).unwrap(), ..options(1, 8) },
        Peppers::new((1, &[1; 32]), []),
        Random::system(),
    )
    .unwrap();
    let record = older.hash(password("right"), HOME).await.unwrap();
    let pool = started(options(1, 8));
    let wrong = pool.verify(password("wrong"), Some(record.clone()), HOME).await.unwrap();
    assert_eq!(wrong, Verdict { matches: false, rehashed: None });
    let right = pool.verify(password("right"), Some(record), HOME).await.unwrap();
    let rehashed = right.rehashed.unwrap();
    assert!(right.matches);
    assert!(!rehashed.needs_rehash(Cost::new(64, 1, 1).unwrap(), 2));
    assert!(pool.verify(password("right"), Some(rehashed), HOME).await.unwrap().matches);
    assert_eq!(pool.stats().memory_bytes, 64 * 1024);
}

#[tokio::test]
async fn memory_is_given_back_when_there_is_nothing_to_do_and_taken_again() {
    let keeps = started(PoolOptions { keep_memory: Duration::from_hours(1), ..options(1, 8) });
    keeps.hash(password("correct horse"), HOME).await.unwrap();
    assert_eq!(keeps.stats().memory_bytes, 64 * 1024);

    let pool = started(PoolOptions { keep_memory: Duration::ZERO, ..options(1, 8) });
    assert_eq!(pool.stats().memory_bytes, 0, "nothing is taken before it is needed");
    let record = pool.hash(password("correct horse"), HOME).await.unwrap();
    while pool.stats().memory_bytes > 0 {
        tokio::task::yield_now().await;
    }
    assert!(pool.verify(password("correct horse"), Some(record), HOME).await.unwrap().matches);
}

#[cfg(target_os = "linux")]
#[test]
fn the_priority_is_lowered_for_the_thread_alone() {
    let own = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
    let before = own();
    let lowered = thread::spawn(move || {
        lower_priority();
        own()
    });
    assert_eq!(lowered.join().unwrap(), NICENESS.max(before));
    assert_eq!(own(), before);
}
