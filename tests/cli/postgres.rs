//! An installation whose store is in PostgreSQL.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::command_line::configured;
use crate::postgres_server;
use crate::support::{err, heirloom, out, path, run};

/// A configuration whose store is on the tests' server, or at `url`.
fn with_store(url: Option<&str>) -> (tempfile::TempDir, std::path::PathBuf) {
    let settings = postgres_server::settings();
    let url = url.map_or_else(
        || {
            let host = match &settings.server.get_hosts()[0] {
                tokio_postgres::config::Host::Unix(folder) => path(folder).replace('/', "%2F"),
                tokio_postgres::config::Host::Tcp(name) => name.clone(),
            };
            format!("postgresql://heirloom@{host}/postgres")
        },
        ToOwned::to_owned,
    );
    let store = format!("kind = \"postgres\"\nurl = \"{url}\"\nschema = \"{}\"", settings.schema);
    configured(&format!("issuer = \"https://id.example.com\"\n[store]\n{store}"))
}

#[test]
fn users_are_kept_in_a_database_that_the_first_command_prepares() {
    let (folder, file) = with_store(None);
    let check = || run(&["serve", "--check", "--config", path(&file)]);
    assert_eq!(check().status.code(), Some(0), "{}", err(&check()));
    let list = run(&["user", "list", "--config", path(&file)]);
    assert!(err(&list).contains("there is no store in schema test"), "{}", err(&list));

    let mut add = heirloom(&["user", "add", "ada", "--config", path(&file)]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(add.stdin.take().unwrap(), "a long enough phrase").unwrap();
    let added = add.wait_with_output().unwrap();
    assert_eq!(added.status.code(), Some(0), "{}", err(&added));
    assert!(out(&run(&["user", "list", "--config", path(&file)])).contains("ada"));
    assert_eq!(check().status.code(), Some(0), "{}", err(&check()));
    assert!(!folder.path().join("data/sled").exists());

    let verify = run(&["data", "verify", "--config", path(&file)]);
    assert_eq!(verify.status.code(), Some(1));
    assert!(err(&verify).contains("its own tools verify it"), "{}", err(&verify));

    // Another node has the same store, but not its keys.
    fs::remove_dir_all(folder.path().join("keys")).unwrap();
    let list = run(&["user", "list", "--config", path(&file)]);
    assert_eq!(list.status.code(), Some(1), "{}", out(&list));
}

#[test]
fn a_check_names_a_database_that_is_not_there() {
    let (folder, file) = with_store(Some("postgresql://heirloom:tulip@127.0.0.1:1/heirloom"));
    let check = run(&["serve", "--check", "--config", path(&file)]);
    assert_eq!(check.status.code(), Some(1));
    let said = err(&check);
    assert!(said.contains("no connection to the schema") && said.contains("127.0.0.1:1"), "{said}");
    assert!(!said.contains("tulip"), "{said}");
    assert!(!folder.path().join("keys").exists());
}
