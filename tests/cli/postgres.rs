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
fn migrate_makes_the_tables_for_a_server_that_may_not() {
    let (_folder, file) = with_store(None);
    let text = fs::read_to_string(&file).unwrap();
    let role = format!("web-{}", text.rsplit("test ").next().unwrap().trim_end_matches('"'));
    let url = text.lines().find(|line| line.starts_with("url")).unwrap();
    let weak =
        format!("{text}\nmigrate = false").replace(url, &url.replace("heirloom@", &format!("{role}@")));
    fs::write(&file, weak).unwrap();
    let migrate = |more: &[&str]| run(&[&["migrate", "--config", path(&file)], more].concat());
    let check = || run(&["serve", "--check", "--config", path(&file)]);

    let owner = ["--user", "heirloom"];
    let would = migrate(&[&owner[..], &["--dry-run"]].concat());
    assert!(out(&would).contains("would make version 1"), "{}{}", out(&would), err(&would));
    let made = migrate(&owner);
    assert!(out(&made).contains("made version 1 of the tables"), "{}{}", out(&made), err(&made));
    assert!(out(&made).contains(&format!("TO \"{role}\";")), "what the server's role needs: {}", out(&made));
    let missing = migrate(&[&owner[..], &["--grant-to", &role]].concat());
    assert!(err(&missing).contains("does not exist"), "{}", err(&missing));
    psql(&format!("CREATE ROLE \"{role}\" LOGIN"));
    assert!(err(&check()).contains("lacks USAGE on the schema"), "{}", err(&check()));
    let granted = migrate(&[&owner[..], &["--grant-to", &role]].concat());
    assert!(out(&granted).contains("nothing to do\ngranted to web"), "{}{}", out(&granted), err(&granted));
    assert_eq!(check().status.code(), Some(0), "{}", err(&check()));
    let mut add = heirloom(&["user", "add", "ada", "--config", path(&file)]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(add.stdin.take().unwrap(), "a long enough phrase").unwrap();
    let added = add.wait_with_output().unwrap();
    assert_eq!(added.status.code(), Some(0), "{}", err(&added));
    assert!(out(&run(&["user", "list", "--config", path(&file)])).contains("ada"));
    assert_eq!(check().status.code(), Some(0), "{}", err(&check()));

    let (_embedded, file) = configured("issuer = \"https://id.example.com\"");
    let none = run(&["migrate", "--config", path(&file)]);
    assert!(err(&none).contains("the embedded store needs no migration"), "{}", err(&none));
}

/// Runs a statement on the tests' server.
fn psql(statement: &str) {
    let settings = postgres_server::settings();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = settings.server.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statement).await.unwrap();
    });
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
