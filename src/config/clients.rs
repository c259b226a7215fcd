//! `[[clients]]`: the clients that the file declares.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::audiences::{Catalogue, scope};
use super::browser;
use super::problem::Place;
use super::section::{At, Section, suggest};
use super::tokens::{self, TokenRules};
use crate::client::{
    ClientMetadata, RefreshTokens, Registration, RetryWindow, SecretDigest, TokenEndpointAuthMethod,
};
use crate::oauth::{Audience, ClientId, GrantType, Scope};

/// The shortest client secret, in characters: 32 hexadecimal digits of a good generator have 128 bits (RFC 6749
/// §10.10).
pub const MIN_SECRET: usize = 32;
/// The longest.
pub const MAX_SECRET: usize = 256;
/// The most secrets that a client has at a time: the old one, the new one, and some room.
const MAX_SECRETS: usize = 4;

/// What a client is checked against.
pub(super) struct Surroundings<'a> {
    pub(super) rules: &'a TokenRules,
    pub(super) catalogue: &'a Catalogue,
    pub(super) password_grant: bool,
    pub(super) short_secrets: bool,
    /// `None` only if there are mistakes.
    pub(super) issuer: Option<&'a str>,
}

/// Reads every `[[clients]]`.
pub(super) fn clients(root: &mut Section<'_>, around: &Surroundings<'_>) -> Vec<Registration> {
    let mut seen: BTreeMap<ClientId, Place> = BTreeMap::new();
    let mut clients = Vec::new();
    for mut section in root.listed("clients") {
        let problems = section.problems;
        let suggestion = "write for example id = \"web-app\"";
        if !section.has("id") {
            problems.note(&section.place, "a client has no `id`", suggestion);
        }
        let id = section.parsed::<ClientId>("id", suggestion);
        if let Some(At { value, place }) = &id
            && let Some(first) = seen.insert(value.clone(), place.clone())
        {
            let message = format!("the client `{value}` is declared twice, first at {first}");
            problems.note(place, message, "give one of them another id");
        }
        if let Some(At { value, place }) = &id
            && value.is_dots()
        {
            let message =
                format!("a client can't have the id `{value}`: in a URL it is a step between folders");
            problems.note(place, message, suggestion);
        }
        // The section is read even if its id is wrong: all mistakes are shown at once.
        clients.extend(client(section, id.map(|at| at.value), around));
    }
    clients
}

fn client(mut section: Section<'_>, id: Option<ClientId>, around: &Surroundings<'_>) -> Option<Registration> {
    let name = section.text("name").map(|at| at.value).unwrap_or_default();
    let authentication = authentication(&mut section, around.short_secrets);
    let method = authentication.as_ref().map(|(method, _)| *method);
    let introspects = around.catalogue.find_all(&mut section, "introspects");
    let grants = grants(&mut section, around.password_grant, !introspects.is_empty());
    let scopes = scopes(&mut section, around.catalogue);
    let default_audience = default_audience(&mut section, around.catalogue);
    let refresh_tokens = refresh_tokens(&mut section, &grants, &scopes, around.rules);
    let lifetimes = tokens::lifetimes(&mut section, around.rules.lifetimes);
    let retry_window = retry_window(&mut section, method, &lifetimes, around.rules);
    let reuse = tokens::reuse(&mut section).unwrap_or(around.rules.reuse);
    let browser = browser::browser(&mut section, method, around.issuer);
    // Where the secret is wrong, that alone is told.
    if method == Some(TokenEndpointAuthMethod::None)
        && let Some(first) = introspects.first()
    {
        let suggestion =
            "a resource server is type = \"confidential\", with grants = [] if it is nothing else";
        section.problems.note(&first.place, "a public client can't introspect tokens", suggestion);
    }
    let usernames = section.boolean("introspects_usernames").filter(|at| at.value);
    if let Some(at) = usernames.as_ref().filter(|_| introspects.is_empty()) {
        let message = "a client that introspects nothing learns no user's name";
        section.problems.note(&at.place, message, "set `introspects` to the audiences that it is");
    }
    let revoke_access_tokens = section.boolean("revoke_access_tokens").is_none_or(|at| at.value);
    let disabled = section.boolean("disabled").is_some_and(|at| at.value);
    section.finish();
    let (token_endpoint_auth_method, secrets) = authentication?;
    let metadata = ClientMetadata {
        client_name: name,
        token_endpoint_auth_method,
        grant_types: grants,
        scope: scopes,
        default_audience: default_audience?,
        refresh_tokens,
        lifetimes: lifetimes.value,
        retry_window: retry_window?,
        reuse,
        revoke_access_tokens,
        introspects: introspects.into_iter().map(|at| at.value).collect(),
        introspects_usernames: usernames.is_some(),
        origins: browser.origins,
        refresh_token_delivery: browser.delivery,
    };
    Some(Registration { id: id?, metadata, secrets, disabled })
}

