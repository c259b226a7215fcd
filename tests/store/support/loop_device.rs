//! A file system on a loop device. Its image file has what would be on a disk, without what is only in the system's
//! cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A mounted image; unmounted when dropped.
pub struct Mounted {
    image: PathBuf,
    pub folder: PathBuf,
}

impl Mounted {
    /// Makes a file system in a new image and mounts it. The error says why that is not possible here.
    pub fn make(temp: &Path) -> Result<Self, String> {
        let image = temp.join("image");
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(256 << 20).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &[&"-q", &"-F", &image])?;
        Self::of(&image, &temp.join("mounted"))
    }

    /// Mounts an image.
    fn of(image: &Path, folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        run("mount", &[&"-o", &"loop", &image, &folder])?;
        Ok(Self { image: image.to_owned(), folder: folder.to_owned() })
    }

    /// Copies what is on the disk now, and mounts the copy as after a power cut.
    pub fn cut(&self, temp: &Path) -> Self {
        let image = temp.join("cut image");
        run("cp", &[&"--sparse=always", &self.image, &image]).unwrap();
        Self::of(&image, &temp.join("cut")).unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A thread of sled may still have its file open for a moment.
        for _ in 0..500 {
            if run("umount", &[&self.folder]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(run("umount", &[&"-l", &self.folder]));
    }
}

fn run(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Result<(), String> {
    let mut command = Command::new(program);
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    let said = || format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    if output.status.success() { Ok(()) } else { Err(said()) }
}
