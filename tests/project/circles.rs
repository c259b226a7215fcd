//! No two files of `src` use each other, directly or through others, and no two of the load benchmark. So each file can
//! be understood by reading those that it uses.
//!
//! A file's uses are read from its `use` lines. A name that a `mod.rs` only re-exports (`pub use`) counts as a use of
//! the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::sources::{code, sources};

/// The path of a module or an item in the crate, without `crate`.
type Name = Vec<String>;

/// The `use` lines of all files.
#[derive(Default)]
struct Uses {
    /// What each file uses.
    uses: BTreeMap<Name, Vec<Name>>,
    /// What each file re-exports, and under which name.
    passed_on: BTreeMap<Name, BTreeMap<String, Name>>,
}

impl Uses {
    /// Of the files below a folder, which is a crate.
    fn read(folder: &str) -> Self {
        let mut all = Self::default();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files: Vec<_> = sources(folder).into_iter().map(|(_, path)| path).collect();
        for path in &files {
            let module = module(path.strip_prefix(&root).unwrap());
            all.uses.insert(module, Vec::new());
        }
        for path in files {
            all.add(&module(path.strip_prefix(&root).unwrap()), &code(&fs::read_to_string(&path).unwrap()));
        }
        all
    }

    /// Adds the `use` lines of a file.
    fn add(&mut self, module: &Name, code: &str) {
        for (is_public, tree) in use_lines(code) {
            for (name, alias) in names(&tree) {
                let Some(name) = self.absolute(module, &name) else { continue };
                if is_public {
                    let alias = alias.or_else(|| name.last().cloned()).unwrap_or_default();
                    self.passed_on.entry(module.clone()).or_default().insert(alias, name);
                } else {
                    self.uses.entry(module.clone()).or_default().push(name);
                }
            }
        }
    }

    /// The full path of a name in the crate; `None` for a name of another crate.
    fn absolute(&self, module: &[String], name: &[String]) -> Option<Name> {
        let up = name.iter().take_while(|part| *part == "super").count();
        let (first, rest) = name.split_first()?;
        let name = match first.as_str() {
            "crate" => rest.to_vec(),
            "super" => [module.get(..module.len().checked_sub(up)?)?, name.get(up..)?].concat(),
            "self" => [module, rest].concat(),
            _ => {
                let below = [module, std::slice::from_ref(first)].concat();
                self.uses.contains_key(&below).then(|| [module, name].concat())?
            }
        };
        Some(name)
    }

    /// The file that defines a name.
    fn file(&self, name: &[String]) -> Option<Name> {
        let mut name = name.to_vec();
        // A name is re-exported fewer times than this.
        'passed_on: for _ in 0..9 {
            for len in (1..=name.len()).rev() {
                let (module, rest) = name.split_at(len);
                if !self.uses.contains_key(module) {
                    continue;
                }
                let made = rest.first().and_then(|item| self.passed_on.get(module)?.get(item));
                match made {
                    Some(made) => name = [made, rest.get(1..)?].concat(),
                    None => return Some(module.to_vec()),
                }
                continue 'passed_on;
            }
            return None;
        }
        None
    }

    /// For each file, the files that it uses.
    fn edges(&self) -> BTreeMap<Name, BTreeSet<Name>> {
        let edges = self.uses.iter().map(|(module, used)| {
            let files = used.iter().filter_map(|name| self.file(name)).filter(|file| file != module);
            (module.clone(), files.collect())
        });
        edges.collect()
    }
}

/// The module of a file.
fn module(path: &Path) -> Name {
    let mut name: Name =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if name.last().is_some_and(|last| last == "mod") {
        name.pop();
    }
    name
}

/// Each `use`: whether it re-exports, and the text between `use` and the semicolon.
fn use_lines(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        let is_public = line.starts_with("pub");
        let rest = if is_public {
            line.split_once(" use ").map(|(_, rest)| rest)
        } else {
            line.strip_prefix("use ")
        };
        // `pub fn a() { … use …` does not count: a `use` must begin its line.
        let is_use = |rest: &&str| !is_public || line.trim_end_matches(*rest).split(' ').count() <= 4;
        let Some(rest) = rest.filter(is_use) else { continue };
        let mut tree = rest.to_owned();
        while !tree.contains(';') {
            let Some(next) = lines.next() else { break };
            tree.push_str(next);
        }
        found.push((is_public, tree.split(';').next().unwrap_or_default().to_owned()));
    }
    found
}

/// The names in a tree such as `a::{b, c::{self, D as E}}`, each with the name that it gets.
fn names(tree: &str) -> Vec<(Name, Option<String>)> {
    let mut names = Vec::new();
    expand(&[], tree, &mut names);
    names
}

fn expand(prefix: &[String], tree: &str, names: &mut Vec<(Name, Option<String>)>) {
    let mut depth = 0_i32;
    let items = tree.split(|letter: char| {
        match letter {
            '{' => depth = depth.saturating_add(1),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    for item in items.map(str::trim).filter(|item| !item.is_empty()) {
        let parts = |text: &str| -> Name {
            text.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        if let Some((path, rest)) = item.split_once('{') {
            let prefix = [prefix, &parts(path)].concat();
            expand(&prefix, rest.trim_end().trim_end_matches('}'), names);
            continue;
        }
        let (path, alias) = match item.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (item, None),
        };
        let mut name = [prefix, &parts(path)].concat();
        if name.len() > 1 && name.last().is_some_and(|last| last == "self") {
            name.pop();
        }
        names.push((name, alias));
    }
}

/// Groups of files that can be reached from each other.
fn circles(edges: &BTreeMap<Name, BTreeSet<Name>>) -> Vec<Vec<String>> {
    let reached = |from: &Name| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(next) = open.pop() {
            for file in edges.get(next).into_iter().flatten() {
                if reached.insert(file) {
                    open.push(file);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<_, _> = edges.keys().map(|file| (file, reached(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let circle =
                others.iter().filter(|other| reached.get(**other).is_some_and(|back| back.contains(file)));
            circles.insert(circle.map(|name| name.join("::")).collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    for (folder, fewest_files, fewest_uses) in [("src", 100, 300), ("benches/load", 15, 50)] {
        let edges = Uses::read(folder).edges();
        let (files, uses) = (edges.len(), edges.values().map(BTreeSet::len).sum::<usize>());
        assert!(files > fewest_files && uses > fewest_uses, "{folder}: {files} files, {uses} uses");
        let circles = circles(&edges);
        assert!(circles.is_empty(), "each can be reached from the others by `use` lines: {circles:#?}");
    }
}

#[test]
fn the_check_itself_finds_a_circle_through_names_that_are_passed_on() {
    let module = |name: &str| name.split("::").map(str::to_owned).collect::<Name>();
    let mut all = Uses::default();
    for name in ["a", "a::b", "a::c", "d"] {
        all.uses.insert(module(name), Vec::new());
    }
    all.add(&module("a"), "mod b;\npub(super) use b::{B, Other as C};\nuse std::fs;");
    all.add(&module("a::b"), "use super::c::{\n    X,\n    self,\n};\nuse crate::d;");
    all.add(&module("a::c"), "use crate::a::C;");
    all.add(&module("d"), "use std::a::b;");
    assert_eq!(circles(&all.edges()), [["a::b", "a::c"]]);
    assert_eq!(all.edges()[&module("a")].len(), 0, "what a folder passes on it does not use");
}
