//! An installation whose store is in PostgreSQL.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use heirloom::store::postgres::PostgresSettings;

use crate::command_line::configured;
use crate::postgres_server;
use crate::support::{err, heirloom, out, path, run};

/// A configuration whose store is on the tests' server, or at `url`.
fn with_store(url: Option<&str>) -> (tempfile::TempDir, std::path::PathBuf) {
    with_store_and(url, "")
}

/// The same, followed by `more`.
fn with_store_and(url: Option<&str>, more: &str) -> (tempfile::TempDir, std::path::PathBuf) {
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
    configured(&format!("issuer = \"https://id.example.com\"\n[store]\n{store}{more}"))
}

/// Adds a user; the first command makes the store and its keys.
fn add_user(file: &Path) {
    let mut add = heirloom(&["user", "add", "ada", "--config", path(file)]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(add.stdin.take().unwrap(), "a long enough phrase").unwrap();
    let added = add.wait_with_output().unwrap();
    assert_eq!(added.status.code(), Some(0), "{}", err(&added));
}

#[test]
fn users_are_kept_in_a_database_that_the_first_command_prepares() {
    let (folder, file) = with_store(None);
    let check = || run(&["serve", "--check", "--config", path(&file)]);
    assert_eq!(check().status.code(), Some(0), "{}", err(&check()));
    let list = run(&["user", "list", "--config", path(&file)]);
    assert!(err(&list).contains("there is no store in schema test"), "{}", err(&list));

    add_user(&file);
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
fn a_mistyped_schema_becomes_no_new_installation() {
    let (folder, file) = with_store(None);
    add_user(&file);
    // A server writes it; any store's will do.
    let recorded = folder.path().join("keys/data.position");
    fs::write(&recorded, "AAAAAAAAAAAAAAAAAAAAAA 7\n").unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(out(&run(&["user", "list", "--config", path(&file)])).contains("ada"), "a store that was used");
    fs::write(&file, text.replace("schema = \"test ", "schema = \"tset ")).unwrap();
    for attempt in 0..2 {
        let add = run(&["serve", "--config", path(&file)]);
        let said = err(&add);
        assert_eq!(add.status.code(), Some(1), "{attempt}: {said}");
        assert!(
            said.contains("no store in the schema tset") && said.contains("keys/data.position"),
            "{said}"
        );
    }
    fs::remove_file(recorded).unwrap();
    add_user(&file);
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
    assert!(out(&would).contains("would make versions 1, 2"), "{}{}", out(&would), err(&would));
    let made = migrate(&owner);
    assert!(out(&made).contains("made versions 1, 2 of the tables"), "{}{}", out(&made), err(&made));
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
    psql_at(&postgres_server::settings(), statement);
}

fn psql_at(settings: &PostgresSettings, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = settings.server.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statement).await.unwrap();
    });
}

#[test]
fn a_configuration_that_names_no_database_has_it_from_the_variables_of_libpq() {
    let (_folder, file) = with_store(None);
    let text = fs::read_to_string(&file).unwrap();
    let url = text.lines().find(|line| line.starts_with("url")).unwrap();
    fs::write(&file, text.replace(url, "")).unwrap();
    let mut check = heirloom(&["serve", "--check", "--config", path(&file)]);
    let none = check.output().unwrap();
    assert!(err(&none).contains("no database is named"), "{}", err(&none));
    check.env("PGHOST", &postgres_server::shared().folder);
    let found = check.env("PGUSER", "heirloom").env("PGDATABASE", "postgres").output().unwrap();
    assert_eq!(found.status.code(), Some(0), "{}", err(&found));
}

/// A server on which the role `ann` has to know a password, `tulip`.
fn with_password() -> postgres_server::PostgresServer {
    let server = postgres_server::PostgresServer::start_with(|folder| {
        fs::write(folder.join("rules"), "local all ann scram-sha-256\nlocal all all trust\n").unwrap();
        format!("listen_addresses = ''\nhba_file = '{}'", folder.join("rules").display())
    });
    let role = "SET password_encryption = 'scram-sha-256'; CREATE ROLE ann LOGIN PASSWORD 'tulip';
                GRANT CREATE ON DATABASE postgres TO ann";
    psql_at(&server.settings("public"), role);
    server
}

