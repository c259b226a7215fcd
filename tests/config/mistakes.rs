//! How a mistake in the file is reported: once, with its line, and with a suggestion if there is one.

use std::fs;

use crate::folder::{Folder, mistakes, refused};

#[test]
fn a_mistake_in_a_list_is_told_by_the_line_of_its_item() {
    let client = "[[clients]]\nid = \"a\"\ntype = \"public\"\nscopes = [\n\"profile\",\n\"raed write\",\n\"digital\"]\n";
    let found = mistakes(client);
    let lines: Vec<_> = found.iter().map(|mistake| mistake.split(". |").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "7: `scopes`: No audience has a scope raed",
            "7: `scopes`: No audience has a scope write",
            "8: `scopes`: No audience has a scope digital",
        ]
    );
}

#[test]
fn a_field_of_another_type_is_one_mistake() {
    let client = "[[clients]]\nid = \"a\"\ntype = \"public\"\nrefresh_token_delivery = \"cookie\"\n";
    refused(&format!("{client}origins = 1"), 6, "`origins` is a number, not a list of texts");
    refused(&format!("{client}origins = [1]"), 6, "`origins` is a number, not a text");
}

#[test]
fn three_mistakes_are_three_messages_with_line_and_suggestion() {
    let folder = Folder::with(
        "issuer = \"https://id.example.com\"\n\n[tokens]\nacess_token = \"10m\"\nreuse = \"end\"\n\n[server]\nlisten = \"8080\"\n",
    );
    let errors = folder.load().unwrap_err();
    let file = folder.path().join("heirloom.toml");
    let expected = format!(
        "{file}:4: unknown key `acess_token` in [tokens]\n    did you mean `access_token`?\n\
         {file}:5: `reuse`: It is one of: end-family, refuse.\n\
         {file}:8: `listen`: \"8080\" is no address\n    write an address and a port: \"127.0.0.1:8080\", \"[::]:443\"\n\
         3 mistakes in the configuration; nothing was started",
        file = file.display()
    );
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn a_syntax_error_does_not_hide_the_other_mistakes_nor_invent_some() {
    let folder = Folder::with("issuer = \"https://id.example.com\nlog = 1\n[tokens]\nacess_token = \"1m\"\n");
    let errors = folder.load().unwrap_err().to_string();
    assert!(errors.contains("heirloom.toml:1: not valid TOML"), "{errors}");
    assert!(errors.contains("heirloom.toml:4: unknown key `acess_token`"), "{errors}");
    assert!(!errors.contains("`issuer` is missing"), "{errors}");
}

#[test]
fn what_only_follows_from_a_syntax_error_is_not_shown() {
    for text in [
        "issuer \"https://id.example.com\"",
        "issuer = https://id.example.com",
        "issuer = \"https://id.example.com\"\n[tokens]\naccess_token = 10m",
        "issuer = \"https://id.example.com\"\n[[clients]]\nid = \"a\"\ntype = public",
    ] {
        let errors = Folder::with(text).load().unwrap_err();
        assert_eq!(errors.problems().len(), 1, "{text}\n{errors}");
    }
}

#[test]
fn an_unknown_key_that_is_like_none_lists_those_there_are() {
    let found = mistakes("colour = 1\n[server]\ncolour = 1");
    assert!(found[0].contains("default_audience, grants, issuer"), "{found:#?}");
    assert!(
        found[1].contains(
            "there are: body_memory, cors_headers, drain, hsts, keep_alive, listen, max_connections, "
        ),
        "{found:#?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_one_mistake() {
    let folder = Folder::with("");
    fs::remove_file(folder.path().join("heirloom.toml")).unwrap();
    let errors = folder.load().unwrap_err();
    assert_eq!(errors.problems().len(), 1, "{errors}");
    assert!(errors.to_string().contains("can't be read"), "{errors}");
}
