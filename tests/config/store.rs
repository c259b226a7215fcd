//! `[store]`: the kind of the store, and where a database is.

use std::fs;

use crate::folder::{load, mistakes, refused, with};
use heirloom::config::{Config, KeyEncryptionFiles, KeysIn, Store};
use heirloom::store::{PostgresSettings, PostgresTls, TlsMode};
use tokio_postgres::config::Host;

fn database(config: Config) -> PostgresSettings {
    match config.store {
        Store::Postgres(database) => *database,
        Store::Sled | Store::Memory => panic!("no database"),
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
    let PostgresSettings { server, schema, .. } = database(config);
    assert_eq!(schema, "heirloom");
    assert_eq!(server.get_hosts(), [Host::Tcp("127.0.0.1".to_owned())]);
    assert_eq!((server.get_ports(), server.get_dbname()), (&[5433][..], Some("users")));
    assert_eq!((server.get_user(), server.get_password()), (Some("ann"), Some(&b"tulip"[..])));

    let socket =
        "[store]\nkind = \"postgres\"\nurl = \"postgresql://%2Frun%2Fpostgresql/users\"\nschema = \"Id 1\"";
    assert!(database(load(socket)).migrate);
    assert!(!database(load(&format!("{socket}\nmigrate = false"))).migrate);
    let PostgresSettings { server, schema, .. } = database(load(socket));
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
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "roots.pem"),
        ("PGSSLCERT", "ann.crt"),
        ("PGSSLKEY", "ann.key"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let folder = with("[store]\nkind = \"postgres\"");
    let mut sources = folder.sources();
    sources.environment.clone_from(&environment);
    let PostgresSettings { server, tls, .. } = database(Config::load(&sources).unwrap());
    assert_eq!(server.get_hosts(), [Host::Tcp("db.example".to_owned())]);
    // As they are: they are not in the file.
    let identity = Some(("ann.crt".into(), "ann.key".into()));
    assert_eq!(tls, PostgresTls { mode: TlsMode::VerifyCa, authorities: Some("roots.pem".into()), identity });
    sources.environment.push(("HEIRLOOM__STORE__SSLMODE".to_owned(), "verify-full".to_owned()));
    assert_eq!(database(Config::load(&sources).unwrap()).tls.mode, TlsMode::VerifyFull);
    sources.environment.retain(|(name, _)| !name.starts_with("PGPORT"));
    sources.environment.push(("PGPORT".to_owned(), "many".to_owned()));
    assert!(Config::load(&sources).unwrap_err().to_string().contains("PGPORT: it is no port"));
    assert_eq!((server.get_ports(), server.get_dbname()), (&[5434][..], Some("users")));
    assert_eq!((server.get_user(), server.get_password()), (Some("ann"), Some(&b"tulip"[..])));

    let folder = with("[store]\nkind = \"postgres\"\nurl = \"postgresql://bob@localhost/other\"");
    let mut sources = folder.sources();
    sources.environment = environment;
    let PostgresSettings { server, .. } = database(Config::load(&sources).unwrap());
    assert_eq!((server.get_user(), server.get_dbname()), (Some("bob"), Some("other")));
    assert_eq!(
        (server.get_hosts(), server.get_ports()),
        (&[Host::Tcp("localhost".to_owned())][..], &[5432][..])
    );
}

/// The settings of TLS for a URL, and what is warned of.
fn tls(url: &str, more: &str) -> (PostgresTls, Vec<String>) {
    let config = load(&format!("[store]\nkind = \"postgres\"\nurl = \"postgresql://{url}\"\n{more}"));
    let warnings = config.warnings().into_iter().filter(|warning| warning.contains("database")).collect();
    (database(config).tls, warnings)
}

#[test]
fn a_connection_that_leaves_the_machine_is_verified_unless_something_else_is_said() {
    for here in ["ann@localhost/db", "ann@[::1]/db", "%2Frun/db", "ann@127.0.0.1/db?sslmode=prefer"] {
        assert_eq!(
            tls(here, ""),
            (PostgresTls { mode: TlsMode::Prefer, ..PostgresTls::default() }, Vec::new())
        );
    }
    for there in ["ann@db.example/db", "ann@localhost,db.example/db", "localhost/db?hostaddr=192.0.2.1"] {
        assert_eq!(tls(there, ""), (PostgresTls::default(), Vec::new()), "{there}");
    }
    for (mode, warning) in [
        ("disable", "db.example is not encrypted"),
        ("prefer", "does not verify who it leads to"),
        ("require", "does not verify who it leads to"),
    ] {
        let (_, warnings) = tls(&format!("ann@db.example/db?sslmode={mode}"), "");
        assert!(warnings.len() == 1 && warnings[0].contains(warning), "{warnings:?}");
        assert_eq!(tls("ann@db.example/db", &format!("sslmode = \"{mode}\"")).1, warnings);
        assert!(tls(&format!("ann@localhost/db?sslmode={mode}"), "").1.is_empty(), "it stays here");
    }
}

#[test]
fn authorities_and_a_certificate_are_named_in_the_url_or_beside_it() {
    let (in_url, warnings) = tls(
        "ann@db.example/db?application_name=x&sslmode=require&sslrootcert=tls%2Froots.pem&connect_timeout=2",
        "",
    );
    assert_eq!((in_url.mode, in_url.verifies(), warnings.len()), (TlsMode::Require, true, 0));
    let file = in_url.authorities.unwrap();
    assert!(file.is_absolute() && file.ends_with("tls/roots.pem"), "{}", file.display());
    // Whoever names authorities wants them to count.
    let (beside, _) =
        tls("ann@localhost/db", "sslrootcert = \"/roots.pem\"\nsslcert = \"/c\"\nsslkey = \"/k\"");
    let identity = Some(("/c".into(), "/k".into()));
    let authorities = Some("/roots.pem".into());
    assert_eq!(beside, PostgresTls { mode: TlsMode::VerifyFull, authorities, identity });
    let (system, _) = tls("ann@db.example/db?sslrootcert=system", "");
    assert_eq!(system, PostgresTls::default());
}

#[test]
fn mistakes_about_tls_are_told_without_the_url() {
    let mistake = |url: &str, more: &str, message: &str| {
        let line = if more.is_empty() { 4 } else { 5 };
        let text = format!("[store]\nkind = \"postgres\"\nurl = \"postgresql://ann:tulip@{url}\"\n{more}");
        refused(&text, line, message);
        let found = mistakes(&text);
        assert!(found.iter().all(|told| !told.contains("tulip")), "{found:?}");
    };
    mistake("db.example/db?sslmode=allow", "", "`sslmode` can't be \"allow\"");
    mistake("db.example/db?sslmode=require", "sslmode = \"require\"", "`sslmode` is set twice");
    mistake("db.example/db?sslmode=verify-ca", "", "any certificate of a public authority");
    mistake(
        "db.example/db?sslmode=verify-ca&sslrootcert=system",
        "",
        "any certificate of a public authority",
    );
    mistake("db.example/db?sslmode=require&sslrootcert=system", "", "does not make this `sslmode` safe");
    mistake(
        "localhost/db?sslmode=prefer",
        "sslrootcert = \"roots.pem\"",
        "does not make this `sslmode` safe",
    );
    mistake("db.example/db?sslcert=c", "", "needs both `sslcert` and `sslkey`");
    mistake("db.example/db", "sslkey = \"k\"", "needs both `sslcert` and `sslkey`");
    mistake("db.example/db?sslmode", "", "`url` is no URL");
    mistake("db.example/db?gssencmode=disable", "", "the parameter gssencmode, which heirloom does not know");
    mistake("a,b/db?port=1,2,3", "", "not as many ports");
    mistake("a/db?target_session_attrs=any", "", "only a server that writes");
    load("[store]\nkind = \"postgres\"\nurl = \"postgresql://a,b/db?target_session_attrs=read-write\"");
    refused("[store]\nkind = \"postgres\"\nurl = \"host=a password=tulip\"", 4, "`url` is no URL");
    refused("[store]\nsslmode = \"require\"", 3, "`sslmode` is for a database");
    refused("[store]\nmigrate = false", 3, "`migrate` is for a database");
}

#[test]
fn what_has_no_effect_is_told() {
    let url = "postgresql://localhost/db?connect_timeout=3&keepalives_count=9";
    let mut warnings = load(&format!("[store]\nkind = \"postgres\"\nurl = \"{url}\"")).warnings();
    warnings.retain(|warning| warning.contains("no effect"));
    let expected = ["connect_timeout", "keepalives_count"]
        .map(|name| format!("`url` sets {name}, which has no effect: heirloom sets it by itself"));
    assert_eq!(warnings, expected);
}

#[test]
fn mistakes_in_the_store_are_told_without_the_password() {
    let store = |more: &str| format!("[store]\nkind = \"postgres\"\n{more}");
    refused("[store]\nkind = \"memory\"", 3, "forgets everything when the process ends");
    refused("[store]\nkind = \"paper\"", 3, "`kind` can't be \"paper\"");
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

#[test]
fn keys_are_in_a_database_only_where_one_is_and_something_seals_them() {
    assert_eq!(load("").keys_in, KeysIn::Folder);
    assert_eq!(load("[keys]\nin = \"folder\"").keys_in, KeysIn::Folder);
    let store = "[store]\nkind = \"postgres\"\nurl = \"postgresql://ann@127.0.0.1/users\"\n[keys]\nin = \"database\"\n";
    let folder =
        with(&format!("{store}key_encryption_key_file = \"new\"\nother_key_encryption_key_file = \"old\""));
    let files =
        KeyEncryptionFiles { current: folder.path().join("new"), other: Some(folder.path().join("old")) };
    assert_eq!(folder.load().unwrap().keys_in, KeysIn::Database(files));
    refused(store, 6, "`openssl rand -base64 32` makes one");
    refused("[keys]\nkey_encryption_key_file = \"new\"", 3, "write in = \"database\"");
    refused("[keys]\nother_key_encryption_key_file = \"old\"", 3, "write in = \"database\"");
    refused("[keys]\nin = \"database\"\nkey_encryption_key_file = \"new\"", 3, "kind = \"postgres\"");
    // Every server must have noticed a key before it signs.
    let short = format!("{store}key_encryption_key_file = \"new\"\nlead_time = \"59s\"");
    refused(&short, 8, "from \"1m\"");
}
