//! Invalid client metadata: the configuration, the administration API and the command line report the same mistake, for
//! the same field and in the same words.

mod table;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use heirloom::config::{Config, Sources};
use serde_json::{Value, json};

use self::table::{ALL, Door, table};
use crate::admin::Office;

/// The configuration that is in force: like that of the usual server of these tests.
const CONFIGURATION: &str = "issuer = \"http://127.0.0.1:8080\"\n[grants]\npassword = true\n\
                             [audiences.demo-api]\nscopes = [\"read\", \"write\"]\n";

/// A client `tv` with `fields`, which is public unless they say otherwise.
fn client(fields: &Value) -> serde_json::Map<String, Value> {
    let mut client = json!({"id": "tv", "type": "public"}).as_object().unwrap().clone();
    client.extend(fields.as_object().unwrap().clone());
    client
}

/// A value of a field as the configuration and the command line have it: there, times have units.
fn with_units(field: &str, value: &Value) -> Value {
    let is_seconds = |text: &str| field == "retry_window" && text.parse::<u64>().is_ok();
    match value {
        Value::Number(seconds) => json!(format!("{seconds}s")),
        Value::String(text) if is_seconds(text) => json!(format!("{text}s")),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}

/// What the configuration says of a client: field and sentences, in the order of the fields.
fn by_configuration(configuration: &str, fields: &Value) -> Vec<(String, String)> {
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

async fn by_api(office: &Office, fields: &Value) -> Vec<(String, String)> {
    let answer = office.post("/admin/clients", Value::Object(client(fields))).await;
    assert!([400, 422].contains(&answer.status), "{fields}: {}", answer.text);
    let errors = answer.json["errors"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors.map(|error| (text(&error["field"]), text(&error["message"]))).collect()
}

fn by_command_line(folder: &Path, fields: &Value) -> Vec<(String, String)> {
    let flag = |field: &str| match field {
        "id" => "ID".to_owned(),
        "type" => "--public".to_owned(),
        "scopes" | "grants" | "roles" | "origins" => format!("--{}", field.trim_end_matches('s')),
        field => format!("--{}", field.replace('_', "-")),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    command.env_clear().args(["client", "add", "--config"]).arg(folder.join("heirloom.toml"));
    let client = client(fields);
    for (field, value) in &client {
        let flag = flag(field);
        match with_units(field, value) {
            Value::String(text) if field == "id" => command.arg(text),
            Value::String(text) if field == "type" => command.args((text == "public").then_some(flag)),
            Value::String(text) => command.args([flag, text]),
            Value::Array(items) => {
                command.args(items.iter().flat_map(|item| [flag.clone(), item.as_str().unwrap().to_owned()]))
            }
            Value::Bool(is_set) => command.args(is_set.then_some(flag)),
            value @ (Value::Null | Value::Number(_) | Value::Object(_)) => {
                panic!("no flag says {field} = {value}")
            }
        };
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // The exit status is 2 for a mistake that the command finds itself, and 1 for one that the server reports.
    assert!(matches!(output.status.code(), Some(1 | 2)), "{fields}: {said}");
    let said = said.trim_end().strip_prefix("heirloom: ").unwrap();
    let told = said.lines().map(|line| {
        let (by, sentence) = line.split_once(": ").unwrap();
        let field = heirloom::client::metadata::Field::ALL.into_iter().find(|field| flag(field.name()) == by);
        (field.unwrap_or_else(|| panic!("{line}")).name().to_owned(), sentence.to_owned())
    });
    told.collect()
}

#[tokio::test]
async fn the_same_mistake_is_told_in_the_same_words_by_every_door() {
    let office = Office::open().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("heirloom.toml"), CONFIGURATION).unwrap();
    for (fields, doors, mistakes) in table() {
        let mistakes: Vec<_> =
            mistakes.iter().map(|(field, told)| ((*field).to_owned(), (*told).to_owned())).collect();
        for door in ALL {
            let told = match door {
                Door::Configuration => by_configuration(CONFIGURATION, &fields),
                Door::Api if doors.contains(door) => by_api(&office, &fields).await,
                Door::CommandLine if doors.contains(door) => by_command_line(folder.path(), &fields),
                Door::Api | Door::CommandLine => continue,
            };
            // The configuration accepts what only a registered client may not have.
            let expected = if doors.contains(door) { mistakes.clone() } else { Vec::new() };
            assert_eq!(told, expected, "{door:?}: {fields}");
        }
    }
}

#[tokio::test]
async fn a_grant_that_is_off_is_refused_in_the_same_words_and_a_change_as_a_registration() {
    const OFF: &str = "The password grant is turned off on this server. To turn it on, set password = true in [grants] of \
                       the configuration; RFC 9700 §2.4 says why it is off.";
    let mut office = Office::open().await;
    let new = json!({"id": "tv", "type": "public"});
    assert_eq!(office.post("/admin/clients", new).await.status, 201);
    office.server = office.server.restart(|setup| setup.config.password_grant = false).await;
    let fields = json!({"grants": ["password"]});
    let expected = [("grants".to_owned(), OFF.to_owned())];
    assert_eq!(by_api(&office, &json!({"id": "radio", "grants": ["password"]})).await, expected);
    let changed = office.put("/admin/clients/tv", fields.clone()).await;
    assert_eq!(
        (changed.status, &changed.json["errors"][0]["message"]),
        (422, &json!(OFF)),
        "{}",
        changed.text
    );
    let folder = tempfile::tempdir().unwrap();
    let off = CONFIGURATION.replace("password = true", "password = false");
    std::fs::write(folder.path().join("heirloom.toml"), &off).unwrap();
    assert_eq!(by_command_line(folder.path(), &fields), expected);
    assert_eq!(by_configuration(&off, &fields), expected);
}
