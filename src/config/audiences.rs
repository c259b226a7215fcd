//! `[audiences]` and `[scopes]`: the resource servers, their scopes, and the roles that scopes need.

use std::collections::BTreeMap;

use super::section::{At, Section, suggest};
use crate::oauth::{Audience, Scope};

/// The scopes of heirloom's own API. Its audience is the issuer.
pub const OWN_SCOPES: [&str; 5] = ["account", "admin", "email", "openid", "profile"];

/// A resource server: an audience of access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudienceRules {
    /// Its name, as in `aud` (RFC 9068 §2.2) and `resource` (RFC 8707).
    pub name: Audience,
    /// Its scopes; no other audience has the same ones.
    pub scopes: Scope,
    /// The `typ` of its tokens' header.
    pub typ: AccessTokenType,
}

/// The `typ` in the header of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenType {
    /// `at+jwt` (RFC 9068 §2.1).
    AtJwt,
    /// `JWT`, for resource servers that accept nothing else.
    Jwt,
}

/// For each scope, the roles of which a user must have one. A scope that is missing here needs no role.
pub type ScopeRoles = BTreeMap<String, Vec<String>>;

/// The default: the scope `admin` needs the role `admin`.
pub(super) fn usual_roles() -> ScopeRoles {
    ScopeRoles::from([("admin".to_owned(), vec!["admin".to_owned()])])
}

/// The configured audiences.
pub(super) struct Catalogue {
    pub(super) audiences: Vec<AudienceRules>,
    /// `None` only if the configuration has errors.
    pub(super) default: Option<Audience>,
}

impl Catalogue {
    /// Every scope that a client may be given.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        let declared: Vec<&str> =
            self.audiences.iter().flat_map(|audience| audience.scopes.words()).collect();
        declared.into_iter().chain(OWN_SCOPES).chain([Scope::OFFLINE_ACCESS])
    }

    /// The audience that the setting `key` names.
    pub(super) fn find(&self, section: &mut Section<'_>, key: &'static str) -> Option<Audience> {
        let At { value, place } = section.text(key)?;
        let found = self.audiences.iter().find(|audience| audience.name.as_str() == value);
        if found.is_none() {
            let message = format!("`{key}`: there is no audience \"{}\"", value.escape_debug());
            let names = self.audiences.iter().map(|audience| audience.name.as_str());
            section.problems.note(&place, message, suggest(&value, names));
        }
        found.map(|audience| audience.name.clone())
    }
}

/// Reads `[audiences.NAME]` and `default_audience`. If none is configured, the only audience is `<issuer>/api`, without
/// scopes.
pub(super) fn audiences(root: &mut Section<'_>, issuer: Option<&str>) -> Catalogue {
    let mut audiences: Vec<AudienceRules> = Vec::new();
    for (name, section) in root.named("audiences") {
        let taken = |word: &str| {
            audiences.iter().find(|other| other.scopes.contains(word)).map(|other| other.name.clone())
        };
        if let Some(audience) = audience(&name, section, issuer, taken) {
            audiences.push(audience);
        }
    }
    if audiences.is_empty() && !root.has("default_audience") {
        let name = issuer.and_then(|issuer| format!("{issuer}/api").parse::<Audience>().ok());
        let only = |name| AudienceRules { name, scopes: Scope::empty(), typ: AccessTokenType::AtJwt };
        return Catalogue { audiences: name.clone().map(only).into_iter().collect(), default: name };
    }
    let several = audiences.len() > 1 && !root.has("default_audience");
    let mut catalogue = Catalogue { audiences, default: None };
    if several {
        let suggestion = "write default_audience = \"…\" at the top of the file";
        root.problems.note(
            &root.place,
            "there are several audiences and `default_audience` is missing",
            suggestion,
        );
    }
    let only = catalogue.audiences.first().map(|audience| audience.name.clone());
    catalogue.default =
        if root.has("default_audience") { catalogue.find(root, "default_audience") } else { only };
    catalogue
}

