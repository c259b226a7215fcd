//! `[[clients]]`: the clients that the configuration declares.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::metadata::{Fields, note};
use super::problem::Place;
use super::section::{At, Section};
use crate::client::metadata::declared_id;
use crate::client::{MetadataRules, Registration, SecretDigest, TokenEndpointAuthMethod};
use crate::oauth::ClientId;

/// The shortest client secret, in characters: 32 random hexadecimal digits have 128 bits (RFC 6749 §10.10).
pub const MIN_SECRET: usize = 32;
/// The longest client secret, in characters.
pub const MAX_SECRET: usize = 256;
/// The most secrets of one client at a time: the old one, the new one, and a reserve.
const MAX_SECRETS: usize = 4;

/// Reads every `[[clients]]`; `rules` is what their metadata are validated against.
pub(super) fn clients(
    root: &mut Section<'_>,
    rules: &MetadataRules<'_>,
    short_secrets: bool,
) -> Vec<Registration> {
    let mut seen: BTreeMap<ClientId, Place> = BTreeMap::new();
    let mut clients = Vec::new();
    for mut section in root.listed("clients") {
        let id = id(&mut section);
        if let Some(At { value, place }) = &id
            && let Some(first) = seen.insert(value.clone(), place.clone())
        {
            let message = format!("the client `{value}` is declared twice, first at {first}");
            section.problems.note(place, message, "give one of them another id");
        }
        // The section is read even if its id is wrong, so that all errors are shown at once.
        let mut fields = Fields::of(&mut section);
        let raw = fields.of_client();
        let metadata =
            raw.validate(id.as_ref().map(|id| &id.value), rules).map_err(|errors| fields.note(errors)).ok();
        let secrets = secrets_of(&mut section, raw.method(), short_secrets);
        let disabled = section.boolean("disabled").is_some_and(|at| at.value);
        section.finish();
        if let (Some(id), Some(metadata), Some(secrets)) = (id, metadata, secrets) {
            clients.push(Registration { id: id.value, metadata, secrets, disabled });
        }
    }
    clients
}

/// Reads `id`.
fn id(section: &mut Section<'_>) -> Option<At<ClientId>> {
    if !section.has("id") {
        section.problems.note(&section.place, "a client has no `id`", "write for example id = \"web-app\"");
    }
    let At { value, place } = section.text("id")?;
    let id = declared_id(&value).map_err(|error| note(section, &place, "id", error)).ok()?;
    Some(At { value: id, place })
}

/// Reads the secrets of a client that authenticates by `method`, if the method is valid. A public client must have
/// none.
fn secrets_of(
    section: &mut Section<'_>,
    method: Option<TokenEndpointAuthMethod>,
    short_secrets: bool,
) -> Option<Vec<SecretDigest>> {
    let secrets = secrets(section, short_secrets);
    match (method?, secrets) {
        (TokenEndpointAuthMethod::None, Secrets::None) => Some(Vec::new()),
        (TokenEndpointAuthMethod::None, Secrets::Wrong(place) | Secrets::Some(place, _)) => {
            let suggestion = "leave it out, or write type = \"confidential\"";
            section.problems.note(&place, "a public client has a secret", suggestion);
            None
        }
        (TokenEndpointAuthMethod::ClientSecret, Secrets::None) => {
            let suggestion = "write secret_file = \"…\"; `openssl rand -hex 32` makes a secret";
            section.problems.note(&section.place, "a confidential client has no secret", suggestion);
            None
        }
        (TokenEndpointAuthMethod::ClientSecret, Secrets::Wrong(_)) => None,
        (TokenEndpointAuthMethod::ClientSecret, Secrets::Some(_, digests)) => Some(digests),
    }
}

/// The secrets of a client as configured.
enum Secrets {
    None,
    /// The secrets have an error that is reported already.
    Wrong(Place),
    Some(Place, Vec<SecretDigest>),
}

/// Reads `secret`, `secret_file` (one secret a line) or `secrets`.
fn secrets(section: &mut Section<'_>, short_secrets: bool) -> Secrets {
    let before = section.problems.count();
    let place = section.place.clone();
    let named = ["secret", "secret_file", "secrets"].map(|key| section.has(key));
    let one = section.secret("secret", "secret_file");
    let many = section.texts("secrets");
    many.iter().flatten().for_each(|at| section.problems.note_secret(&at.place));
    if named == [false; 3] {
        return Secrets::None;
    }
    let place = one.as_ref().map_or(place, |at| at.place.clone());
    let place = many.as_ref().and_then(|list| list.first()).map_or(place, |at| at.place.clone());
    if one.is_some() && many.is_some() {
        section.problems.note(
            &place,
            "`secrets` stands beside `secret` or `secret_file`",
            "leave one of them out",
        );
    }
    let lines = one.iter().flat_map(|at| at.value.lines());
    let listed = many.iter().flatten().map(|at| at.value.as_str());
    let texts: Vec<Zeroizing<String>> =
        lines.chain(listed).map(|text| Zeroizing::new(text.to_owned())).collect();
    if texts.len() > MAX_SECRETS || (texts.is_empty() && section.problems.count() == before) {
        let message = format!("a confidential client has 1 to {MAX_SECRETS} secrets, not {}", texts.len());
        section.problems.note(
            &place,
            message,
            "keep the current one, and the one before while it is being replaced",
        );
    }
    for text in &texts {
        check_secret(section, &place, text, short_secrets);
    }
    if section.problems.count() > before {
        return Secrets::Wrong(place);
    }
    Secrets::Some(place, texts.iter().map(|text| SecretDigest::of(text)).collect())
}

fn check_secret(section: &Section<'_>, place: &Place, text: &str, short_secrets: bool) {
    let least = if short_secrets { 1 } else { MIN_SECRET };
    let length = text.chars().count();
    if length < least || length > MAX_SECRET {
        let message = format!("a client secret has {least} to {MAX_SECRET} characters, not {length}");
        section.problems.note(place, message, "`openssl rand -hex 32` makes one");
    }
    // RFC 6749 §A.2: client-secret = *VSCHAR.
    if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
        section.problems.note(
            place,
            "a client secret is not printable ASCII",
            "`openssl rand -hex 32` makes one",
        );
    }
}
