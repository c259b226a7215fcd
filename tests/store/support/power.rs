//! A disk that remembers what was synced, and makes folders from that as a power cut may leave them.
//!
//! sled writes its files itself. So the disk looks at the whole folder just before each sync of the store, and before
//! each flush. A power cut may lose any difference from what was synced last: sector by sector and in any order, each
//! file for itself, and the names in the folders too. The disk does not see what sled syncs itself, so it may lose more
//! than a real power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use heirloom::store::sled::Disk;
use heirloom::store::sled::disk::Synced;

/// A disk writes a sector as a whole.
const SECTOR: usize = 512;
/// A moment is chosen the more often the more was not synced. This many bytes count as much as the moment itself.
const WEIGHT: usize = 64 * 1024;
/// Blocks are compared first, since most of a file is unchanged.
const BLOCK: usize = 64 * 1024;

/// The change of a file since the disk last looked at it.
#[derive(Debug)]
struct DiskChange {
    len: usize,
    sectors: Vec<(usize, Vec<u8>)>,
}

/// What was synced.
#[derive(Debug)]
enum Target {
    File(String),
    Folder(String),
}

/// A moment of the recording.
struct Moment {
    /// How many facts had been acknowledged by then.
    facts: usize,
    changes: Vec<(String, DiskChange)>,
    /// All files that existed.
    names: BTreeSet<String>,
    /// What was synced next.
    synced: Option<Target>,
}

/// The recording disk of a store in the folder `root`.
pub struct RecordingDisk {
    root: PathBuf,
    /// How many facts have been acknowledged so far.
    pub facts: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    files: BTreeMap<String, Vec<u8>>,
    moments: Vec<Moment>,
}

impl RecordingDisk {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), facts: AtomicUsize::new(0), seen: Mutex::default() }
    }

    /// Looks at the folder, and records what has changed.
    pub fn look(&self) {
        self.record(None);
    }

    /// The recording so far.
    pub fn recording(&self) -> Recording {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        Recording { moments: seen.moments }
    }

    fn record(&self, synced: Option<Target>) {
        let mut seen = self.seen.lock().unwrap();
        // Facts that are acknowledged while we look may be in what we see, but need not be.
        let facts = self.facts.load(SeqCst);
        let mut names = BTreeSet::new();
        list(&self.root, "", &mut names);
        let mut changes = Vec::new();
        for name in &names {
            // sled removes old snapshots and truncates files while we look.
            let Ok(now) = fs::read(self.root.join(name)) else { continue };
            let before = seen.files.entry(name.clone()).or_default();
            if let Some(change) = DiskChange::between(before, &now) {
                changes.push((name.clone(), change));
                *before = now;
            }
        }
        seen.files.retain(|name, _| names.contains(name));
        seen.moments.push(Moment { facts, changes, names, synced });
    }
}

impl Disk for RecordingDisk {
    fn before_flush(&self) -> io::Result<()> {
        self.look();
        Ok(())
    }

    /// Only records the sync. The real disk is not needed.
    fn sync(&self, what: Synced, file: &File) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let name =
            path.strip_prefix(&self.root).map_or(String::new(), |name| name.to_str().unwrap().to_owned());
        self.record(Some(if what == Synced::Folder && path.is_dir() {
            Target::Folder(name)
        } else {
            Target::File(name)
        }));
        Ok(())
    }
}

fn list(folder: &Path, prefix: &str, names: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), names);
        } else if name != "lock" {
            names.insert(name);
        }
    }
}

impl DiskChange {
    fn between(before: &[u8], now: &[u8]) -> Option<Self> {
        let mut sectors = Vec::new();
        for (block, bytes) in now.chunks(BLOCK).enumerate() {
            if before.get(block * BLOCK..block * BLOCK + bytes.len()) == Some(bytes) {
                continue;
            }
            for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                let at = block * BLOCK + number * SECTOR;
                if before.get(at..at + sector.len()) != Some(sector) {
                    sectors.push((at, sector.to_vec()));
                }
            }
        }
        (now.len() != before.len() || !sectors.is_empty()).then_some(Self { len: now.len(), sectors })
    }
}

/// The recorded moments, in order.
pub struct Recording {
    moments: Vec<Moment>,
}

/// What is on the disk for certain, and what may be.
#[derive(Default)]
struct FileState {
    durable: Vec<u8>,
    pending: Vec<DiskChange>,
}

/// A folder as a power cut may leave it.
pub struct PowerCut {
    pub files: BTreeMap<String, Vec<u8>>,
    /// How many facts had been acknowledged.
    pub facts: usize,
    /// How it was made, to help find the cause of a failure.
    pub how: String,
    /// Whether something had not been synced.
    pub torn: bool,
}

