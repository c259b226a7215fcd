//! Reads the settings of one section, and reports wrong and unknown ones.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::problem::{Place, Problems};
use super::tree::{Node, Table, Value};
use crate::clock::{duration_text, parse_duration};
use crate::oauth::word_list::{listed, nearest};

/// A value and the place where it was written.
#[derive(Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One section. Every setting that is read counts as known; [`Section::finish`] reports all others.
pub(super) struct Section<'a> {
    /// Its name as in the brackets; empty for the top of the file.
    name: String,
    /// Where it begins.
    pub(super) place: Place,
    table: Table,
    known: Vec<&'static str>,
    pub(super) problems: &'a Problems,
    /// The folder that paths in the file are relative to.
    folder: &'a Path,
}

impl<'a> Section<'a> {
    /// The top of the configuration.
    pub(super) const fn root(table: Table, place: Place, problems: &'a Problems, folder: &'a Path) -> Self {
        Self { name: String::new(), place, table, known: Vec::new(), problems, folder }
    }

    /// The subsection `key`; an empty one if it is missing.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        let place = self.place.clone();
        let name = self.below(key);
        match self.take(key) {
            None => self.child(name, place, Table::new()),
            Some(Node { value: Value::Table(table), place }) => self.child(name, place, table),
            Some(node) => {
                let suggestion = format!("write a section [{name}]");
                self.wrong(&node, key, "a section", &suggestion);
                self.child(name, place, Table::new())
            }
        }
    }

    /// Whether the setting or subsection `key` exists. It then counts as known.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.known.push(key);
        self.table.contains_key(key)
    }

    /// The subsections of `key`, whose names the operator chose.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(At<String>, Self)> {
        let parent = self.section(key);
        let mut sections = Vec::new();
        for (name, node) in parent.table {
            let path = format!("{}.{name}", parent.name);
            if let Value::Table(table) = node.value {
                let section = self.child(path, node.place.clone(), table);
                sections.push((At { value: name, place: node.place }, section));
            } else {
                let message = format!("`{path}` is {}", node.value.kind());
                self.problems.note(&node.place, message, format!("write a section [{path}]"));
            }
        }
        sections
    }

    /// The sections of a list written as `[[key]]`.
    pub(super) fn listed(&mut self, key: &'static str) -> Vec<Self> {
        let suggestion = format!("write one section [[{key}]] for each");
        let Some(node) = self.take(key) else { return Vec::new() };
        let Value::List(items) = node.value else {
            self.wrong(&node, key, "a list of sections", &suggestion);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            if let Value::Table(table) = item.value {
                sections.push(self.child(format!("[{key}]"), item.place, table));
            } else {
                self.wrong(&item, key, "a list of sections", &suggestion);
            }
        }
        sections
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        let node = self.take(key)?;
        self.text_of(&node, key)
    }

    /// Reads a text and parses it; `suggestion` describes a valid one.
    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
        suggestion: &str,
    ) -> Option<At<T>> {
        let text = self.text(key)?;
        let parsed = text.value.parse();
        let note = |error: T::Err| self.problems.note(&text.place, format!("`{key}`: {error}"), suggestion);
        Some(At { value: parsed.map_err(note).ok()?, place: text.place })
    }

    /// Reads a text that must be in a closed list.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<At<T>> {
        let text = self.text(key)?;
        self.choice_of(text, key, choices)
    }

    /// Reads a list of texts that must be in a closed list.
    pub(super) fn choices<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Vec<T> {
        let texts = self.texts(key).unwrap_or_default();
        texts.into_iter().filter_map(|text| Some(self.choice_of(text, key, choices)?.value)).collect()
    }

    /// As [`choice`](Self::choice), of a text that was read already.
    pub(super) fn choice_of<T: Copy>(
        &self,
        text: At<String>,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<At<T>> {
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text.value) {
            return Some(At { value: *choice, place: text.place });
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let message = format!("`{key}` can't be \"{}\"", text.value.escape_debug());
        self.problems.note(&text.place, message, format!("write {}", names.join(" or ")));
        None
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<At<bool>> {
        let node = self.take(key)?;
        let value = match &node.value {
            Value::Boolean(value) => Some(*value),
            Value::Text(text) if !node.place.is_in_file() => text.parse().ok(),
            Value::Text(_) | Value::Integer(_) | Value::List(_) | Value::Table(_) | Value::Other(_) => None,
        };
        if value.is_none() {
            self.wrong(&node, key, "true or false", "write true or false, without quotes");
        }
        Some(At { value: value?, place: node.place })
    }

    /// A whole number within `bounds`.
    pub(super) fn number(&mut self, key: &'static str, bounds: RangeInclusive<u32>) -> Option<At<u32>> {
        let node = self.take(key)?;
        let value = match &node.value {
            Value::Integer(value) => value.and_then(|value| u32::try_from(value).ok()),
            Value::Text(text) if !node.place.is_in_file() => text.parse().ok(),
            Value::Text(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::Other(_) => None,
        };
        let Some(value) = value.filter(|value| bounds.contains(value)) else {
            let (least, most) = bounds.into_inner();
            let suggestion = format!("write a whole number from {least} to {most}, without quotes");
            self.problems.note(&node.place, format!("`{key}` is no number that it can be"), suggestion);
            return None;
        };
        Some(At { value, place: node.place })
    }

    /// A duration within `bounds`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        bounds: &RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        let node = self.take(key)?;
        let text = self.text_of(&node, key)?;
        self.duration_of(&text, key, bounds)
    }

    /// Parses a duration within `bounds` from a text that was read already.
    pub(super) fn duration_of(
        &self,
        text: &At<String>,
        key: &str,
        bounds: &RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        let Some(value) = parse_duration(&text.value) else {
            let message = format!("`{key}`: \"{}\" is no duration", text.value.escape_debug());
            self.problems.note(&text.place, message, "write for example \"30s\", \"10m\", \"2h\" or \"14d\"");
            return None;
        };
        if bounds.contains(&value) {
            return Some(At { value, place: text.place.clone() });
        }
        let (least, most) = (duration_text(*bounds.start()), duration_text(*bounds.end()));
        let message = format!("`{key}` can't be {}", duration_text(value));
        self.problems.note(&text.place, message, format!("write a duration from \"{least}\" to \"{most}\""));
        None
    }

    /// Reads a list of texts. A single text counts as a list of one; outside the file, commas separate the items.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let node = self.take(key)?;
        let place = node.place.clone();
        match node.value {
            Value::List(items) => Some(items.iter().filter_map(|item| self.text_of(item, key)).collect()),
            Value::Text(text) if !place.is_in_file() => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                Some(words.map(|word| At { value: word.to_owned(), place: place.clone() }).collect())
            }
            Value::Text(text) => Some(vec![At { value: text, place }]),
            Value::Integer(_) | Value::Boolean(_) | Value::Table(_) | Value::Other(_) => {
                self.wrong(&node, key, "a list of texts", &format!("write {key} = [\"…\", \"…\"]"));
                None
            }
        }
    }

    /// Reads a path. In the file it is relative to the file's folder, elsewhere to the working directory.
    pub(super) fn path(&mut self, key: &'static str) -> Option<At<PathBuf>> {
        let At { value, place } = self.text(key)?;
        if value.is_empty() {
            self.problems.note(&place, format!("`{key}` is empty"), "write a path");
            return None;
        }
        let value = self.path_of(&At { value, place: place.clone() });
        Some(At { value, place })
    }

    /// As [`path`](Self::path), of a text that was read already.
    pub(super) fn path_of(&self, text: &At<String>) -> PathBuf {
        if text.place.is_in_file() { self.folder.join(&text.value) } else { (&text.value).into() }
    }

    /// The default folder for a setting that is left out: `name` beside the file.
    pub(super) fn beside_the_file(&self, name: &str) -> At<PathBuf> {
        At { value: self.folder.join(name), place: self.place.clone() }
    }

    /// Reads the path of a file that must be readable.
    pub(super) fn file(&mut self, key: &'static str) -> Option<At<PathBuf>> {
        let path = self.path(key)?;
        match std::fs::File::open(&path.value) {
            Ok(_) => Some(path),
            Err(error) => {
                let message = format!("`{key}`: {} can't be read: {error}", path.value.display());
                self.problems.note(&path.place, message, "paths in the file are relative to its folder");
                None
            }
        }
    }

    /// Reads a secret: the value of `key`, or the contents of the file that `in_file` (`key` with `_file`) names.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        in_file: &'static str,
    ) -> Option<At<Zeroizing<String>>> {
        let direct = self.text(key).map(|At { value, place }| {
            self.problems.note_secret(&place);
            At { value: Zeroizing::new(value), place }
        });
        let Some(path) = self.path(in_file) else { return direct };
        if direct.is_some() {
            let message = format!("`{key}` and `{in_file}` are both set");
            self.problems.note(&path.place, message, "leave one of them out");
            return None;
        }
        match std::fs::read_to_string(&path.value) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                self.look_at_mode(in_file, &path);
                let bare = text.trim_end_matches(['\r', '\n']);
                Some(At { value: Zeroizing::new(bare.to_owned()), place: path.place })
            }
            Err(error) => {
                let message = format!("`{in_file}`: {} can't be read: {error}", path.value.display());
                self.problems.note(&path.place, message, "name a file that holds nothing but the secret");
                None
            }
        }
    }

    /// Checks who else may read or write a file with a secret. A file that everybody may write is an error. A readable
    /// one is a warning only, because in containers secrets are often readable for a group or for everybody there.
    fn look_at_mode(&self, key: &str, file: &At<PathBuf>) {
        let Some(mode) = mode_of(&file.value) else { return };
        let path = file.value.display();
        if mode & 0o002 != 0 {
            let message = format!("`{key}`: {path} may be written by everybody (mode {mode:03o})");
            self.problems.note(&file.place, message, "run chmod 600, and replace the secret");
        } else if let Some(who) = readers(mode) {
            self.problems.warn(format!("{path} holds a secret, and {who} may read it (mode {mode:03o})"));
        }
    }

    /// Reports every setting that was not read.
    pub(super) fn finish(self) {
        let whole =
            if self.name.is_empty() { "the top of the file".to_owned() } else { format!("[{}]", self.name) };
        for (key, node) in &self.table {
            let message = format!("unknown key `{}` in {whole}", key.escape_debug());
            self.problems.note(&node.place, message, suggest(key, self.known.iter().copied()));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn below(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    const fn child(&self, name: String, place: Place, table: Table) -> Self {
        Self { name, place, table, known: Vec::new(), problems: self.problems, folder: self.folder }
    }

    fn text_of(&self, node: &Node, key: &str) -> Option<At<String>> {
        if let Value::Text(text) = &node.value {
            return Some(At { value: text.clone(), place: node.place.clone() });
        }
        self.wrong(node, key, "a text", &format!("write {key} = \"…\", in quotes"));
        None
    }

    fn wrong(&self, node: &Node, key: &str, wanted: &str, suggestion: &str) {
        let message = format!("`{key}` is {}, not {wanted}", node.value.kind());
        self.problems.note(&node.place, message, suggestion);
    }
}

/// A suggestion for an unknown word: the nearest of `known`, or all of them.
pub(super) fn suggest<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    listed(known).map_or_else(|| "there is none to choose from".to_owned(), |all| format!("there are: {all}"))
}

/// The permission bits of a file; `None` if they can't be read.
pub(super) fn mode_of(path: &Path) -> Option<u32> {
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

/// Who besides its owner may read or write a file with these permission bits.
pub(super) const fn readers(mode: u32) -> Option<&'static str> {
    match (mode & 0o006, mode & 0o060) {
        (0, 0) => None,
        (0, _) => Some("its group"),
        (_, _) => Some("everybody on this machine"),
    }
}

/// Sets what was read, if it was.
pub(super) fn set(setting: &mut u32, read: Option<At<u32>>) {
    if let Some(at) = read {
        *setting = at.value;
    }
}

/// From so many seconds to so many.
pub(super) const fn seconds(least: u64, most: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(least)..=Duration::from_secs(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_finds_what_it_means_and_nonsense_lists_the_choices() {
        let known = ["access_token", "refresh_idle"];
        assert_eq!(suggest("acess_tokn", known.into_iter()), "did you mean `access_token`?");
        assert_eq!(suggest("foo", known.into_iter()), "there are: access_token, refresh_idle");
    }
}
