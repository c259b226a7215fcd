//! `[store]`: the kind of the store, and where a database is.

use std::fs;

use crate::folder::{load, mistakes, refused, with};
use heirloom::config::{Config, Database, Store};
use tokio_postgres::config::{Host, SslMode};

fn database(config: Config) -> Database {
    match config.store {
        Store::Postgres(database) => *database,
        Store::Sled => panic!("no database"),
    }
}

#[test]
fn a_database_is_named_by_a_url_and_its_password_by_a_file() {
    assert_eq!(load("").store, Store::Sled);
    assert_eq!(load("[store]\nkind = \"sled\"").store, Store::Sled);
    let folder = with(
        "[store]\nkind = \"postgres\"\nurl = \"postgresql://ann@127.0.0.1:5433/users\"\npassword_file = \"password\"",
    );
    fs::write(folder.path().join("password"), "tulip\n").unwrap();
    let config = folder.load().unwrap();
    assert!(!format!("{config:?}").contains("tulip"));
    let Database { server, schema } = database(config);
    assert_eq!(schema, "heirloom");
    assert_eq!(server.get_hosts(), [Host::Tcp("127.0.0.1".to_owned())]);
    assert_eq!((server.get_ports(), server.get_dbname()), (&[5433][..], Some("users")));
    assert_eq!((server.get_user(), server.get_password()), (Some("ann"), Some(&b"tulip"[..])));
    assert_eq!(server.get_ssl_mode(), SslMode::Disable);

    let socket =
        "[store]\nkind = \"postgres\"\nurl = \"postgresql://%2Frun%2Fpostgresql/users\"\nschema = \"Id 1\"";
    let Database { server, schema } = database(load(socket));
    assert_eq!((server.get_hosts(), schema.as_str()), (&[Host::Unix("/run/postgresql".into())][..], "Id 1"));
}

#[test]
fn the_variables_of_libpq_say_what_the_url_leaves_out() {
    let environment: Vec<(String, String)> = [
        ("PGHOST", "db.example"),
        ("PGPORT", "5434"),
        ("PGUSER", "ann"),
        ("PGDATABASE", "users"),
        ("PGPASSWORD", "tulip"),
        ("PGSSLMODE", "disable"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let folder = with("[store]\nkind = \"postgres\"");
    let mut sources = folder.sources();
    sources.environment.clone_from(&environment);
    let Database { server, .. } = database(Config::load(&sources).unwrap());
    assert_eq!(server.get_hosts(), [Host::Tcp("db.example".to_owned())]);
    assert_eq!((server.get_ports(), server.get_dbname()), (&[5434][..], Some("users")));
    assert_eq!((server.get_user(), server.get_password()), (Some("ann"), Some(&b"tulip"[..])));

    let folder = with("[store]\nkind = \"postgres\"\nurl = \"postgresql://bob@localhost/other\"");
    let mut sources = folder.sources();
    sources.environment = environment;
    let Database { server, .. } = database(Config::load(&sources).unwrap());
    assert_eq!((server.get_user(), server.get_dbname()), (Some("bob"), Some("other")));
    assert_eq!(
        (server.get_hosts(), server.get_ports()),
        (&[Host::Tcp("localhost".to_owned())][..], &[5432][..])
    );
}

#[test]
fn a_connection_that_leaves_the_machine_is_unencrypted_only_if_that_is_said() {
    let store = |url: &str| format!("[store]\nkind = \"postgres\"\nurl = \"postgresql://{url}\"");
    for here in ["ann@localhost/db", "ann@[::1]/db", "ann@127.0.0.1/db?sslmode=prefer"] {
        load(&store(here));
    }
    load(&store("ann@db.example/db?sslmode=disable"));
    refused(&store("ann@db.example/db"), 4, "would not be encrypted");
    refused(&store("ann@localhost,db.example/db"), 4, "would not be encrypted");
    refused(&store("ann@db.example/db?sslmode=require"), 4, "can't encrypt the connection");
    refused(&store("ann@localhost/db?sslmode=require"), 4, "can't encrypt the connection");
}

#[test]
fn mistakes_in_the_store_are_told_without_the_password() {
    let store = |more: &str| format!("[store]\nkind = \"postgres\"\n{more}");
    refused("[store]\nkind = \"memory\"", 3, "`kind` can't be \"memory\"");
    refused("[store]\nurl = \"postgresql://localhost/db\"", 3, "`url` is for a database");
    refused(&store(""), 2, "no database is named");
    refused(&store("url = \"mysql://ann:tulip@localhost/db\""), 4, "`url` is no URL");
    let url = "url = \"postgresql://ann:tulip@localhost/db\"";
    refused(&store(&format!("{url}\npassword = \"other\"")), 5, "the password is set twice");
    for schema in ["", "pg_catalog", &"s".repeat(64)] {
        refused(&store(&format!("{url}\nschema = \"{schema}\"")), 5, "`schema` can't be");
    }
    refused(&store(&format!("{url}\nuser = \"ann\"")), 5, "unknown key `user`");
    let found = mistakes(&store("url = \"postgresql://ann:tulip@localhost:port/db\""));
    assert!(found.len() == 1 && !found[0].contains("tulip"), "{found:?}");
}
