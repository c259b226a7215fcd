//! Finds the source files.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below a folder, with its module; without `lib.rs`, `main.rs` and files of tests.
pub(crate) fn sources(folder: &str) -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let is_meant = |path: &PathBuf| !["lib.rs", "main.rs"].contains(&&*name(path)) && !is_tests(&name(path));
    let files = all_files(&root).into_iter().filter(is_meant).map(|path| {
        let first = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap();
        (first.trim_end_matches(".rs").to_owned(), path)
    });
    files.collect()
}

/// Every Rust file below a folder.
pub(crate) fn all_files(root: &Path) -> Vec<PathBuf> {
    files_that(root, |path| path.extension().is_some_and(|end| end == "rs"))
}

/// Every file below a folder for which `is_meant` is true.
pub(crate) fn files_that(root: &Path, is_meant: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    // What npm, cargo and the generators write there is not part of the project.
    const OTHERS: [&str; 3] = ["node_modules", "target", "generated"];
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_ours = path.file_name().is_some_and(|name| OTHERS.iter().all(|other| name != *other));
            if path.is_dir() && is_ours {
                folders.push(path);
            } else if path.is_file() && is_meant(&path) {
                files.push(path);
            }
        }
    }
    files
}

/// A file's code without comments and tests; tests may use anything.
pub(crate) fn code(text: &str) -> String {
    let begins_tests = |at: usize| {
        let mut after = text[at..].lines().skip(1).skip_while(|line| line.starts_with("#["));
        after.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| begins_tests(*at));
    let lines = text[..end.unwrap_or(text.len())].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a file contains only tests.
fn is_tests(name: &str) -> bool {
    name == "tests.rs" || name.ends_with("_tests.rs")
}
