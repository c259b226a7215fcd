//! A disk that fails while a store is opened, at each write and at each read.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::{fs, io};

use crate::sled::refused::{files, is_whole, open, with_history};
use crate::support::child::tell;
use crate::support::{child, folder};
use heirloom::store::Store;
use heirloom::store::sled::disk::Synced;
use heirloom::store::sled::{Disk, SledOptions, SledStore};

/// A disk whose syncs fail after the first few.
struct FailingDisk(AtomicUsize);

impl Disk for FailingDisk {
    fn sync(&self, _: Synced, _: &fs::File) -> io::Result<()> {
        match self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            // 5 is EIO.
            Err(_) => Err(io::Error::from_raw_os_error(5)),
        }
    }
}

/// Wherever an opening fails, the next one succeeds, and nothing is lost.
#[tokio::test]
async fn an_opening_may_end_at_each_of_its_steps() {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().join("base");
    let log = with_history(&base).await;
    let mut ended = 0;
    for syncs in 0..40 {
        let (data, left) =
            (temp.path().join(format!("data {syncs}")), temp.path().join(format!("left {syncs}")));
        folder::copy(&base, &data);
        let disk = std::sync::Arc::new(FailingDisk(AtomicUsize::new(syncs)));
        let Err(error) = SledStore::open(&data, SledOptions { disk, ..SledOptions::default() }) else {
            break;
        };
        assert!(!error.to_string().contains("backup"), "{error}");
        // sled may still have its file open in this process, so a copy is opened.
        folder::copy(&data, &left);
        for _ in 0..2 {
            is_whole(&open(&left).unwrap(), &log).await;
        }
        ended += 1;
    }
    assert!((5..40).contains(&ended), "{ended} steps");
}

/// The full name of the test below.
const CHILD: &str = "sled::refused::failing_disk::child";

/// Not a test by itself: a child opens the folder and reads everything.
#[test]
fn child() {
    let Some((_, folder)) = child::task() else { return };
    match open(&folder) {
        Err(refused) => tell(&format!("refused {refused}")),
        Ok(store) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tell(&format!(
                "opened {}",
                runtime.block_on(store.read_log(0, usize::MAX)).map_or(0, |log| log.len())
            ));
        }
    }
}

/// Opens the folder in a process under strace. Returns what it printed, and how many reads there were.
fn traced(folder: &Path, options: &[&str]) -> Option<(String, usize)> {
    let trace = folder.with_extension("trace");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=pread64", "-o"])
        .arg(&trace)
        // Only reads of sled's file.
        .arg("-P")
        .arg(folder.join("sled/db"))
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads", "1"])
        .env("STORE_CHILD_TASK", "open")
        .env("STORE_FOLDER", folder)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.is_empty() || said.contains("running 1 test"), "no test is named {CHILD}: {said}");
    let said = said.lines().find_map(|line| line.strip_prefix("> ")).unwrap_or_default().to_owned();
    let reads = fs::read_to_string(trace).ok()?;
    Some((said, reads.lines().filter(|line| line.contains("pread64")).count()))
}

/// Each read of each thread fails once. Every fifth is tried, or all with `HEIRLOOM_EVERY_READ`.
#[tokio::test]
async fn a_read_that_fails_destroys_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (base, data) = (temp.path().join("base"), temp.path().join("data"));
    let log = with_history(&base).await;
    folder::copy(&base, &data);
    let Some((said, reads)) = traced(&data, &[]).filter(|(said, _)| !said.is_empty()) else {
        println!("NOT RUN: strace is not installed, or may not trace here, so no read could be made to fail");
        return;
    };
    assert_eq!(said, format!("opened {}", log.len()));
    let step = if std::env::var_os("HEIRLOOM_EVERY_READ").is_some() { 1 } else { 5 };
    let (mut refused, mut opened) = (0, 0);
    for n in (1..=24).chain((25..=reads.min(400)).step_by(step)) {
        drop(fs::remove_dir_all(&data));
        folder::copy(&base, &data);
        let before = files(&data);
        let (said, _) = traced(&data, &["-e", &format!("inject=pread64:error=EIO:when={n}")]).unwrap();
        if said.starts_with("opened") {
            opened += 1;
        } else {
            assert!(said.contains("look at the disk") || said.contains("Input/output"), "read {n}: {said}");
            assert!(!said.contains("backup"), "read {n}: {said}");
            assert!(files(&data) == before, "read {n}: something was changed ({said})");
            refused += 1;
        }
        is_whole(&open(&data).unwrap(), &log).await;
    }
    assert!(refused > 0 && opened > 0, "{refused} refused, {opened} opened");
    println!("{reads} reads: {refused} refused, {opened} opened all the same");
}
