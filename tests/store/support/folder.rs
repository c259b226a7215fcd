//! Copies, damages and reads folders of stores.

use std::path::Path;

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens the tree of a closed store directly with sled.
pub fn raw(folder: &Path) -> sled::Db {
    try_raw(folder).unwrap()
}

/// Like [`raw`], but returns an error while somebody else has it open.
pub fn try_raw(folder: &Path) -> sled::Result<sled::Db> {
    sled::Config::new().path(folder.join("sled")).segment_size(1 << 20).open()
}

/// A row's value with its checksum, as the store writes it.
pub fn value(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(body);
    [sum.finalize().to_be_bytes().as_slice(), body].concat()
}
