//! Validates what concerns clients in a browser: the origins of their pages, and delivery in a cookie.

use super::error::{Faults, MetadataError, sentence, twice};
use super::field::Field;
use super::raw::RawMetadata;
use super::rules::MetadataRules;
use super::settings::{Delivery, TokenEndpointAuthMethod};
use crate::oauth::Origin;

/// The most origins of a client whose metadata are stored in an event.
const MOST_ORIGINS: usize = 16;

impl RawMetadata {
    /// Origins must be `https`; `http` on a loopback address is allowed if the issuer is a loopback `http` address too.
    pub(super) fn origins(&self, rules: &MetadataRules<'_>, faults: &mut Faults) -> Vec<Origin> {
        const FIELD: Field = Field::Origins;
        let listed = self.origins.as_deref().unwrap_or_default();
        if rules.is_stored && listed.len() > MOST_ORIGINS {
            let problem = format!("A registered client has at most {MOST_ORIGINS} origins.");
            let error = MetadataError::new(FIELD, "too_many", problem);
            faults.add(error.suggesting("Declare it in the configuration, where it may have more."));
            return Vec::new();
        }
        let mut origins: Vec<Origin> = Vec::new();
        for (item, text) in listed.iter().enumerate() {
            match text.parse::<Origin>() {
                Ok(origin) if origins.contains(&origin) => faults.add(twice(FIELD, item, origin.as_str())),
                Ok(origin) if origin.is_https() || (origin.is_loopback() && rules.is_local()) => {
                    origins.push(origin);
                }
                Ok(origin) => {
                    let problem = format!("The origin {origin} is not https.");
                    let suggestion =
                        "Use https; plain http is for a loopback address beside an issuer on one.";
                    let error = MetadataError::new(FIELD, "not_https", problem);
                    faults.add(error.suggesting(suggestion).at(item));
                }
                Err(error) => {
                    let error = MetadataError::new(FIELD, "not_permitted", sentence(&error.to_string()));
                    let suggestion = "Write for example https://app.example.com, without a slash at the end.";
                    faults.add(error.suggesting(suggestion).at(item));
                }
            }
        }
        origins
    }

    /// Delivery in a cookie needs origins, a public client, and an issuer that is `https` or a loopback address.
    pub(super) fn delivery(
        &self,
        method: TokenEndpointAuthMethod,
        rules: &MetadataRules<'_>,
        faults: &mut Faults,
    ) -> Delivery {
        const FIELD: Field = Field::RefreshTokenDelivery;
        let delivery = faults.word(FIELD, self.refresh_token_delivery.as_deref(), Delivery::default());
        if delivery == Delivery::Body {
            return delivery;
        }
        if !method.is_public() {
            let error = MetadataError::new(FIELD, "confidential", "A confidential client has no cookie.");
            faults.add(error.suggesting("An app in a browser can't keep a secret: it is public."));
        }
        if self.origins.as_ref().is_none_or(Vec::is_empty) {
            let problem = "A client that gets its refresh tokens in a cookie has no origins.";
            let error = MetadataError::new(Field::Origins, "empty", problem);
            faults.add(error.suggesting("Write for example https://app.example.com."));
        }
        // Only a cookie that is sent over TLS alone can have a name with the `__Host-` prefix, which ties it to the
        // host.
        if rules.issuer.as_ref().is_some_and(|issuer| !issuer.is_https() && !issuer.is_loopback()) {
            let problem = "The client has a cookie, and the issuer is not https.";
            let error = MetadataError::new(FIELD, "not_https", problem);
            faults.add(error.suggesting("Let the issuer be https."));
        }
        delivery
    }
}
