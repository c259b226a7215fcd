//! The catalogue of scopes: the audience of each, and the roles it needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::error::{ScopeRefused, TokenError};
use crate::client::{RefreshTokens, Registration};
use crate::oauth::{Audience, Scope};
use crate::token::signing::TokenType;

/// All scopes but `offline_access`.
#[derive(Clone, Debug)]
pub struct ScopeCatalogue {
    issuer: Audience,
    default_audience: Audience,
    audiences: BTreeMap<Audience, TokenType>,
    scopes: HashMap<Box<str>, ScopeEntry>,
}

#[derive(Clone, Debug)]
struct ScopeEntry {
    audience: Audience,
    requires: Vec<String>,
}

/// What a sign-in grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The granted scope, before the user's roles are checked.
    pub scope: Scope,
    /// The resource server; none if the token is for heirloom's own API alone.
    pub audience: Option<Audience>,
}

impl ScopeCatalogue {
    /// The scopes of heirloom's own API. Only they bring the issuer into `aud`.
    pub const OWN: [&'static str; 5] = ["account", "admin", "email", "openid", "profile"];

    /// A catalogue with heirloom's own scopes, under the audience `issuer`. A token for which nothing names another
    /// audience is for `default_audience`.
    #[must_use]
    pub fn new(issuer: Audience, default_audience: Audience) -> Self {
        let own = |word: &str| (word.into(), ScopeEntry { audience: issuer.clone(), requires: Vec::new() });
        let scopes = Self::OWN.into_iter().map(own).collect();
        Self {
            audiences: BTreeMap::from([(issuer.clone(), TokenType::AtJwt)]),
            issuer,
            default_audience,
            scopes,
        }
    }

    /// Whether a scope is heirloom's own: of its API, or about the person and the sign-in.
    #[must_use]
    pub fn is_own(word: &str) -> bool {
        Self::OWN.contains(&word) || matches!(word, Scope::OPENID | Scope::OFFLINE_ACCESS | "email")
    }

    /// Adds a resource server and its scopes.
    pub fn declare(&mut self, audience: &Audience, typ: TokenType, scopes: &Scope) {
        self.audiences.insert(audience.clone(), typ);
        for word in scopes.words() {
            let entry = ScopeEntry { audience: audience.clone(), requires: Vec::new() };
            self.scopes.insert(word.into(), entry);
        }
    }

    /// Makes a scope need one of `roles`; an empty list needs none.
    pub fn require(&mut self, scope: &str, roles: Vec<String>) {
        if let Some(entry) = self.scopes.get_mut(scope) {
            entry.requires = roles;
        }
    }

    /// All scopes, for the metadata; sorted.
    #[must_use]
    pub fn words(&self) -> BTreeSet<&str> {
        self.scopes.keys().map(AsRef::as_ref).chain([Scope::OFFLINE_ACCESS]).collect()
    }

    /// The resource servers, without heirloom itself.
    pub fn declared_audiences(&self) -> impl Iterator<Item = &Audience> {
        self.audiences.keys().filter(|audience| **audience != self.issuer)
    }

    /// Whether there is such a resource server, or it is heirloom itself.
    #[must_use]
    pub fn has_audience(&self, audience: &Audience) -> bool {
        self.audiences.contains_key(audience)
    }

    /// The `typ` of tokens for `audience`.
    #[must_use]
    pub fn token_type(&self, audience: Option<&Audience>) -> TokenType {
        audience.and_then(|audience| self.audiences.get(audience)).copied().unwrap_or_default()
    }

    /// Decides what a sign-in grants: the scope that was asked for, or else every scope that the client is registered
    /// for under the one resource server that the token is for. Heirloom's own scopes and `offline_access` are granted
    /// only when asked for.
    ///
    /// # Errors
    /// [`TokenError::Scope`] for a scope that is unknown or that the client is not registered for, and for scopes of two
    /// audiences;
    /// [`TokenError::Target`] for a resource that is unknown, none of the client's, or heirloom itself without one of its
    /// scopes (RFC 8707 §2).
    pub fn grant(
        &self,
        requested: Option<&Scope>,
        resources: &[Audience],
        registration: &Registration,
    ) -> Result<Grant, TokenError> {
        let target = self.target(resources, registration)?;
        // RFC 8707 §2: a token that is not for the requested resource would be of no use to the client.
        if resources.contains(&self.issuer) && !requested.is_some_and(|requested| self.has_own(requested)) {
            return Err(TokenError::Target);
        }
        let Some(requested) = requested else {
            let audience = target.unwrap_or(&registration.metadata.default_audience).clone();
            let scope =
                registration.metadata.scope.filtered(|word| self.audience_of(word) == Some(&audience));
            return Ok(Grant { scope, audience: Some(audience) });
        };
        if let Some(refused) = requested.words().find_map(|word| self.refused(word, registration)) {
            return Err(refused.into());
        }
        let audience = match self.one_audience(requested, target)? {
            Some(one) => Some(one.clone()),
            None if self.has_own(requested) => None,
            None => Some(registration.metadata.default_audience.clone()),
        };
        Ok(Grant { scope: requested.clone(), audience })
    }

    /// The one resource server of the scopes `requested` and the resource `target`; `None` if they name none.
    fn one_audience<'a>(
        &'a self,
        requested: &Scope,
        target: Option<&'a Audience>,
    ) -> Result<Option<&'a Audience>, ScopeRefused> {
        let mut found: Option<(&str, &Audience)> = None;
        for word in requested.words() {
            let Some(audience) = self.audience_of(word).filter(|audience| **audience != self.issuer) else {
                continue;
            };
            if target.is_some_and(|target| target != audience) {
                return Err(ScopeRefused::OtherServer(word.into()));
            }
            match found {
                Some((first, other)) if other != audience => {
                    return Err(ScopeRefused::TwoServers(first.into(), word.into()));
                }
                Some(_) => {}
                None => found = Some((word, audience)),
            }
        }
        Ok(found.map(|(_, audience)| audience).or(target))
    }

    /// Why the client may not have a scope; `None` if it may.
    fn refused(&self, word: &str, registration: &Registration) -> Option<ScopeRefused> {
        if !self.is_known(word) {
            Some(ScopeRefused::Unknown(word.into()))
        } else if !Self::may_have(registration, word) {
            Some(ScopeRefused::NotRegistered(word.into()))
        } else {
            None
        }
    }

    /// Why nothing of `requested` is permitted now, out of what was `granted` to an authenticated user.
    #[must_use]
    pub fn not_permitted(
        &self,
        requested: &Scope,
        granted: &Scope,
        registration: &Registration,
    ) -> ScopeRefused {
        let beyond = requested.words().find(|word| !granted.contains(word));
        let refused = || requested.words().find_map(|word| self.refused(word, registration));
        match beyond {
            Some(word) => ScopeRefused::NotGranted(word.into()),
            None => refused()
                .unwrap_or_else(|| ScopeRefused::Role(requested.words().next().unwrap_or_default().into())),
        }
    }

    /// The part of `scope` that the client may have and the user's roles permit now.
    #[must_use]
    pub fn permitted(&self, scope: &Scope, registration: &Registration, roles: &[String]) -> Scope {
        scope.filtered(|word| {
            let role_fits = self.scopes.get(word).is_none_or(|entry| {
                entry.requires.is_empty() || entry.requires.iter().any(|role| roles.contains(role))
            });
            role_fits && Self::may_have(registration, word) && self.is_known(word)
        })
    }

    /// The audiences of a token (RFC 9068 §2.2): the resource server, and the issuer if a scope of its own is in it.
    #[must_use]
    pub fn audiences<'a>(&'a self, audience: Option<&'a Audience>, scope: &Scope) -> Vec<&'a str> {
        let own = self.has_own(scope).then_some(&self.issuer);
        // RFC 9068 §2.2 requires an `aud`; the issuer's own API is never open without one of its scopes.
        let audience = audience.or_else(|| own.is_none().then_some(&self.default_audience));
        audience.into_iter().chain(own).map(Audience::as_str).collect()
    }

    /// The part of `resources` that must be a session's one resource server. heirloom itself is left out if one of its
    /// scopes is `granted`.
    #[must_use]
    pub fn resource_servers(&self, mut resources: Vec<Audience>, granted: &Scope) -> Vec<Audience> {
        if self.has_own(granted) {
            resources.retain(|resource| *resource != self.issuer);
        }
        resources
    }

    fn target<'a>(
        &'a self,
        resources: &[Audience],
        registration: &Registration,
    ) -> Result<Option<&'a Audience>, TokenError> {
        let mut target: Option<&Audience> = None;
        for resource in resources.iter().filter(|resource| **resource != self.issuer) {
            let (known, _) = self.audiences.get_key_value(resource).ok_or(TokenError::Target)?;
            let registered = registration.metadata.default_audience == *known
                || registration.metadata.scope.words().any(|word| self.audience_of(word) == Some(known));
            if !registered || target.is_some_and(|other| other != known) {
                return Err(TokenError::Target);
            }
            target = Some(known);
        }
        Ok(target)
    }

    fn audience_of(&self, word: &str) -> Option<&Audience> {
        self.scopes.get(word).map(|entry| &entry.audience)
    }

    fn has_own(&self, scope: &Scope) -> bool {
        scope.words().any(|word| self.audience_of(word) == Some(&self.issuer))
    }

    fn is_known(&self, word: &str) -> bool {
        word == Scope::OFFLINE_ACCESS || self.scopes.contains_key(word)
    }

    fn may_have(registration: &Registration, word: &str) -> bool {
        match word {
            // It says no more than `sub`, which is in every token.
            Scope::OPENID => true,
            Scope::OFFLINE_ACCESS => registration.metadata.refresh_tokens != RefreshTokens::Never,
            word => registration.metadata.scope.contains(word),
        }
    }
}
