//! A panic on one of sled's own threads. All stores of a process share these threads, so the test uses a process of its
//! own.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::contract::{append, stream};
use crate::support::child;
use crate::support::disk::TestDisk;
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Expected, Store, StoreError};

const NEW: Expected = Expected::NoStream;

/// The full name of the test below.
const CHILD: &str = "sled::thread_panic::child";

/// One of sled's threads panics while the writer waits for it. Callers get an answer all the same.
#[test]
fn a_panic_on_a_thread_of_sled_answers_those_who_wait() {
    let temp = tempfile::tempdir().unwrap();
    let mut started = child::start(CHILD, "panic", temp.path(), "");
    let said = started.line();
    let ended = started.end();
    assert!(ended.status.success() && said.as_deref() == Some("answered"), "{}{}", ended.out, ended.err);
}

/// Not a test by itself: the child in which the thread panics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some((_, folder)) = child::task() else { return };
    let disk = TestDisk::new();
    let told = Arc::new(Mutex::new(Vec::<String>::new()));
    let tell = Arc::clone(&told);
    let on_fatal = Arc::new(move |why: &str| tell.lock().unwrap().push(why.to_owned()));
    let options = SledOptions { on_fatal, disk: Arc::clone(&disk) as _, ..SledOptions::default() };
    let store = Arc::new(SledStore::open(&folder, options).unwrap());
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
    assert!(told.len() == 1 && told[0].contains(folder.to_str().unwrap()), "{told:?}");
    // Dropping the store does not wait for the writer, which still hangs.
    drop(store);
    disk.release();
    child::tell("answered");
}
