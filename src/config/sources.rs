//! The sources of a configuration: a file, overridden by the environment, overridden by flags.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Place, Problems};
use super::section::suggest;
use super::tree::{self, Node, Table, Value};

/// The prefix of all environment variables that set something.
pub const PREFIX: &str = "HEIRLOOM__";

/// The settings that all set a client's secret. If a later source has one of them, it replaces all of them.
const SECRET: [&str; 3] = ["secret", "secret_file", "secrets"];

/// The sources of a configuration. No `Debug`, because environment variables may contain secrets.
#[derive(Clone, Default)]
pub struct Sources {
    /// The path of the TOML file.
    pub file: PathBuf,
    /// Environment variables. `HEIRLOOM__TOKENS__ACCESS_TOKEN` sets `access_token` in `[tokens]`. A client, an audience
    /// or a scope is named by its id or name, in which each run of characters other than letters and digits becomes one
    /// `_`: `HEIRLOOM__CLIENTS__WEB_APP__SECRET_FILE`. Commas separate the items of a list. Variables without the
    /// prefix [`PREFIX`] are ignored, except those that name a database, such as `PGHOST`.
    pub environment: Vec<(String, String)>,
    /// Flags of the command line, which override the environment.
    pub flags: Vec<Flag>,
    /// Permits client secrets of any length: for tests and `heirloom dev`. No file and no variable can set it.
    pub short_secrets: bool,
}

/// A command-line flag that sets one setting.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as it is typed, such as `--listen`.
    pub name: &'static str,
    /// The setting, such as `server.listen`.
    pub setting: &'static str,
    /// The value as it was typed.
    pub value: String,
}

impl Sources {
    /// A file and the environment of this process.
    #[must_use]
    pub fn of_process(file: PathBuf, flags: Vec<Flag>) -> Self {
        // A value that is not UTF-8 is converted with replacement characters, so that the setting's own validation
        // refuses it.
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX) || name.starts_with("PG"))
            .collect();
        Self { file, environment, flags, short_secrets: false }
    }

    /// The value of an environment variable that is not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

/// All sources merged into one tree.
pub(super) struct Merged {
    pub(super) table: Table,
    /// The file as a whole.
    pub(super) place: Place,
    /// The folder of the file.
    pub(super) folder: PathBuf,
    /// How many of the errors are syntax errors of the file.
    pub(super) syntax: usize,
}

/// Reads the file and applies the environment and the flags. `None` if the file can't be read.
pub(super) fn merge(sources: &Sources, problems: &Problems) -> Option<Merged> {
    let name: Arc<str> = sources.file.to_string_lossy().into();
    let place = Place::File(Arc::clone(&name));
    let folder = sources.file.parent().map(Path::to_path_buf).unwrap_or_default();
    let text = match std::fs::read_to_string(&sources.file) {
        Ok(text) => text,
        Err(error) => {
            let suggestion =
                "name a readable file with --config; examples/heirloom.toml is one to begin with";
            problems.note(&place, format!("can't be read: {error}"), suggestion);
            return None;
        }
    };
    let mut table = tree::parse(&name, &text, problems);
    let syntax = problems.count();
    for (variable, value) in &sources.environment {
        if let Some(path) = variable.strip_prefix(PREFIX) {
            let lower = path.to_ascii_lowercase();
            let path: Vec<&str> = lower.split("__").collect();
            let node = outside(value, Place::Environment(variable.clone()));
            lay_over(&mut table, &path, node, problems);
        }
    }
    for flag in &sources.flags {
        let path: Vec<&str> = flag.setting.split('.').collect();
        lay_over(&mut table, &path, outside(&flag.value, Place::Flag(flag.name)), problems);
    }
    Some(Merged { table, place, folder, syntax })
}

fn outside(value: &str, place: Place) -> Node {
    Node { value: Value::Text(value.to_owned()), place }
}

/// Sets one value, replacing the previous one.
fn lay_over(table: &mut Table, path: &[&str], node: Node, problems: &Problems) {
    let Some((last, above)) = path.split_last() else { return };
    let Some(target) = descend(table, above, &node.place, problems) else { return };
    if SECRET.contains(last) {
        let same_source =
            |there: &Place| std::mem::discriminant(there) == std::mem::discriminant(&node.place);
        target.retain(|key, there| !SECRET.contains(&key.as_str()) || same_source(&there.place));
    }
    target.insert((*last).to_owned(), node);
}

/// The table at `path`. A missing section is created; clients, audiences and scopes must be declared in the file.
fn descend<'t>(
    table: &'t mut Table,
    path: &[&str],
    place: &Place,
    problems: &Problems,
) -> Option<&'t mut Table> {
    let mut table = table;
    let mut path = path.iter();
    while let Some(step) = path.next() {
        if matches!(*step, "clients" | "audiences" | "scopes") {
            table = declared(table, step, path.next().copied().unwrap_or_default(), place, problems)?;
            continue;
        }
        let empty = || Node { value: Value::Table(Table::new()), place: place.clone() };
        let below = table.entry((*step).to_owned()).or_insert_with(empty);
        let kind = below.value.kind();
        let Value::Table(section) = &mut below.value else {
            let suggestion = "see examples/heirloom.toml for the settings and their sections";
            problems.note(place, format!("`{}` is {kind}, not a section", step.escape_debug()), suggestion);
            return None;
        };
        table = section;
    }
    Some(table)
}

/// The one client, audience or scope in the file whose name is `name`, apart from its punctuation.
fn declared<'t>(
    table: &'t mut Table,
    kind: &str,
    name: &str,
    place: &Place,
    problems: &Problems,
) -> Option<&'t mut Table> {
    let mut sections: Vec<(String, &mut Table)> = match table.get_mut(kind).map(|node| &mut node.value) {
        Some(Value::Table(sections)) => {
            let section = |(name, node): (&String, &'t mut Node)| Some((name.clone(), as_table(node)?));
            sections.iter_mut().filter_map(section).collect()
        }
        Some(Value::List(clients)) => {
            let client = |node: &'t mut Node| Some((client_id(node)?, as_table(node)?));
            clients.iter_mut().filter_map(client).collect()
        }
        Some(Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::Other(_)) | None => Vec::new(),
    };
    let plain: Vec<String> = sections.iter().map(|(name, _)| as_variable(name)).collect();
    let found: Vec<usize> =
        (0..).zip(&plain).filter(|(_, plain)| *plain == name).map(|(index, _)| index).collect();
    match found.as_slice() {
        [one] => Some(sections.swap_remove(*one).1),
        [] => {
            let message = format!("the file declares none of the {kind} as `{}`", name.escape_debug());
            problems.note(place, message, suggest(name, plain.iter().map(String::as_str)));
            None
        }
        _ => {
            let message = format!("the file declares two of the {kind} that `{name}` can mean");
            problems.note(place, message, "set it in the file instead");
            None
        }
    }
}

fn as_table(node: &mut Node) -> Option<&mut Table> {
    if let Value::Table(table) = &mut node.value { Some(table) } else { None }
}

fn client_id(client: &Node) -> Option<String> {
    let Value::Table(table) = &client.value else { return None };
    let Value::Text(id) = &table.get("id")?.value else { return None };
    Some(id.clone())
}

/// A name in the form that variables use: each run of characters other than letters and digits becomes one `_`.
fn as_variable(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_punctuation_in_variables() {
        assert_eq!(as_variable("https://api.example.com"), "https_api_example_com");
        assert_eq!(as_variable("my-web_app"), "my_web_app");
    }
}
