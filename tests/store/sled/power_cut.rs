//! A power cut at any moment. Of what was not synced, any part may be missing, in any order. Then everything
//! acknowledged is there, no stream has forked, and once the purge has gone on, nothing is left of removed streams and
//! summarized events.

mod demands;
mod history;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, mpsc};

use crate::sled::power_cut::demands::broken;
use crate::sled::power_cut::history::{Fact, Hears, Installation, Size, run};
use crate::support::power::{PowerCut, Random, RecordingDisk};
use crate::support::{child, loop_device};
use heirloom::store::sled::SystemDisk;

/// In memory if possible, since sled syncs by itself when it is opened.
fn fast_tempdir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// How many states there were of each kind, and the first wrong one.
#[derive(Default)]
struct Found {
    states: usize,
    torn: usize,
    wrong: Vec<String>,
}

/// Two hundred states. `HEIRLOOM_POWER_CUTS` sets another number, of a longer run, and `HEIRLOOM_POWER_SEED` another
/// seed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<usize>().ok());
    let states = number("HEIRLOOM_POWER_CUTS");
    let seed = number("HEIRLOOM_POWER_SEED").unwrap_or(1) as u64;
    let size = match states {
        None => Size { long: 2400, rounds: 12, purged: 3 },
        Some(_) => Size { long: 8600, rounds: 60, purged: 3 },
    };
    let temp = fast_tempdir();
    let root = temp.path().canonicalize().unwrap();
    let data = root.join("data");
    let disk = Arc::new(RecordingDisk::new(&data));
    // A thread also looks at the folder between the syncs.
    let (looking, running) = (Arc::clone(&disk), Arc::new(()));
    let until = Arc::downgrade(&running);
    let looker = std::thread::spawn(move || {
        while until.strong_count() > 0 {
            looking.look();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let facts = Arc::new(run(&data, &disk, &size).await);
    drop(running);
    looker.join().unwrap();
    let recording = disk.recording();
    let most = recording.unsynced("sled/db").into_iter().max().unwrap();
    println!("{} moments; at most {most} bytes of sled's file were not synced", recording.len());
    assert!(most < 1 << 20, "{most} bytes were not synced at one time: more than a segment");

    let found = Arc::new(Mutex::new(Found::default()));
    let (cuts, receive) = mpsc::sync_channel::<PowerCut>(2);
    let receive = Arc::new(Mutex::new(receive));
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let folder = root.join(format!("cut {worker}"));
            let (receive, facts, found) = (Arc::clone(&receive), Arc::clone(&facts), Arc::clone(&found));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let next = receive.lock().unwrap().recv();
                    let Ok(cut) = next else { return };
                    cut.write(&folder);
                    let broken = std::panic::catch_unwind(AssertUnwindSafe(|| {
                        runtime.block_on(broken(&folder, &facts, cut.facts))
                    }));
                    let broken = broken.unwrap_or_else(|_| Err("a panic".to_owned()));
                    let mut found = found.lock().unwrap();
                    found.states += 1;
                    found.torn += usize::from(cut.torn);
                    found.wrong.extend(broken.err().map(|why| format!("{} {why}", cut.how)));
                }
            })
        })
        .collect();
    drop(receive);
    let mut random = Random(seed);
    recording.power_cuts(states.unwrap_or(200), &mut random, |cut| cuts.send(cut).unwrap());
    drop(cuts);
    for worker in workers {
        worker.join().unwrap();
    }
    let found = found.lock().unwrap();
    println!("{} states, {} with something torn, {} wrong", found.states, found.torn, found.wrong.len());
    assert!(found.wrong.is_empty(), "seed {seed}: {:#?}", &found.wrong[..found.wrong.len().min(20)]);
    assert!(found.torn > found.states / 2);
}

/// The full name of the test below.
const CHILD: &str = "sled::power_cut::child";

