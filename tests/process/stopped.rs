//! A shutdown is requested while many requests are under way, and a process that stands still for some time.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::chain::{Chain, Load, assert_no_family_ended};
use crate::production::{Installation, PHONE, USER};
use crate::support::{Dev, free_port};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_under_load_keeps_what_was_acknowledged_and_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Arc::new(Dev::on_port(folder.path(), free_port()));
    let mut chains = Chain::start(&dev, 8).await;
    for signal in [Signal::TERM, Signal::INT] {
        let load = Load::begin(&dev, chains);
        load.answered(100).await;
        dev.process.signal(signal);
        let told = Instant::now();
        chains = load.end().await;
        let port = dev.port();
        let Ok(stopping) = Arc::try_unwrap(dev) else { unreachable!("the load has ended") };
        let log = folder.path().join("log");
        assert_eq!(stopping.process.end(), Some(0), "{}", std::fs::read_to_string(&log).unwrap());
        assert!(told.elapsed() < Duration::from_secs(30), "{:?}", told.elapsed());
        dev = Arc::new(Dev::on_port(folder.path(), port));
        for chain in &mut chains {
            chain.holds(&dev).await;
        }
    }
    let log = dev.process.log();
    assert_eq!(log.lines().filter(|line| line.ends_with("stopped")).count(), 2, "{log}");
    assert_no_family_ended(&log);
}

/// A container that is paused, or a machine whose processor somebody else has: nobody could retry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_process_stands_still_no_retry_window_runs_out() {
    let installation = Installation::new();
    let mut config = std::fs::OpenOptions::new().append(true).open(installation.config()).unwrap();
    config.write_all(b"\n[tokens]\nretry_window = \"6s\"\n").unwrap();
    installation.add_user();
    let process = installation.serve();
    let (caller, client) = (installation.caller(), PHONE);
    let first = caller.sign_in(client, USER).await.refresh_token();
    let second = caller.refresh(client, &first).await.refresh_token();
    let third = caller.refresh(client, &second).await.refresh_token();

    process.signal(Signal::STOP);
    tokio::time::sleep(Duration::from_secs(8)).await;
    process.signal(Signal::CONT);
    for old in [&first, &second] {
        assert_eq!(caller.refresh(client, old).await.refresh_token(), third, "the answer that was lost");
    }
    let fourth = caller.refresh(client, &third).await;
    assert_eq!(fourth.status, 200, "{}", fourth.text);
}
