//! Invalid client metadata: the configuration, the administration API and the command line report the same mistake, for
//! the same field and in the same words.

mod configuration;
mod table;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use self::configuration::{CONFIGURATION, by_configuration, client, with_units};
use self::table::{Door, table};
use crate::admin::Office;

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
        "scopes"
        | "grants"
        | "roles"
        | "origins"
        | "redirect_uris"
        | "post_logout_redirect_uris"
        | "response_types" => format!("--{}", field.trim_end_matches('s').replace('_', "-")),
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
        for door in doors {
            let told = match door {
                // `configuration::the_configuration_tells_each_mistake_of_the_table_and_no_other`.
                Door::Configuration => continue,
                Door::Api => by_api(&office, &fields).await,
                Door::CommandLine => by_command_line(folder.path(), &fields),
            };
            assert_eq!(told, mistakes, "{door:?}: {fields}");
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