/// Not a test by itself: a process that uses a store until it is killed, and prints what was acknowledged.
#[test]
fn child() {
    let Some((_, folder)) = child::task() else { return };
    let hears: Hears = Arc::new(|fact| {
        child::tell(&match fact {
            Fact::Version(name, version) => format!("{version}\t{name}"),
            Fact::Removing(name) => format!("removing\t{name}"),
            Fact::Removed(name) => format!("removed\t{name}"),
            Fact::Summarizing(_) | Fact::Summarized(..) => unreachable!("it summarizes nothing"),
        });
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let all = Arc::new(Installation::start(&folder, Arc::new(SystemDisk), &hears));
        let names: Vec<_> = (0..6).map(|number| format!("session {number}")).collect();
        for cycle in 0_u64.. {
            let sessions = Arc::clone(&all);
            let (names, from) = (names.clone(), cycle * 20);
            let refreshing = tokio::spawn(async move { sessions.refresh(&names, from, 20).await });
            let gone = format!("gone {cycle}");
            for part in 0..30 {
                all.append(&gone, part * 100, 100).await;
            }
            all.remove(&gone, 3000).await;
            refreshing.await.unwrap();
        }
    });
}

/// The fact in a line that the child has printed.
fn fact(line: &str) -> Fact {
    let (what, name) = line.split_once('\t').unwrap();
    let name = name.to_owned();
    match what {
        "removing" => Fact::Removing(name),
        "removed" => Fact::Removed(name),
        version => Fact::Version(name, version.parse().unwrap()),
    }
}

/// Stops a process. What it has already asked the kernel to do is done first.
fn stop(process: u32) {
    signal(process, rustix::process::Signal::STOP);
    let stopped = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, stat)| stat.starts_with(" T"))
    };
    while !std::fs::read_dir(format!("/proc/{process}/task")).unwrap().all(|thread| stopped(thread.unwrap()))
    {
        std::thread::yield_now();
    }
}

fn signal(process: u32, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

/// A real file system on a loop device: the device's image at a moment is what a disk would have. Three moments; more
/// with `HEIRLOOM_LOOP_CUTS`.
#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut_on_a_real_file_system() {
    let cuts = std::env::var("HEIRLOOM_LOOP_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let temp = tempfile::tempdir().unwrap();
    let mounted = match loop_device::Mounted::make(temp.path()) {
        Ok(mounted) => mounted,
        Err(why) => return println!("skipped: mounting is not possible here: {why}"),
    };
    let mut started = child::start(CHILD, "write", &mounted.folder.join("data"), "");
    let (mut facts, mut random, mut wrong) = (Vec::new(), Random(1), Vec::new());
    for cut in 0..cuts {
        let enough = facts.len() + 20 + random.below(300);
        while facts.len() < enough {
            facts.push(fact(&started.line().unwrap()));
        }
        stop(started.child.id());
        let left = mounted.cut(temp.path());
        signal(started.child.id(), rustix::process::Signal::CONT);
        // Facts that the child may have asked for, but has not printed yet.
        let cycle = facts.iter().filter(|fact| matches!(fact, Fact::Removing(_))).count();
        let (known, mut facts) = (facts.len(), facts.clone());
        facts.extend((0..6).map(|number| Fact::Version(format!("session {number}"), 0)));
        facts.extend((0..=cycle).map(|cycle| Fact::Version(format!("gone {cycle}"), 0)));
        // The child is ahead of what it has printed, so a stream that was filled may be removed already.
        let may_go: Vec<_> = (0..cycle + 200).map(|cycle| Fact::Removing(format!("gone {cycle}"))).collect();
        let known = known + may_go.len();
        facts.splice(0..0, may_go);
        wrong.extend(
            broken(&left.folder.join("data"), &facts, known).await.err().map(|why| format!("{cut}: {why}")),
        );
    }
    started.child.kill().unwrap();
    started.child.wait().unwrap();
    println!("{cuts} cuts, {} facts, {} wrong", facts.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
