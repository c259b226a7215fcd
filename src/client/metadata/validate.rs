//! Validates client metadata, wherever they come from.

use super::error::{Faults, MetadataError, instead, sentence, shown, twice};
use super::field::Field;
use super::logo::named;
use super::raw::RawMetadata;
use super::rules::MetadataRules;
use super::settings::{Delivery, RefreshTokens, ReusePolicy, TokenEndpointAuthMethod};
use super::sign_in::check_words;
use super::stored::ClientMetadata;
use super::time::{lifetime, retry_window};
use crate::oauth::role::is_role;
use crate::oauth::word_list::{Word, missing};
use crate::oauth::{Audience, ClientId, GrantType, Scope};

/// The longest `client_name`, in bytes.
const LONGEST_NAME: usize = 200;
/// The most roles of a client.
const MOST_ROLES: usize = 16;

impl RawMetadata {
    /// Validates every field, and rules that span fields. `id` is none where it is made up later, or wrong.
    ///
    /// # Errors
    /// All errors, in the order of the fields.
    pub fn validate(
        &self,
        id: Option<&ClientId>,
        rules: &MetadataRules<'_>,
    ) -> Result<ClientMetadata, Vec<MetadataError>> {
        let faults = &mut Faults::default();
        self.id_beside_grants(id, faults);
        let method = self.auth_method(faults);
        let usual = rules.usual(method);
        let client_name = self.name(faults).unwrap_or(usual.client_name);
        let grant_types =
            self.grants(method, rules, faults).unwrap_or_else(|| self.usual_grants(usual.grant_types));
        let scope = self.scopes(rules, faults).unwrap_or(usual.scope);
        let own_roles = self.roles(&grant_types, faults).unwrap_or(usual.roles);
        let default_audience = self.audience(rules, faults).unwrap_or(usual.default_audience);
        let refresh_tokens = self.refresh_tokens(usual.refresh_tokens, &grant_types, &scope, faults);
        let lifetimes = self.lifetimes(usual.lifetimes, rules.longest_access_token, faults);
        let retry_window = self.window(method, usual.retry_window, lifetimes, faults);
        let reuse = faults.word(Field::Reuse, self.reuse.as_deref(), usual.reuse);
        let introspects = self.introspects(method, rules, faults);
        let introspects_usernames = self.introspects_usernames(faults);
        let origins = self.origins(rules, faults);
        let refresh_token_delivery = self.delivery(method, rules, faults);
        let logo = self.logo(rules, faults);
        let sign_in = self.sign_in(method, &grant_types, rules, faults);
        if !faults.0.is_empty() {
            faults.0.sort_by_key(|error| (error.field, error.item));
            return Err(std::mem::take(&mut faults.0));
        }
        Ok(ClientMetadata {
            client_name,
            token_endpoint_auth_method: method,
            grant_types,
            scope,
            roles: own_roles,
            default_audience,
            refresh_tokens,
            lifetimes,
            retry_window,
            reuse,
            revoke_access_tokens: self.revoke_access_tokens.unwrap_or(usual.revoke_access_tokens),
            introspects,
            introspects_usernames,
            origins,
            refresh_token_delivery,
            redirect_uris: sign_in.redirect_uris,
            post_logout_redirect_uris: sign_in.post_logout_redirect_uris,
            require_pushed_authorization_requests: sign_in.require_pushed_authorization_requests,
            pkce: sign_in.pkce,
            consent: sign_in.consent,
            backchannel_logout_uri: sign_in.backchannel_logout_uri,
            client_uri: sign_in.client_uri,
            policy_uri: sign_in.policy_uri,
            tos_uri: sign_in.tos_uri,
            logo,
            id_token_signed_response_alg: sign_in.id_token_signed_response_alg,
        })
    }

