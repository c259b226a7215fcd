//! Modules use each other in one direction: cli → http → app → the domain → oauth.
use std::collections::BTreeSet;
use std::fs;

use crate::sources::{code, sources};

/// Modules that every module may use.
const ALL: [&str; 5] = ["certificates", "clock", "random", "encoding", "files"];

/// Each module, and the modules that it may use besides itself. The aggregates use only the store's names of streams
/// and records; the store does not use OAuth types.
const MAY_USE: [(&str, &[&str]); 20] = [
    (
        "cli",
        &[
            "config",
            "http",
            "app",
            "session",
            "login",
            "consent",
            "user",
            "client",
            "installation",
            "token",
            "password",
            "throttle",
            "store",
            "oauth",
        ],
    ),
    ("config", &["session", "login", "user", "client", "store", "oauth"]),
    (
        "http",
        &[
            "app",
            "session",
            "login",
            "consent",
            "user",
            "client",
            "installation",
            "token",
            "password",
            "throttle",
            "store",
            "oauth",
        ],
    ),
    (
        "app",
        &[
            "config",
            "session",
            "login",
            "consent",
            "user",
            "client",
            "installation",
            "token",
            "password",
            "throttle",
            "store",
            "oauth",
        ],
    ),
    ("session", &["oauth", "store"]),
    ("login", &["oauth", "store"]),
    ("consent", &["oauth", "store"]),
    ("user", &["oauth", "store"]),
    ("client", &["oauth", "store"]),
    ("installation", &["oauth", "store"]),
    ("token", &["oauth", "store"]),
    ("password", &["oauth"]),
    ("throttle", &["oauth"]),
    ("store", &[]),
    ("oauth", &[]),
    ("clock", &[]),
    ("random", &[]),
    ("encoding", &[]),
    ("certificates", &[]),
    ("files", &[]),
];

const PURE: [&str; 7] = ["session", "login", "consent", "user", "client", "installation", "oauth"];

/// What a pure module must not mention: waiting, the wall clock, randomness, input and output, a store.
const IMPURE: [&str; 11] = [
    "dyn Store",
    "StoreFuture",
    "async ",
    "tokio::",
    "SystemClock",
    "dyn Clock",
    "crate::random",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
];

/// The modules that a text names as `crate::module` or `crate::{module::…, …}`.
fn used(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect()
    };
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            used.insert(word(rest));
            continue;
        };
        let mut depth = 0_i32;
        let mut begins = true;
        for (at, letter) in group.char_indices() {
            if begins && depth == 0 && !letter.is_whitespace() {
                used.insert(word(&group[at..]));
                begins = false;
            }
            match letter {
                '{' => depth = depth.saturating_add(1),
                '}' if depth == 0 => break,
                '}' => depth = depth.saturating_sub(1),
                ',' => begins = true,
                _ => {}
            }
        }
    }
    used.remove("");
    used
}

/// What a module uses against the direction.
fn against_the_direction(module: &str, used: &BTreeSet<String>) -> Vec<String> {
    let Some((_, may)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
        panic!("src/{module}: say in {} what this module may use", file!());
    };
    let allowed = |other: &&String| {
        other.as_str() == module || may.contains(&other.as_str()) || ALL.contains(&other.as_str())
    };
    used.iter().filter(|other| !allowed(other)).cloned().collect()
}

#[test]
fn no_module_depends_against_the_direction() {
    let files = sources("src");
    assert!(files.len() > 20, "the sources were not found");
    for (module, path) in files {
        let found = against_the_direction(&module, &used(&code(&fs::read_to_string(&path).unwrap())));
        assert!(found.is_empty(), "{}: `{module}` may not use {found:?}", path.display());
    }
}

#[test]
fn the_pure_modules_know_no_clock_no_randomness_and_no_input_or_output() {
    for (module, path) in sources("src").into_iter().filter(|(module, _)| PURE.contains(&module.as_str())) {
        let code = code(&fs::read_to_string(&path).unwrap());
        for word in IMPURE {
            assert!(!code.contains(word), "{}: `{module}` is pure, and mentions `{word}`", path.display());
        }
    }
}

#[test]
fn only_the_store_knows_which_kinds_of_stores_there_are() {
    for (module, path) in sources("src").into_iter().filter(|(module, _)| module != "store") {
        let code = code(&fs::read_to_string(&path).unwrap());
        for word in [
            "store::sled",
            "SledStore",
            "SledOptions",
            "store::memory",
            "MemoryStore",
            "store::postgres",
            "PostgresStore",
        ] {
            assert!(!code.contains(word), "{}: `{module}` mentions `{word}`", path.display());
        }
    }
}

#[test]
fn the_check_itself_sees_every_way_of_naming_a_module() {
    let text = "use crate::http::x;\nuse crate::{app::{self, A}, store,\n  cli::B};\npub(crate) use crate::token;\n// crate::throttle\n\
                fn f() { crate::session::g() }\n#[cfg(test)]\nmod more_tests;\n\
                use crate::user;\n#[cfg(test)]\nmod tests {\n use crate::password; }";
    let used = used(&code(text));
    assert_eq!(
        used.iter().map(String::as_str).collect::<Vec<_>>(),
        ["app", "cli", "http", "session", "store", "token", "user"]
    );
    assert_eq!(against_the_direction("store", &used), ["app", "cli", "http", "session", "token", "user"]);
}
