//! Reads the fields of client metadata in a section, and reports errors in them by their lines.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Place;
use super::section::{At, Section};
use crate::client::RawMetadata;
use crate::client::metadata::{Field, MetadataError, RawTime};

/// The fields of a section and their lines.
pub(super) struct Fields<'s, 'p> {
    section: &'s mut Section<'p>,
    /// The lines of each field; of a list, those of its items.
    places: BTreeMap<Field, Vec<Place>>,
    /// The fields with a value of a wrong TOML type. That is reported already, so other errors about them are dropped.
    mistyped: BTreeSet<Field>,
}

impl<'s, 'p> Fields<'s, 'p> {
    /// The fields of a section, before any is read.
    pub(super) fn of(section: &'s mut Section<'p>) -> Self {
        Self { section, places: BTreeMap::new(), mistyped: BTreeSet::new() }
    }

    /// Reads the fields of `[[clients]]`: all fields of [`RawMetadata`].
    pub(super) fn of_client(&mut self) -> RawMetadata {
        RawMetadata {
            client_name: self.text(Field::ClientName),
            token_endpoint_auth_method: self.text(Field::TokenEndpointAuthMethod),
            grant_types: self.list(Field::GrantTypes),
            scope: self.list(Field::Scope),
            roles: self.list(Field::Roles),
            default_audience: self.text(Field::DefaultAudience),
            refresh_tokens: self.text(Field::RefreshTokens),
            access_token: self.time(Field::AccessToken),
            refresh_idle: self.time(Field::RefreshIdle),
            refresh_absolute: self.time(Field::RefreshAbsolute),
            retry_window: self.time(Field::RetryWindow),
            reuse: self.text(Field::Reuse),
            revoke_access_tokens: self.flag(Field::RevokeAccessTokens),
            introspects: self.list(Field::Introspects),
            introspects_usernames: self.flag(Field::IntrospectsUsernames),
            origins: self.list(Field::Origins),
            refresh_token_delivery: self.text(Field::RefreshTokenDelivery),
            redirect_uris: self.list(Field::RedirectUris),
            post_logout_redirect_uris: self.list(Field::PostLogoutRedirectUris),
            response_types: self.list(Field::ResponseTypes),
            require_pushed_authorization_requests: self.flag(Field::RequirePushedAuthorizationRequests),
            pkce: self.text(Field::Pkce),
            consent: self.text(Field::Consent),
            id_token_signed_response_alg: self.text(Field::IdTokenSignedResponseAlg),
            backchannel_logout_uri: self.text(Field::BackchannelLogoutUri),
            client_uri: self.text(Field::ClientUri),
            policy_uri: self.text(Field::PolicyUri),
            tos_uri: self.text(Field::TosUri),
            logo: self.text(Field::Logo),
        }
    }

    /// Reads the fields of `[tokens]`.
    pub(super) fn of_tokens(&mut self) -> RawMetadata {
        RawMetadata {
            refresh_tokens: self.text(Field::RefreshTokens),
            access_token: self.time(Field::AccessToken),
            refresh_idle: self.time(Field::RefreshIdle),
            refresh_absolute: self.time(Field::RefreshAbsolute),
            retry_window: self.time(Field::RetryWindow),
            reuse: self.text(Field::Reuse),
            ..RawMetadata::default()
        }
    }

    /// Reports the errors in the fields.
    pub(super) fn note(&self, errors: Vec<MetadataError>) {
        for error in errors.into_iter().filter(|error| !self.mistyped.contains(&error.field)) {
            let places = self.places.get(&error.field).map(Vec::as_slice).unwrap_or_default();
            let place = places.get(error.item.unwrap_or(0)).unwrap_or(&self.section.place);
            note(self.section, place, error.field.name(), error);
        }
    }

    fn text(&mut self, field: Field) -> Option<String> {
        let at = self.typed(field, Section::text)?;
        self.places.insert(field, vec![at.place]);
        Some(at.value)
    }

    fn time(&mut self, field: Field) -> Option<RawTime> {
        self.text(field).map(RawTime::Text)
    }

    fn flag(&mut self, field: Field) -> Option<bool> {
        let at = self.typed(field, Section::boolean)?;
        self.places.insert(field, vec![at.place]);
        Some(at.value)
    }

    fn list(&mut self, field: Field) -> Option<Vec<String>> {
        let items = self.typed(field, Section::texts)?;
        let (values, places) = items.into_iter().map(|At { value, place }| (value, place)).unzip();
        self.places.insert(field, places);
        Some(values)
    }

    fn typed<T>(
        &mut self,
        field: Field,
        read: impl FnOnce(&mut Section<'p>, &'static str) -> Option<T>,
    ) -> Option<T> {
        let before = self.section.problems.count();
        let value = read(self.section, field.name());
        if self.section.problems.count() > before {
            self.mistyped.insert(field);
        }
        value
    }
}

/// Reports an error in the setting `key`.
pub(super) fn note(section: &Section<'_>, place: &Place, key: &str, error: MetadataError) {
    let message = format!("`{key}`: {}", error.problem);
    section.problems.note(place, message, error.suggestion.unwrap_or_default());
}
