//! Invalid client metadata in the configuration: no server is needed to report them.

use std::fmt::Write as _;

use heirloom::config::{Config, Sources};
use serde_json::{Value, json};

use super::table::{Door, table};

/// The configuration that is in force: like that of the usual server of these tests.
pub(super) const CONFIGURATION: &str = "issuer = \"http://127.0.0.1:8080\"\n[grants]\npassword = true\n\
                             [audiences.demo-api]\nscopes = [\"read\", \"write\"]\n";

/// A client `tv` with `fields`, which is public unless they say otherwise.
pub(super) fn client(fields: &Value) -> serde_json::Map<String, Value> {
    let mut client = json!({"id": "tv", "type": "public"}).as_object().unwrap().clone();
    client.extend(fields.as_object().unwrap().clone());
    client
}

/// A value of a field as the configuration and the command line have it: there, times have units.
pub(super) fn with_units(field: &str, value: &Value) -> Value {
    let is_seconds = |text: &str| field == "retry_window" && text.parse::<u64>().is_ok();
    match value {
        Value::Number(seconds) => json!(format!("{seconds}s")),
        Value::String(text) if is_seconds(text) => json!(format!("{text}s")),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}

/// What the configuration says of a client: field and sentences, in the order of the fields.
pub(super) fn by_configuration(configuration: &str, fields: &Value) -> Vec<(String, String)> {
    let mut text = format!("{configuration}[[clients]]\n");
    let client = client(fields);
    for (field, value) in &client {
        // JSON's texts, lists and booleans are TOML's too.
        writeln!(text, "{field} = {}", with_units(field, value)).unwrap();
    }
    if client["type"] == "confidential" {
        text.push_str("secret = \"0123456789abcdef0123456789abcdef\"\n");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heirloom.toml");
    std::fs::write(&file, &text).unwrap();
    let Err(errors) = Config::load(&Sources { file, ..Sources::default() }) else { return Vec::new() };
    let told = errors.problems().iter().map(|problem| {
        let (field, sentence) = problem.message.split_once(": ").unwrap();
        let sentence = format!("{sentence} {}", problem.suggestion).trim_end().to_owned();
        let field = field.trim_matches('`');
        assert_eq!(problem.place.to_string().rsplit(':').next(), Some(&*line_of(&text, field).to_string()));
        (field.to_owned(), sentence)
    });
    let mut told: Vec<_> = told.collect();
    // The configuration tells mistakes in the order of its lines.
    let order =
        |field: &str| heirloom::client::metadata::Field::ALL.iter().position(|one| one.name() == field);
    told.sort_by_key(|(field, _)| order(field));
    told
}

/// The line of a client's field: where it stands, or, if it has no item to point at, where the client begins.
fn line_of(text: &str, field: &str) -> usize {
    let begins = text.lines().position(|line| line == "[[clients]]").unwrap();
    let of_field =
        |line: &str| line.strip_prefix(field).is_some_and(|rest| rest.starts_with(" = ") && rest != " = []");
    let found = text.lines().skip(begins).position(of_field).unwrap_or(0);
    begins + found + 1
}

#[test]
fn the_configuration_tells_each_mistake_of_the_table_and_no_other() {
    for (fields, doors, mistakes) in table() {
        // The configuration accepts what only a registered client may not have.
        let mistakes = if doors.contains(&Door::Configuration) { mistakes } else { &[] };
        let told = by_configuration(CONFIGURATION, &fields);
        let told: Vec<_> = told.iter().map(|(field, told)| (&**field, &**told)).collect();
        assert_eq!(told, mistakes, "{fields}");
    }
}
