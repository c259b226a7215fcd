//! The table of threats in `docs/security.md` names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// The heading above the tables.
const SECTION: &str = "\n## Threats, answers, tests\n";

/// The rows of the tables, each split into its three columns.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let (_, section) = page.split_once(SECTION).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && *line != "| Threat | What heirloom does | Test |");
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The files and names of the tests in a column.
fn named(column: &str) -> Vec<(&str, &str)> {
    column.split(", ").filter_map(|name| name.trim_matches('`').split_once("::")).collect()
}

/// All Rust files in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    folders
        .iter()
        .filter(|folder| !folder.ends_with("node_modules"))
        .flat_map(|folder| self::files(folder))
        .chain(files)
        .collect()
}

/// Whether a text contains a test of that name.
fn has_test(text: &str, name: &str) -> bool {
    let mut attributes = "";
    for line in text.lines().map(str::trim_start) {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if function.is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('('))) {
            return attributes.starts_with("#[test]") || attributes.starts_with("#[tokio::test");
        }
        // `#[ignore]` and other attributes may stand between a test's own attribute and its function.
        if !line.starts_with("#[") || line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            attributes = line;
        }
    }
    false
}

#[test]
fn every_threat_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let files = [files(&root.join("tests")), files(&root.join("src"))].concat();
    let rows = rows(&page);
    assert!(rows.len() > 60, "{} rows were found", rows.len());
    for row in rows {
        let [threat, _, tests] = row[..] else { panic!("not three columns: {row:?}") };
        let tests_of_row = named(tests);
        assert_eq!(tests_of_row.len(), tests.split(", ").count(), "{threat}: write `file::test`: {tests}");
        for (file, name) in tests_of_row {
            let mut candidates = files.iter().filter(|path| path.ends_with(file)).peekable();
            assert!(candidates.peek().is_some(), "{threat}: there is no {file} under tests/ or src/");
            let found = candidates.any(|path| has_test(&fs::read_to_string(path).unwrap(), name));
            assert!(found, "{threat}: {file} has no test {name}");
        }
    }
}

#[test]
fn the_check_itself_sees_what_is_no_test() {
    let text = "#[test]\nfn one() {}\nfn two() {}\n    #[tokio::test]\n    #[ignore = \"slow\"]\n    async fn three() {}\n";
    for (name, is_test) in [("one", true), ("two", false), ("three", true), ("thre", false), ("four", false)]
    {
        assert_eq!(has_test(text, name), is_test, "{name}");
    }
    let page = format!(
        "x{SECTION}\n| Threat | What heirloom does | Test |\n|---|---|---|\n| a | b | `c.rs::d`, `e.rs::f` |\n## Next\n| no |"
    );
    let rows = rows(&page);
    assert_eq!(rows, [["a", "b", "`c.rs::d`, `e.rs::f`"]]);
    assert_eq!(named(rows[0][2]), [("c.rs", "d"), ("e.rs", "f")]);
}
