//! heirloom on a volume of 64 MiB that another program fills.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Dev, heirloom, text};

/// A file system of 64 MiB in memory; unmounted when dropped.
struct Volume(PathBuf);

impl Volume {
    /// `None` where mounting is not allowed.
    fn mount(folder: &Path) -> Option<Self> {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs", text(folder)]).output();
        mount.is_ok_and(|done| done.status.success()).then(|| Self(folder.to_owned()))
    }

    /// Writes into a file until the volume is full.
    fn fill(&self) -> io::Error {
        let mut file = File::create(self.0.join("somebody else's")).unwrap();
        let piece = vec![1; 65_536];
        let error = (0..1024).find_map(|_| file.write_all(&piece).err());
        error.unwrap()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").args(["--lazy", text(&self.0)]).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_small_volume_does_and_a_full_one_says_when_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(folder.path()) else {
        eprintln!("NOT RUN: nothing can be mounted here");
        return;
    };
    let log = tempfile::tempdir().unwrap();
    let dev = ["dev", "--json", "--port", "0", "--data", text(folder.path())];
    let dev = Dev::with(heirloom(&dev), log.path());
    assert_eq!(dev.caller.sign_in(dev.public(), dev.user()).await.status, 200);
    let ready = dev.caller.get("/health/ready").await;
    assert_eq!((ready.status, ready.json["status"].as_str()), (200, Some("ok")), "{}", ready.text);

    assert_eq!(volume.fill().kind(), io::ErrorKind::StorageFull);
    let refused = dev.caller.sign_in(dev.public(), dev.user()).await;
    assert_eq!((refused.outcome(), refused.header("retry-after")), ((503, "temporarily_unavailable"), "60"));
    let ready = dev.caller.get("/health/ready").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert_eq!(ready.json["disk"]["floor_bytes"], 4 << 20, "{}", ready.text);
    assert!(ready.json["disk"]["nearly_full_seconds"].is_number(), "{}", ready.text);

    std::fs::remove_file(volume.0.join("somebody else's")).unwrap();
    let again = dev.caller.sign_in(dev.public(), dev.user()).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert!(dev.process.log().contains("nearly full"), "{}", dev.process.log());
    drop(dev);
}
