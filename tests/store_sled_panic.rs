//! A panic on one of sled's own threads, which are shared by all stores of a process: hence a process of its own.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    unreachable_pub,
    dead_code,
    reason = "a test may panic, and its helpers are no interface"
)]

#[path = "support/store/contract.rs"]
mod contract;
#[path = "support/store/disk.rs"]
mod disk;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::{append, stream};
use disk::TestDisk;
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Expected, Store, StoreError};

const NEW: Expected = Expected::NoStream;

/// One of sled's threads panics while the writer waits: nobody waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_on_a_thread_of_sled_answers_those_who_wait() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let told = Arc::new(Mutex::new(Vec::<String>::new()));
    let tell = Arc::clone(&told);
    let on_fatal = Arc::new(move |why: &str| tell.lock().unwrap().push(why.to_owned()));
    let options = SledOptions { on_fatal, disk: Arc::clone(&disk) as _, ..SledOptions::default() };
    let store = Arc::new(SledStore::open(temp.path(), options).unwrap());
    disk.hold();
    let waiting = Arc::clone(&store);
    let append = tokio::spawn(async move { waiting.append(append("a", NEW, &["1"])).await });
    while disk.waiting.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let reading = Arc::clone(&store);
    let read = tokio::spawn(async move { reading.load(stream("a")).await });
    let thread = std::thread::Builder::new().name("sled-io-9".to_owned());
    assert!(thread.spawn(|| std::panic::resume_unwind(Box::new("quiet"))).unwrap().join().is_err());
    assert!(!append.is_finished(), "only a real panic runs the hook");
    let thread = std::thread::Builder::new().name("sled-io-9".to_owned());
    assert!(thread.spawn(|| panic!("a segment is broken")).unwrap().join().is_err());
    assert!(
        matches!(append.await.unwrap(), Err(StoreError::Unavailable(why)) if why.contains("a segment is broken"))
    );
    assert!(matches!(read.await.unwrap(), Err(StoreError::Unavailable(_))));
    let told = told.lock().unwrap().clone();
    assert!(told.len() == 1 && told[0].contains(temp.path().to_str().unwrap()), "{told:?}");
    // Its drop doesn't wait for the writer, which still hangs.
    drop(store);
    disk.release();
}