    /// The errors in fields that can be checked without the configuration: words of closed lists, and durations.
    #[must_use]
    pub fn check_alone(&self) -> Vec<MetadataError> {
        let faults = &mut Faults::default();
        self.auth_method(faults);
        for (item, text) in self.grant_types.iter().flatten().enumerate() {
            if GrantType::of(text).is_none() {
                faults.add(MetadataError::not_one_of::<GrantType>(Field::GrantTypes, text).at(item));
            }
        }
        faults.word(Field::RefreshTokens, self.refresh_tokens.as_deref(), RefreshTokens::Always);
        let lifetimes = [
            (Field::AccessToken, &self.access_token),
            (Field::RefreshIdle, &self.refresh_idle),
            (Field::RefreshAbsolute, &self.refresh_absolute),
        ];
        let lifetimes = lifetimes.into_iter().filter_map(|(field, raw)| lifetime(field, raw.as_ref()?).err());
        faults.0.extend(lifetimes);
        faults.0.extend(self.retry_window.as_ref().and_then(|raw| retry_window(raw).err()));
        faults.word(Field::Reuse, self.reuse.as_deref(), ReusePolicy::default());
        faults.word(Field::RefreshTokenDelivery, self.refresh_token_delivery.as_deref(), Delivery::default());
        check_words(self, faults);
        let _ = named(self, faults);
        std::mem::take(&mut faults.0)
    }

    fn auth_method(&self, faults: &mut Faults) -> TokenEndpointAuthMethod {
        const FIELD: Field = Field::TokenEndpointAuthMethod;
        let text = self.token_endpoint_auth_method.as_deref();
        if text.is_none() {
            let suggestion = "Write public for an app that can't keep a secret, else confidential.";
            faults.add(MetadataError::new(FIELD, "required", missing(FIELD.name())).suggesting(suggestion));
        }
        faults.word(FIELD, text, TokenEndpointAuthMethod::None)
    }

    /// A client whose id looks like a user's can't act for itself: resource servers would take its `sub` for the user's (RFC
    /// 9068 §5).
    fn id_beside_grants(&self, id: Option<&ClientId>, faults: &mut Faults) {
        let mut listed = self.grant_types.iter().flatten();
        let item = listed.position(|text| GrantType::of(text) == Some(GrantType::ClientCredentials));
        if let (Some(item), Some(id)) = (item, id)
            && id.is_uuid()
        {
            let problem =
                format!("The id {id} is a UUID, as the ids of users are, and would be the sub of tokens.");
            let suggestion = "Give the client another id, or leave client_credentials out.";
            let error = MetadataError::new(Field::GrantTypes, "id_of_a_user", problem);
            faults.add(error.suggesting(suggestion).at(item));
        }
    }

