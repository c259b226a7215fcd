//! Finds the stored types and records in the sources. A new one needs frozen bytes in this folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every stored or sealed type with its module, except ids and names, which a macro encodes. `Stored` of `token` is a check value.
const STORED_TYPES: &[&str] = &[
    "app::Ending",
    "app::LogoutDelivery",
    "client::Client",
    "client::ClientEvent",
    "client::ClientMetadata",
    "client::ConsentPolicy",
    "client::Delivery",
    "client::Lifetimes",
    "client::PkcePolicy",
    "client::RefreshTokens",
    "client::RetryWindow",
    "client::ReusePolicy",
    "client::SecretDigest",
    "client::Secrets",
    "client::StoredSecret",
    "client::TokenEndpointAuthMethod",
    "clock::Timestamp",
    "consent::Allowed",
    "consent::Consent",
    "consent::ConsentEvent",
    "consent::Given",
    "consent::Status",
    "installation::Installation",
    "installation::InstallationEvent",
    "login::Life",
    "login::LoggedIn",
    "login::Login",
    "login::LoginEvent",
    "login::LogoutReason",
    "login::Status",
    "oauth::Actor",
    "oauth::Answer",
    "oauth::Authentication",
    "oauth::AuthenticationMethod",
    "oauth::AuthorizationRequest",
    "oauth::CodeChallenge",
    "oauth::Generation",
    "oauth::GrantType",
    "oauth::Kid",
    "oauth::LogoutRequest",
    "oauth::Nonce",
    "oauth::Origin",
    "oauth::Prompts",
    "oauth::RedirectUri",
    "oauth::ResponseMode",
    "oauth::Scope",
    "oauth::SealedRequest",
    "oauth::SessionEpoch",
    "oauth::SigningAlgorithm",
    "oauth::WebUrl",
    "password::PasswordRecord",
    "session::Authorized",
    "session::Code",
    "session::Device",
    "session::EndReason",
    "session::Issued",
    "session::LoginReference",
    "session::Rotation",
    "session::Session",
    "session::SessionEvent",
    "session::Started",
    "session::Status",
    "session::Summary",
    "throttle::Counters",
    "throttle::Entry",
    "throttle::Key",
    "throttle::LimitedAction",
    "throttle::Networks",
    "throttle::Operation",
    "throttle::Party",
    "throttle::Position",
    "token::CheckValue",
    "token::Stored",
    "user::Status",
    "user::StoredProfile",
    "user::User",
    "user::UserEvent",
];

/// The first bytes of every record's key. The tests of whole folders check those with a 0; `ready` is only read. The
/// store has one more: `RecordKey::restored`.
const RECORDS: &[&str] = &[
    r#"vault b"K""#,
    r#"vault b"S""#,
    r#"vault b"bg""#,
    r#"vault b"bk""#,
    r#"vault b"bo""#,
    r#"vault b"bp""#,
    r#"vault b"d""#,
    r#"vault b"f""#,
    r#"vault b"i""#,
    r#"vault b"m""#,
    r#"vault b"n""#,
    r#"vault b"o""#,
    r#"vault b"p""#,
    r#"vault b"q""#,
    r#"vault b"s""#,
    r#"index 0 b"ready""#,
    r#"index 0 b"sessions""#,
    r#"index 0 b"sweeper doubts""#,
    r#"index 0 b"sweeper""#,
    r#"index VERSION b"c""#,
    r#"index VERSION b"e""#,
    r#"index VERSION b"gr""#,
    r#"index VERSION b"gu""#,
    r#"index VERSION b"k""#,
    r#"index VERSION b"le""#,
    r#"index VERSION b"lr""#,
    r#"index VERSION b"lu""#,
    r#"index VERSION b"o""#,
    r#"index VERSION b"r""#,
    r#"index VERSION b"u""#,
    "index version kind",
];

/// The text of every source file, with its module.
fn sources() -> Vec<(String, String)> {
    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let module = |path: &Path| {
        let first = path.strip_prefix(&src).unwrap().components().next().unwrap();
        first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    files(&src).iter().map(|path| (module(path), fs::read_to_string(path).unwrap())).collect()
}

fn word(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap()
}

/// The types that derive an encoding or implement one.
fn stored_types(module: &str, text: &str) -> Vec<String> {
    let derives = text.split("#[derive(").skip(1).filter_map(|rest| rest.split_once(")]"));
    let encoded = derives.filter(|(derived, _)| derived.contains("Encode"));
    let name = |rest: &str| {
        let at = ["struct ", "enum "].iter().filter_map(|kind| Some(rest.find(kind)? + kind.len())).min();
        word(&rest[at.unwrap()..]).to_owned()
    };
    let by_hand = text.split("Encode<C> for ").skip(1).map(word).filter(|name| !name.is_empty());
    let all = encoded.map(|(_, rest)| name(rest)).chain(by_hand.map(str::to_owned));
    all.map(|name| format!("{module}::{name}")).collect()
}

/// The keys of records where they are made: the half, the version, and the first part.
fn records(text: &str) -> Vec<String> {
    let vault = text.split("RecordKey::vault(&[").skip(1).map(|rest| format!("vault {}", first(rest)));
    let index = text.split("RecordKey::index(").skip(1).filter_map(|rest| {
        let (version, rest) = rest.split_once(", ")?;
        Some(format!("index {version} {}", first(rest.strip_prefix("&[")?)))
    });
    vault.chain(index).collect()
}

fn first(list: &str) -> &str {
    list.split([',', ']']).next().unwrap()
}

#[track_caller]
fn same(found: &BTreeSet<String>, expected: &[&str], what: &str) {
    let expected: BTreeSet<_> = expected.iter().map(|name| (*name).to_owned()).collect();
    let new: Vec<_> = found.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{what}: {new:?} is new in src, {gone:?} is no longer there. Freeze what is new as tests/formats/README.md says, then \
         change the list in {}. What was stored must still be read, whatever it is called today.",
        file!()
    );
}

#[test]
fn every_stored_type_is_known_here() {
    let found = sources().iter().flat_map(|(module, text)| stored_types(module, text)).collect();
    same(&found, STORED_TYPES, "types that are stored");
}

#[test]
fn every_kind_of_record_is_known_here() {
    let found = sources()
        .iter()
        .filter(|(module, _)| module != "store")
        .flat_map(|(_, text)| records(text.split("#[cfg(test)]\nmod tests").next().unwrap()))
        .collect();
    same(&found, RECORDS, "records");
}

#[test]
fn the_search_itself_finds_types_and_records() {
    let text = "/// x\n#[derive(Clone,\n Encode, Decode)]\n#[cbor(map)]\npub struct One(u8);\n#[derive(Clone)]\nenum No {}\n\
                #[derive(minicbor::Encode)]\npub(crate) enum Two {}\nimpl<C> minicbor::Encode<C> for Three {\n\
                impl<C> Encode<C> for $name {\nfn a() { RecordKey::vault(&[b\"a\", id]) }\n\
                fn b() { RecordKey::index(3, &[b\"b\"]) }";
    assert_eq!(stored_types("m", text), ["m::One", "m::Two", "m::Three"]);
    assert_eq!(records(text), ["vault b\"a\"", "index 3 b\"b\""]);
}
