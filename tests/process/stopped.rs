//! A shutdown is requested while many requests are under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::chain::{Chain, Load, assert_no_family_ended};
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
        assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
        dev = Arc::new(Dev::on_port(folder.path(), port));
        for chain in &mut chains {
            chain.holds(&dev).await;
        }
    }
    let log = dev.process.log();
    assert_eq!(log.lines().filter(|line| line.ends_with("stopped")).count(), 2, "{log}");
    assert_no_family_ended(&log);
}