    fn name(&self, faults: &mut Faults) -> Option<String> {
        let name = self.client_name.as_ref()?;
        if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            let problem = format!("The name has more than {LONGEST_NAME} bytes or a control character.");
            let error = MetadataError::new(Field::ClientName, "not_permitted", problem);
            faults.add(error.suggesting("Write a short name on one line."));
        }
        Some(name.clone())
    }

    /// The grants of a client that lists none: the usual ones, and the authorization code if it has a redirect URI.
    fn usual_grants(&self, usual: Vec<GrantType>) -> Vec<GrantType> {
        let has_redirect = self.redirect_uris.as_ref().is_some_and(|listed| !listed.is_empty());
        usual.into_iter().chain(has_redirect.then_some(GrantType::AuthorizationCode)).collect()
    }

    /// Left out, it means every usual grant that is on. Only a resource server may have no grants.
    fn grants(
        &self,
        method: TokenEndpointAuthMethod,
        rules: &MetadataRules<'_>,
        faults: &mut Faults,
    ) -> Option<Vec<GrantType>> {
        const FIELD: Field = Field::GrantTypes;
        let is_public = method.is_public() && !faults.any(&[Field::TokenEndpointAuthMethod]);
        let listed = self.grant_types.as_ref()?;
        let mut grants = Vec::new();
        for (item, text) in listed.iter().enumerate() {
            match GrantType::of(text) {
                None => faults.add(MetadataError::not_one_of::<GrantType>(FIELD, text).at(item)),
                Some(grant) if !rules.grant_types.contains(&grant) => {
                    let suggestion = format!(
                        "To turn it on, set {grant} = true in [grants] of the configuration; RFC 9700 §2.4 says why it is off.",
                        grant = grant.as_str()
                    );
                    let problem = format!("The {} grant is turned off on this server.", grant.as_str());
                    faults.add(MetadataError::new(FIELD, "off", problem).suggesting(suggestion).at(item));
                }
                Some(grant) if grant.is_confidential() && is_public => {
                    let grant = grant.as_str();
                    let problem = format!("A public client can't have the {grant} grant: it has no secret.");
                    let error = MetadataError::new(FIELD, "public", problem).at(item);
                    faults.add(error.suggesting("Leave it out, or make the client confidential."));
                }
                Some(grant) if grants.contains(&grant) => faults.add(twice(FIELD, item, grant.as_str())),
                Some(grant) => grants.push(grant),
            }
        }
        if listed.is_empty() && self.introspects.as_ref().is_none_or(Vec::is_empty) {
            let problem = "The client has no grant, as only a resource server may.";
            let error = MetadataError::new(FIELD, "empty", problem);
            faults.add(error.suggesting("To switch a client off, disable it."));
        }
        Some(grants)
    }

    fn scopes(&self, rules: &MetadataRules<'_>, faults: &mut Faults) -> Option<Scope> {
        const FIELD: Field = Field::Scope;
        let mut words: Vec<String> = Vec::new();
        for (item, text) in self.scope.as_ref()?.iter().enumerate() {
            let scope = match text.parse::<Scope>() {
                Ok(scope) => scope,
                Err(error) => {
                    let problem = sentence(&error.to_string());
                    faults.add(MetadataError::new(FIELD, "not_permitted", problem).at(item));
                    continue;
                }
            };
            for word in scope.words() {
                if !rules.scopes.contains(word) {
                    let known = rules.scopes.iter().copied();
                    faults.add(MetadataError::unknown_scope(word, known).at(item));
                }
                words.push(word.to_owned());
            }
        }
        if words.len() > Scope::MAX_WORDS {
            let problem = format!("A client has at most {} scopes.", Scope::MAX_WORDS);
            let error = MetadataError::new(FIELD, "not_permitted", problem);
            faults.add(error.suggesting("Fewer and wider scopes keep tokens short."));
        }
        Some(words.iter().map(String::as_str).collect())
    }

    /// Only a client that acts for itself has roles of its own: elsewhere the user's count.
    fn roles(&self, grants: &[GrantType], faults: &mut Faults) -> Option<Vec<String>> {
        const FIELD: Field = Field::Roles;
        let listed = self.roles.as_ref()?;
        let mut roles = Vec::new();
        for (item, role) in listed.iter().enumerate() {
            if !is_role(role) {
                let problem = format!("{} is no role.", shown(role));
                let suggestion = "A role has 1 to 64 letters, digits or any of . _ : -.";
                let error = MetadataError::new(FIELD, "not_permitted", problem);
                faults.add(error.suggesting(suggestion).at(item));
            } else if roles.contains(role) {
                faults.add(twice(FIELD, item, role));
            } else {
                roles.push(role.clone());
            }
        }
        if listed.len() > MOST_ROLES {
            let problem = format!("A client has at most {MOST_ROLES} roles.");
            let error = MetadataError::new(FIELD, "too_many", problem);
            faults.add(error.suggesting("Fewer and wider roles keep tokens short."));
        }
        let acts_for_itself = grants.contains(&GrantType::ClientCredentials);
        if !listed.is_empty() && !acts_for_itself && !faults.any(&[Field::GrantTypes]) {
            let problem = "It is set for a client without the client_credentials grant.";
            let error = MetadataError::new(FIELD, "no_grant", problem);
            faults.add(
                error.suggesting("Add client_credentials to its grants: for users, their own roles count."),
            );
        }
        Some(roles)
    }

    fn audience(&self, rules: &MetadataRules<'_>, faults: &mut Faults) -> Option<Audience> {
        let text = self.default_audience.as_ref()?;
        known_audience(Field::DefaultAudience, text, rules).map_err(|error| faults.add(error)).ok()
    }

    /// Must fit the client's grants and scopes.
    fn refresh_tokens(
        &self,
        usual: RefreshTokens,
        grants: &[GrantType],
        scope: &Scope,
        faults: &mut Faults,
    ) -> RefreshTokens {
        const FIELD: Field = Field::RefreshTokens;
        let asked = self.refresh_tokens.as_deref();
        let refresh_tokens = faults.word(FIELD, asked, usual);
        let is_set = asked.is_some() && !faults.any(&[FIELD]);
        if !grants.contains(&GrantType::RefreshToken) {
            if is_set && refresh_tokens != RefreshTokens::Never && !faults.any(&[Field::GrantTypes]) {
                let problem = "It is set for a client without the refresh_token grant.";
                let suggestion = "Add refresh_token to its grants, or write never.";
                faults.add(MetadataError::new(FIELD, "no_grant", problem).suggesting(suggestion));
            }
            return RefreshTokens::Never;
        }
        let unreachable =
            refresh_tokens == RefreshTokens::OfflineAccess && !scope.contains(Scope::OFFLINE_ACCESS);
        if is_set && unreachable && !faults.any(&[Field::Scope]) {
            let problem = "The client may not ask for offline_access, so it could never get a refresh token.";
            let error = MetadataError::new(FIELD, "no_scope", problem);
            faults.add(error.suggesting("Add offline_access to its scopes."));
        }
        refresh_tokens
    }

    fn introspects(
        &self,
        method: TokenEndpointAuthMethod,
        rules: &MetadataRules<'_>,
        faults: &mut Faults,
    ) -> Vec<Audience> {
        const FIELD: Field = Field::Introspects;
        let listed = self.introspects.as_deref().unwrap_or_default();
        let mut introspects = Vec::new();
        for (item, text) in listed.iter().enumerate() {
            match known_audience(FIELD, text, rules) {
                Ok(audience) if introspects.contains(&audience) => {}
                Ok(audience) => introspects.push(audience),
                Err(error) => faults.add(error.at(item)),
            }
        }
        let is_public = method.is_public() && !faults.any(&[Field::TokenEndpointAuthMethod]);
        if !introspects.is_empty() && is_public {
            let error = MetadataError::new(FIELD, "public", "A public client can't introspect tokens.");
            let suggestion = "A resource server is confidential, with no grants if it is nothing else.";
            faults.add(error.suggesting(suggestion));
        }
        introspects
    }

    fn introspects_usernames(&self, faults: &mut Faults) -> bool {
        let learns = self.introspects_usernames.unwrap_or(false);
        if learns && self.introspects.as_ref().is_none_or(Vec::is_empty) {
            let problem = "A client that introspects nothing learns no user's name.";
            let error = MetadataError::new(Field::IntrospectsUsernames, "no_introspects", problem);
            faults.add(error.suggesting("Set introspects to the audiences that it is."));
        }
        learns
    }
}

fn known_audience(field: Field, text: &str, rules: &MetadataRules<'_>) -> Result<Audience, MetadataError> {
    let parsed = text.parse::<Audience>().ok();
    if let Some(audience) = parsed.as_ref().filter(|audience| rules.audiences.contains(audience)) {
        return Ok(audience.clone());
    }
    let rule = if parsed.is_some() { "unknown" } else { "not_permitted" };
    let known = rules.audiences.iter().map(|audience| audience.as_str());
    let problem = format!("There is no audience {}.", shown(text));
    Err(MetadataError::new(field, rule, problem).suggesting(instead(text, known)))
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