fn audience(
    name: &At<String>,
    mut section: Section<'_>,
    issuer: Option<&str>,
    taken: impl Fn(&str) -> Option<Audience>,
) -> Option<AudienceRules> {
    let choices = [("at+jwt", AccessTokenType::AtJwt), ("JWT", AccessTokenType::Jwt)];
    let typ = section.choice("typ", &choices).map_or(AccessTokenType::AtJwt, |at| at.value);
    let listed = scope(&mut section, "scopes").unwrap_or_default();
    for At { value, place } in &listed {
        if let Some(reason) = reserved(value) {
            section.problems.note(place, format!("the scope `{value}` can't be declared"), reason);
        } else if let Some(other) = taken(value) {
            let message = format!("the scope `{value}` belongs to the audience \"{other}\" already");
            section.problems.note(
                place,
                message,
                "a scope belongs to one audience: give one of them another name",
            );
        }
    }
    let problems = section.problems;
    section.finish();
    if issuer == Some(name.value.as_str()) {
        let message = "an audience is called like the issuer";
        problems.note(
            &name.place,
            message,
            "the issuer names heirloom's own API: call the audience something else",
        );
        return None;
    }
    match name.value.parse() {
        Ok(name) => {
            Some(AudienceRules { name, scopes: listed.iter().map(|at| at.value.as_str()).collect(), typ })
        }
        Err(error) => {
            let suggestion = "write a word or a URL, such as [audiences.\"https://api.example.com\"]";
            problems.note(&name.place, format!("{error}"), suggestion);
            None
        }
    }
}

/// Why an audience can't have this scope; `None` if it can.
fn reserved(word: &str) -> Option<&'static str> {
    match word {
        Scope::OFFLINE_ACCESS => Some("it is built in: it asks for a refresh token; leave it out here"),
        word if OWN_SCOPES.contains(&word) => {
            Some("it is built in: it belongs to heirloom's own API; leave it out here")
        }
        _ => None,
    }
}

/// Reads a list of scopes; one text may have several, separated by spaces.
pub(super) fn scope(section: &mut Section<'_>, key: &'static str) -> Option<Vec<At<String>>> {
    let mut words: Vec<At<String>> = Vec::new();
    for At { value, place } in section.texts(key)? {
        match value.parse::<Scope>() {
            Ok(scope) => {
                words.extend(scope.words().map(|word| At { value: word.to_owned(), place: place.clone() }));
            }
            Err(error) => {
                section.problems.note(&place, format!("`{key}`: {error}"), "write for example \"read\"");
            }
        }
    }
    if words.len() > Scope::MAX_WORDS {
        let message = format!("`{key}` has more than {} scopes", Scope::MAX_WORDS);
        section.problems.note(&section.place, message, "fewer and wider scopes keep tokens short");
    }
    Some(words)
}

/// Reads `[scopes.NAME]`.
pub(super) fn roles(root: &mut Section<'_>, catalogue: &Catalogue) -> ScopeRoles {
    let mut roles = usual_roles();
    for (name, mut section) in root.named("scopes") {
        if !catalogue.scopes().any(|scope| scope == name.value) {
            let message = format!("no audience has a scope `{}`", name.value.escape_debug());
            section.problems.note(&name.place, message, suggest(&name.value, catalogue.scopes()));
        }
        let required = section.texts("requires").unwrap_or_default();
        let words: Vec<String> =
            required.into_iter().map(|at| at.value).filter(|role| !role.is_empty()).collect();
        if words.is_empty() {
            let suggestion = "write requires = [\"…\"]; a scope that anybody may have needs no section";
            section.problems.note(
                &name.place,
                format!("[scopes.{}] requires no role", name.value.escape_debug()),
                suggestion,
            );
        }
        section.finish();
        roles.insert(name.value, words);
    }
    roles
}