#[test]
fn a_password_is_read_from_a_file_and_a_wrong_one_is_refused_without_showing_it() {
    let server = with_password();
    let url = format!("postgresql://ann@{}/postgres", path(&server.folder).replace('/', "%2F"));
    let (folder, file) = with_store_and(Some(&url), "\npassword_file = \"password\"");
    let write = |name: &str, password: &str| {
        let file = folder.path().join(name);
        fs::write(&file, format!("{password}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    };
    let check = |password: &str| {
        write("password", password);
        run(&["serve", "--check", "--config", path(&file)])
    };
    let migrate = |password: &str| {
        // The one of the configuration is another role's.
        write("password", "lily");
        let owners = write("owner's", password);
        run(&["migrate", "--config", path(&file), "--user", "ann", "--password-file", path(&owners)])
    };
    for refused in [check("rose"), migrate("rose")] {
        let said = err(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("password authentication failed for user \"ann\""), "{said}");
        assert!(!said.contains("rose") && !out(&refused).contains("rose"), "{said}");
    }
    let made = migrate("tulip");
    assert!(out(&made).contains("made versions 1, 2"), "{}", err(&made));
    let right = check("tulip");
    assert_eq!(right.status.code(), Some(0), "{}", err(&right));
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

#[test]
fn the_first_start_makes_keys_in_the_database_and_no_folder() {
    let (folder, file) =
        with_store_and(None, "\n[keys]\nin = \"database\"\nkey_encryption_key_file = \"new\"");
    make_key_encryption_key(&folder.path().join("new"), 'N');
    let check = || run(&["serve", "--check", "--config", path(&file)]);
    let list = || out(&run(&["keys", "list", "--config", path(&file)]));
    assert_eq!((check().status.code(), list().as_str()), (Some(0), ""), "{}", err(&check()));
    add_user(&file);
    let made = list();
    assert!(made.lines().count() == 3 && made.contains("signs"), "{made}");
    assert!(out(&run(&["user", "list", "--config", path(&file)])).contains("ada"));
    assert_eq!((check().status.code(), list()), (Some(0), made));
    assert!(!folder.path().join("keys").exists());
    fs::set_permissions(folder.path().join("new"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(err(&check()).contains("/new may be read or written by others (mode 640)"), "{}", err(&check()));
}

/// The contents of all files of a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named =
        |file: PathBuf| (file.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(file).unwrap());
    files.map(named).filter(|(name, _)| name != "data.position").collect()
}

/// Makes a file that holds a key-encryption key.
fn make_key_encryption_key(file: &Path, byte: char) {
    // 43 characters of base64url are 32 bytes.
    fs::write(file, format!("{}A\n", byte.to_string().repeat(42))).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_keys_folder_is_sealed_into_the_database_rotated_there_and_unsealed() {
    let in_database = "\n[keys]\nin = \"database\"\nkey_encryption_key_file = \"new\"\nalgorithm = \"ES256\"";
    let (folder, file) = with_store_and(None, in_database);
    let text = fs::read_to_string(&file).unwrap();
    let begins = text.find("[keys]").unwrap();
    let keys = |command: &[&str]| run(&[&["keys"], command, &["--config", path(&file)]].concat());
    let done = |command: &[&str]| {
        let output = keys(command);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", err(&output));
        out(&output)
    };
    // The keys are in the folder, and a command has made the store.
    fs::write(&file, &text[..begins]).unwrap();
    let refused = keys(&["seal"]);
    assert_eq!((refused.status.code(), err(&refused).contains("in = \"database\"")), (Some(2), true));
    add_user(&file);
    let (in_folder, listed) = (contents(&folder.path().join("keys")), done(&["list"]));

    fs::write(&file, &text).unwrap();
    let check = || run(&["serve", "--check", "--config", path(&file)]);
    assert!(err(&check()).contains("/new: No such file"), "{}", err(&check()));
    make_key_encryption_key(&folder.path().join("new"), 'N');
    assert!(err(&check()).contains("there is no signing key in the sealed keys"), "{}", err(&check()));
    let user = run(&["user", "list", "--config", path(&file)]);
    assert!(err(&user).contains("there is no signing key"), "nothing is made anew: {}", err(&user));
    assert!(done(&["seal"]).contains("were read back"));
    assert!(done(&["seal"]).contains(&format!("{} files are in", in_folder.len())), "once more");
    fs::rename(folder.path().join("keys"), folder.path().join("kept")).unwrap();
    assert_eq!(done(&["list"]), listed);
    assert_eq!(check().status.code(), Some(0), "{}", err(&check()));
    assert!(out(&run(&["user", "list", "--config", path(&file)])).contains("ada"));

    // Everything that a folder's keys can do.
    let first = listed.split_whitespace().next().unwrap().to_owned();
    for command in [&["rotate"][..], &["rotate", "--refresh-secret"], &["rotate", "--pepper"]] {
        done(command);
    }
    assert!(done(&["rotate", "--compromised", &first]).contains("is destroyed"));
    assert!(done(&["rotate", "--refresh-secret", "--compromised", "1"]).contains("is destroyed"));
    assert!(done(&["rotate", "--id-tokens", "--algorithm", "RS256"]).contains("signs from"));

    // Another key-encryption key takes the place of the first.
    fs::rename(folder.path().join("new"), folder.path().join("old")).unwrap();
    make_key_encryption_key(&folder.path().join("new"), 'O');
    assert!(err(&check()).contains("other_key_encryption_key_file"), "{}", err(&check()));
    fs::write(&file, format!("{text}\nother_key_encryption_key_file = \"old\"")).unwrap();
    let (files, before) = (done(&["list"]).lines().count(), done(&["list"]));
    assert!(done(&["reseal"]).starts_with(&format!("{files} files were sealed again")));
    fs::write(&file, &text).unwrap();
    assert_eq!(done(&["list"]), before);

    assert!(done(&["unseal"]).contains("were read back"));
    let unsealed = contents(&folder.path().join("keys"));
    assert_eq!(unsealed.len(), files);
    let kept = contents(&folder.path().join("kept"));
    assert!(kept.iter().all(|(name, bytes)| unsealed.get(name).is_none_or(|same| same == bytes)));
    fs::write(&file, &text[..begins]).unwrap();
    assert_eq!(done(&["list"]), before);
    assert!(out(&run(&["user", "list", "--config", path(&file)])).contains("ada"));
}
