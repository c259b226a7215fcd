//! The file, the environment and the flags: which takes precedence, and how a mistake names its place.

use std::time::Duration;

use crate::folder::with;
use heirloom::config::{Config, Flag, LogFormat};

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let folder =
        with("[server]\nlisten = \"127.0.0.1:1\"\n[log]\nformat = \"text\"\n[tokens]\naccess_token = \"1h\"");
    let mut sources = folder.sources();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    sources.environment = vec![
        variable("HEIRLOOM__SERVER__LISTEN", "127.0.0.1:2, [::1]:2"),
        variable("HEIRLOOM__LOG__FORMAT", "json"),
        variable("HEIRLOOM__GRANTS__PASSWORD", "true"),
        variable("HEIRLOOM__PASSWORDS__MIN_LENGTH", "15"),
        variable("HOME", "/nowhere"),
    ];
    sources.flags =
        vec![Flag { name: "--listen", setting: "server.listen", value: "127.0.0.1:3".to_owned() }];
    let config = Config::load(&sources).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.server.listen, ["127.0.0.1:3".parse().unwrap()]);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.tokens.lifetimes.access_token, Duration::from_hours(1));
    assert!(config.password_grant);
    assert_eq!(config.passwords.min_length, 15);
    sources.flags.clear();
    assert_eq!(Config::load(&sources).unwrap().server.listen.len(), 2);
}

#[test]
fn mistakes_outside_the_file_name_the_variable_or_the_flag() {
    let folder = with("[[clients]]\nid = \"a\"\ntype = \"public\"");
    let mut sources = folder.sources();
    let variable = |name: &str| (name.to_owned(), "x".to_owned());
    sources.environment = vec![
        variable("HEIRLOOM__SERVER__LISTN"),
        variable("HEIRLOOM__LOG__FORMAT"),
        variable("HEIRLOOM__CLIENTS__B__NAME"),
        variable("HEIRLOOM__CLIENTS__NAME"),
        variable("HEIRLOOM__ISSUER__X"),
    ];
    sources.flags = vec![Flag { name: "--data", setting: "data.folder", value: String::new() }];
    let errors = Config::load(&sources).unwrap_err().to_string();
    for part in [
        "HEIRLOOM__SERVER__LISTN: unknown key `listn` in [server]\n    did you mean `listen`?",
        "HEIRLOOM__LOG__FORMAT: `format` can't be \"x\"",
        "HEIRLOOM__CLIENTS__B__NAME: the file declares none of the clients as `b`\n    there are: a",
        "HEIRLOOM__CLIENTS__NAME: the file declares none of the clients",
        "HEIRLOOM__ISSUER__X: `issuer` is a text, not a section",
        "--data: `folder` is empty",
        "6 mistakes",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
}