impl Recording {
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// How many bytes of a file were not synced, at each moment. Zero bytes don't count: at its start sled zeroes free
    /// space.
    pub fn unsynced(&self, name: &str) -> Vec<usize> {
        let mut now = 0;
        let mut unsynced = Vec::new();
        for moment in &self.moments {
            let of_file = moment.changes.iter().filter(|(changed, _)| changed == name);
            let sectors = of_file.flat_map(|(_, change)| &change.sectors);
            let written = sectors.filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0));
            now += written.map(|(_, bytes)| bytes.len()).sum::<usize>();
            unsynced.push(now);
            if matches!(&moment.synced, Some(Target::File(synced)) if synced == name) {
                now = 0;
            }
        }
        unsynced
    }

    /// Passes `states` folders to `show` that a power cut may leave. They are spread over the whole recording, with
    /// more of them where more of sled's file was not synced.
    pub fn power_cuts(&self, states: usize, random: &mut Random, mut show: impl FnMut(PowerCut)) {
        let mut files: BTreeMap<String, FileState> = BTreeMap::new();
        let mut durable_names: BTreeSet<String> = BTreeSet::new();
        let weights: Vec<_> = self.unsynced("sled/db").iter().map(|bytes| 1 + bytes / WEIGHT).collect();
        let (all, mut passed, mut shown) = (weights.iter().sum::<usize>(), 0, 0);
        for (number, moment) in self.moments.iter().enumerate() {
            for (name, change) in &moment.changes {
                let file = files.entry(name.clone()).or_default();
                let change = DiskChange { len: change.len, sectors: change.sectors.clone() };
                // sled itself syncs a snapshot before it renames it.
                if name.contains("snap.") {
                    apply(&mut file.durable, &change, |_| true, true);
                } else {
                    file.pending.push(change);
                }
            }
            passed += weights[number];
            while shown * all < states * passed {
                shown += 1;
                let mut cut = PowerCut {
                    files: BTreeMap::new(),
                    facts: moment.facts,
                    how: format!("moment {number} of {}:", self.moments.len()),
                    torn: false,
                };
                for name in moment.names.union(&durable_names) {
                    let certain = moment.names.contains(name) && durable_names.contains(name);
                    if certain || random.below(2) == 0 {
                        let content = files.entry(name.clone()).or_default().cut(name, random, &mut cut);
                        cut.files.insert(name.clone(), content);
                    } else {
                        write!(cut.how, " {name} absent;").unwrap();
                    }
                }
                show(cut);
            }
            match &moment.synced {
                Some(Target::File(name)) => {
                    if let Some(file) = files.get_mut(name) {
                        for change in std::mem::take(&mut file.pending) {
                            apply(&mut file.durable, &change, |_| true, true);
                        }
                    }
                }
                Some(Target::Folder(name)) => {
                    let within =
                        |file: &String| file.rsplit_once('/').map_or("", |(folder, _)| folder) == name;
                    durable_names.retain(|file| !within(file));
                    durable_names.extend(moment.names.iter().filter(|file| within(file)).cloned());
                }
                None => {}
            }
        }
    }
}

impl FileState {
    /// The file with a part of what was not synced: changes up to some moment, and of these some sectors or pages.
    fn cut(&self, name: &str, random: &mut Random, cut: &mut PowerCut) -> Vec<u8> {
        let mut content = self.durable.clone();
        if self.pending.is_empty() {
            return content;
        }
        cut.torn = true;
        let until =
            if random.below(2) == 0 { self.pending.len() } else { 1 + random.below(self.pending.len()) };
        let grain = [SECTOR, 4096][random.below(2)];
        let share = [0, 5, 50, 95, 100][random.below(5)];
        // A file system overwrites existing parts of a file, and often loses the growth of a file separately.
        let growth = [0, share, 100][random.below(3)];
        let seed = random.next();
        let of = self.pending.len();
        write!(cut.how, " {name}: {until} of {of} changes, {share} % by {grain}, grown {growth} %;").unwrap();
        for (number, change) in self.pending[..until].iter().enumerate() {
            let takes =
                |at: usize| Random(seed ^ ((number as u64) << 40) ^ (at / grain) as u64).below(100) < share;
            let grows = random.below(100) < growth;
            apply(&mut content, change, takes, grows);
        }
        content
    }
}

/// Applies those sectors of a change that `takes` accepts. The file gets its new length, or keeps the old one.
fn apply(content: &mut Vec<u8>, change: &DiskChange, takes: impl Fn(usize) -> bool, resized: bool) {
    if resized {
        content.resize(change.len, 0);
    }
    for (at, sector) in change.sectors.iter().filter(|(at, _)| takes(*at)) {
        if let Some(place) = content.get_mut(*at..*at + sector.len()) {
            place.copy_from_slice(sector);
        }
    }
}

impl PowerCut {
    /// Writes the folder, in place of what is there.
    pub fn write(&self, folder: &Path) {
        drop(fs::remove_dir_all(folder));
        fs::create_dir_all(folder).unwrap();
        for (name, content) in &self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name == "sled/db" {
                fs::create_dir_all(folder.join("sled/blobs")).unwrap();
            }
            fs::write(path, content).unwrap();
        }
    }
}

/// Random numbers that repeat with the same seed.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // The algorithm is splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
