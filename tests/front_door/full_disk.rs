//! What waits while the disk is nearly full, and continues when there is room again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use heirloom::app::sweep::Swept;

use crate::faults::{Filling, TestDisk};
use crate::summaries::{long_lived, refreshed_daily};
use crate::support::{NOW, Server, Setup};
use crate::sweep::{keep_sweeping, sweep_all, until};

const DAY: u64 = 86_400;

/// A server on a disk that the test can fill.
async fn on_a_disk(change: impl FnOnce(&mut Setup)) -> (Server, Arc<TestDisk>) {
    let disk = Arc::new(TestDisk::default());
    let own = Arc::clone(&disk);
    let server = Server::with(|setup| {
        setup.store = Some(Box::new(|inner| Arc::new(Filling { inner, disk: own })));
        change(setup);
    })
    .await;
    (server, disk)
}

#[tokio::test]
async fn the_sweeper_waits_while_the_disk_is_nearly_full() {
    let (server, disk) = on_a_disk(|_| {}).await;
    let over = server.sign_in().await;
    let sweeping = keep_sweeping(&server).await;
    let stats = || server.app.sweeper.stats();
    until("it has swept", || stats().last == Some(NOW)).await;

    disk.full.store(true, Ordering::SeqCst);
    until("it has noticed", || stats().disk_full).await;
    server.wait(14 * DAY);
    // The sweeper looks at the disk once in each round.
    let looks = disk.looks.load(Ordering::SeqCst);
    until("it has gone round twice", || disk.looks.load(Ordering::SeqCst) > looks + 2).await;
    assert_eq!((stats().total.ended, stats().last, stats().paused), (0, Some(NOW), None));
    assert_eq!(server.event_names(over.session()).await, ["session_started", "tokens_issued"]);

    disk.full.store(false, Ordering::SeqCst);
    until("it has ended the session", || stats().total.ended == 1).await;
    assert!(!stats().disk_full);
    sweeping.abort();
}

/// A summary frees space, but takes some first.
#[tokio::test]
async fn no_refreshes_are_summarized_while_the_disk_is_nearly_full() {
    let (server, disk) = on_a_disk(long_lived).await;
    let (first, _) = refreshed_daily(&server, 60).await;
    disk.full.store(true, Ordering::SeqCst);
    assert_eq!(sweep_all(&server).await, Swept { queued_again: 1, ..Swept::default() });
    assert_eq!(server.events(first.session()).await.len(), 62);

    disk.full.store(false, Ordering::SeqCst);
    server.wait(8 * 3600);
    assert_eq!(sweep_all(&server).await.summarized, 30);
}