/// Reads `type` and the secrets that go with it.
fn authentication(
    section: &mut Section<'_>,
    short_secrets: bool,
) -> Option<(TokenEndpointAuthMethod, Vec<SecretDigest>)> {
    let suggestion =
        "write type = \"public\" for an app that can't keep a secret, else type = \"confidential\"";
    let has_type = section.has("type");
    let confidential = section.choice("type", &[("public", false), ("confidential", true)]);
    let secrets = secrets(section, short_secrets);
    if !has_type {
        section.problems.note(&section.place, "a client has no `type`", suggestion);
    }
    match (confidential?.value, secrets) {
        (false, Secrets::None) => Some((TokenEndpointAuthMethod::None, Vec::new())),
        (false, Secrets::Wrong(place) | Secrets::Some(place, _)) => {
            section.problems.note(&place, "a public client has a secret", suggestion);
            None
        }
        (true, Secrets::None) => {
            let suggestion = "write secret_file = \"…\"; `openssl rand -hex 32` makes a secret";
            section.problems.note(&section.place, "a confidential client has no secret", suggestion);
            None
        }
        (true, Secrets::Wrong(_)) => None,
        (true, Secrets::Some(_, digests)) => Some((TokenEndpointAuthMethod::ClientSecret, digests)),
    }
}

/// What was read of a client's secrets.
enum Secrets {
    None,
    /// Some, with a mistake that is noted already.
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

/// Reads `grants`; without it a client has every grant that is on. Only a resource server may have none.
fn grants(section: &mut Section<'_>, password_grant: bool, resource_server: bool) -> Vec<GrantType> {
    let Some(listed) = section.texts("grants") else {
        return GrantType::ALL
            .into_iter()
            .filter(|grant| password_grant || *grant != GrantType::Password)
            .collect();
    };
    let mut grants = Vec::new();
    for At { value, place } in &listed {
        match value.parse() {
            Ok(GrantType::Password) if !password_grant => {
                let suggestion =
                    "set password = true in [grants]; RFC 9700 §2.4 says why it is off until then";
                section.problems.note(place, "a client has the password grant, which is off", suggestion);
            }
            Ok(grant) if grants.contains(&grant) => {
                section.problems.note(
                    place,
                    format!("the grant {value} is listed twice"),
                    "leave one of them out",
                );
            }
            Ok(grant) => grants.push(grant),
            Err(_) => {
                let message = format!("there is no grant \"{}\"", value.escape_debug());
                let known = GrantType::ALL.map(GrantType::as_str);
                section.problems.note(place, message, suggest(value, known.into_iter()));
            }
        }
    }
    if listed.is_empty() && !resource_server {
        section.problems.note(
            &section.place,
            "a client has no grant",
            "to switch it off, write disabled = true",
        );
    }
    grants
}

/// Reads `scopes`, of those that are declared.
fn scopes(section: &mut Section<'_>, catalogue: &Catalogue) -> Scope {
    let words = scope(section, "scopes").unwrap_or_default();
    for At { value, place } in &words {
        if value == "openid" {
            let suggestion = "heirloom has no ID tokens yet: leave `openid` out";
            section.problems.note(place, "the scope `openid` is not supported", suggestion);
        } else if !catalogue.scopes().any(|known| known == value) {
            let message = format!("no audience has a scope `{value}`");
            section.problems.note(place, message, suggest(value, catalogue.scopes()));
        }
    }
    words.iter().map(|at| at.value.as_str()).collect()
}

/// Reads `default_audience`.
fn default_audience(section: &mut Section<'_>, catalogue: &Catalogue) -> Option<Audience> {
    if section.has("default_audience") {
        return catalogue.find(section, "default_audience");
    }
    catalogue.default.clone()
}

/// Reads `refresh_tokens`, which must fit the grants and scopes.
fn refresh_tokens(
    section: &mut Section<'_>,
    grants: &[GrantType],
    scopes: &Scope,
    rules: &TokenRules,
) -> RefreshTokens {
    let set = tokens::refresh_tokens(section);
    if !grants.contains(&GrantType::RefreshToken) {
        if let Some(At { value: RefreshTokens::Always | RefreshTokens::OfflineAccess, place }) = set {
            let message = "`refresh_tokens` is set for a client without the refresh_token grant";
            section.problems.note(&place, message, "add \"refresh_token\" to its grants, or write \"never\"");
        }
        return RefreshTokens::Never;
    }
    if let Some(At { value: RefreshTokens::OfflineAccess, place }) = &set
        && !scopes.contains(Scope::OFFLINE_ACCESS)
    {
        let message = "this client could never get a refresh token: it may not ask for `offline_access`";
        section.problems.note(place, message, "add \"offline_access\" to its scopes");
    }
    set.map_or(rules.refresh_tokens, |at| at.value)
}

/// Reads `retry_window`, which must fit the kind of client and the life of its access tokens.
fn retry_window(
    section: &mut Section<'_>,
    method: Option<TokenEndpointAuthMethod>,
    lifetimes: &tokens::ReadLifetimes,
    rules: &TokenRules,
) -> Option<RetryWindow> {
    let set = tokens::retry_window(section, "retry_window");
    let public = method?.is_public();
    let window =
        set.as_ref().map_or_else(|| method.map(|method| rules.window(method)), |at| Some(at.value))?;
    // Without either setting of its own, it is `[tokens]` that is right or wrong.
    let place = set.as_ref().map(|at| &at.place).or(lifetimes.access_place.as_ref());
    if let Some(place) = place.filter(|_| public) {
        tokens::check_public_window(section, place, window, lifetimes.value.access_token);
    }
    Some(window)
}
