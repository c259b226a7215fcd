//! No file of code has more than 400 lines. That no function has more than 70 lines is checked by clippy
//! (`too-many-lines-threshold` in `clippy.toml`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::sources::files_that;

/// The most lines of a file.
const MOST: usize = 400;

/// The folders whose files are looked at.
const FOLDERS: [&str; 4] = ["src", "tests", "benches", "examples"];

/// What the names of files of code end with.
const ENDINGS: [&str; 9] = ["rs", "py", "mjs", "js", "ts", "go", "java", "sh", "css"];

/// Files that may be longer, each with the reason.
const LONGER: [(&str, &str); 0] = [];

/// What is wrong, given each file with its number of lines and the files that may be longer.
fn mistakes(files: &[(String, usize)], longer: &[(&str, &str)]) -> Vec<String> {
    let may_be_longer = |name: &str| longer.iter().any(|(longer, _)| *longer == name);
    let too_long = files.iter().filter(|(name, lines)| *lines > MOST && !may_be_longer(name));
    let too_long = too_long.map(|(name, lines)| format!("{name} has {lines} lines: split it by subject"));
    let is_needed = |name: &str| files.iter().any(|(file, lines)| file == name && *lines > MOST);
    let unneeded = longer.iter().filter(|(name, _)| !is_needed(name));
    let unneeded = unneeded.map(|(name, _)| format!("{name} need not be in LONGER"));
    too_long.chain(unneeded).collect()
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_code = |path: &Path| path.extension().is_some_and(|end| ENDINGS.iter().any(|one| end == *one));
    let measured = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap().lines().count())
    };
    let files = FOLDERS.iter().flat_map(|folder| files_that(&root.join(folder), is_code));
    let files: Vec<_> = files.map(measured).collect();
    assert!(files.len() > 400, "{} files were found", files.len());
    let mistakes = mistakes(&files, &LONGER);
    assert!(mistakes.is_empty(), "more than {MOST} lines:\n{}", mistakes.join("\n"));
}

#[test]
fn the_check_itself_sees_a_long_file_and_an_exception_that_is_not_needed() {
    let files = [("a.rs", 400), ("b.rs", 401), ("c.rs", 900), ("d.rs", 12)];
    let files = files.map(|(name, lines)| (name.to_owned(), lines));
    let longer = [("c.rs", "a table"), ("d.rs", "a table"), ("gone.rs", "a table")];
    let found = mistakes(&files, &longer);
    let of = ["b.rs has 401 lines", "d.rs need not be", "gone.rs need not be"];
    assert_eq!(found.len(), of.len(), "{found:?}");
    for (mistake, of) in found.iter().zip(of) {
        assert!(mistake.starts_with(of), "{mistake}");
    }
}
