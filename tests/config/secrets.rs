//! Secrets: where they may come from, and who else may read their files.

use std::fs;
use std::path::Path;

use crate::folder::{Folder, SECRET, load, mistakes, refused, with};
use heirloom::client::SecretDigest;
use heirloom::config::{Config, Sources};

#[test]
fn secrets_come_from_files_and_variables_and_are_never_shown() {
    let client = "[[clients]]\nid = \"my-web_app\"\ntype = \"confidential\"\n";
    let (old, new) = ("a".repeat(32), "b".repeat(32));
    let digests = |config: &Config| config.clients[0].secrets.clone();

    let folder = with(&format!("{client}secret_file = \"secret\""));
    fs::write(folder.path().join("secret"), format!("{new}\n{old}\n")).unwrap();
    assert_eq!(digests(&folder.load().unwrap()), [SecretDigest::of(&new), SecretDigest::of(&old)]);
    let config = load(&format!("{client}secrets = [\"{new}\", \"{old}\"]"));
    assert_eq!(digests(&config), [SecretDigest::of(&new), SecretDigest::of(&old)]);

    // A later source takes precedence, also with another form of the same setting.
    let mut sources = folder.sources();
    sources.environment = vec![("HEIRLOOM__CLIENTS__MY_WEB_APP__SECRET".to_owned(), old.clone())];
    assert_eq!(digests(&Config::load(&sources).unwrap()), [SecretDigest::of(&old)]);
    let file = folder.path().join("secret").display().to_string();
    let folder = with(&format!("{client}secret = \"{old}\""));
    let mut sources = folder.sources();
    sources.environment = vec![("HEIRLOOM__CLIENTS__MY_WEB_APP__SECRET_FILE".to_owned(), file)];
    assert_eq!(digests(&Config::load(&sources).unwrap()).len(), 2);

    for wrong in [
        format!("{client}secret = \"hush\""),
        format!("{client}secret = \"hush\"\nsecret_file = \"heirloom.toml\""),
        format!("{client}secret = \"hush-hush-hush-hush-hush-hush-hush\"\nsecrets = [\"hush\"]"),
        format!("{client}secret = \"hush\\u0000hush-hush-hush-hush-hush-hush\""),
        format!("{client}secret = \"hush-hush-hush-hush-hush-hush-hush\ntype = 1"),
        format!("{client}secrets = []"),
        format!("{client}secret_file = \"none\""),
    ] {
        let found = mistakes(&wrong);
        assert!(!found.iter().any(|one| one.contains("hush")), "{found:#?}");
    }
    assert!(!format!("{config:?}").contains(&old));
}

#[test]
fn only_the_loader_can_allow_short_secrets() {
    let folder = with("[[clients]]\nid = \"my-web_app\"\ntype = \"confidential\"\nsecret = 's:e%c/r-t'");
    assert!(folder.load().is_err());
    let sources = Sources { short_secrets: true, ..folder.sources() };
    assert!(Config::load(&sources).is_ok());
    refused("short_secrets = true", 2, "unknown key");
}

#[test]
fn a_secret_that_others_may_read_is_told_and_one_that_they_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let client = "[[clients]]\nid = \"a\"\ntype = \"confidential\"\n";
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let told = |folder: &Folder| {
        let warnings = folder.load().unwrap().warnings();
        warnings.into_iter().filter(|warning| warning.contains("may read it")).collect::<Vec<_>>()
    };
    let folder = with(&format!("{client}secret_file = \"secret\""));
    let secret = folder.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    for (bits, who) in [(0o600, None), (0o400, None), (0o640, Some("its group")), (0o644, Some("everybody"))]
    {
        mode(&secret, bits);
        let told = told(&folder);
        assert_eq!(told.len(), usize::from(who.is_some()), "{bits:o} {told:?}");
        assert!(told.iter().all(|told| told.contains(who.unwrap()) && told.contains("secret")), "{told:?}");
    }
    mode(&secret, 0o622);
    let refused = folder.load().unwrap_err().to_string();
    assert!(
        refused.contains("heirloom.toml:5") && refused.contains("written by everybody (mode 622)"),
        "{refused}"
    );

    // Everybody may read a file without secrets, but not write it.
    mode(&secret, 0o600);
    let config = folder.path().join("heirloom.toml");
    mode(&config, 0o644);
    assert_eq!(told(&folder), [""; 0]);
    for inline in [format!("{client}secret = \"{SECRET}\""), format!("{client}secrets = [\"{SECRET}\"]")] {
        let folder = with(&inline);
        let config = folder.path().join("heirloom.toml");
        mode(&config, 0o644);
        assert!(told(&folder)[0].contains("heirloom.toml holds clients' secrets"), "{:?}", told(&folder));
        mode(&config, 0o600);
        assert_eq!(told(&folder), [""; 0]);
    }
    mode(&config, 0o646);
    assert!(folder.load().unwrap_err().to_string().contains("everybody may write it (mode 646)"));
}

#[test]
fn who_cant_sign_in_and_what_lies_open_is_told() {
    let told = |more: &str, part: &str| load(more).warnings().iter().any(|warning| warning.contains(part));
    let client = "[[clients]]\nid = \"app-a\"\ntype = \"public\"\n";
    assert!(told(client, "nobody gets tokens through app-a"));
    assert!(!told(&format!("[grants]\npassword = true\n{client}"), "nobody gets tokens"));
    let everywhere = "is every address of this machine";
    for listen in ["0.0.0.0:80", "[::]:80"] {
        let server = format!("[server]\nlisten = \"{listen}\"\n");
        assert!(told(&server, everywhere), "{listen}");
        assert!(!told(&format!("{server}trusted_proxies = [\"10.0.0.0/8\"]\n"), everywhere));
    }
    assert!(!told("[server]\nlisten = \"127.0.0.1:80\"\n", everywhere));
}

#[test]
fn an_unreadable_secret_is_one_mistake() {
    refused(
        "[audiences.\"https://api\"]\nscopes = [\"read\"]\n[[clients]]\nid = \"a\"\ntype = \"confidential\"\n\
         secret_file = \"none\"\nintrospects = [\"https://api\"]\ngrants = []",
        7,
        "can't be read",
    );
}
