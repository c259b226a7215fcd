//! Validates what concerns signing in on heirloom's own pages: redirect URIs, PKCE, consent, logout, links.

use super::error::{Faults, MetadataError, sentence, shown, twice};
use super::field::Field;
use super::raw::RawMetadata;
use super::rules::MetadataRules;
use super::settings::{ConsentPolicy, PkcePolicy, ResponseType, TokenEndpointAuthMethod};
use crate::oauth::word_list::Word;
use crate::oauth::{GrantType, RedirectUri, SigningAlgorithm, WebUrl};

/// The most redirect URIs of a client whose metadata are stored in an event.
const MOST_REDIRECT_URIS: usize = 16;

/// What is validated here.
pub(super) struct SignIn {
    pub(super) redirect_uris: Vec<RedirectUri>,
    pub(super) post_logout_redirect_uris: Vec<RedirectUri>,
    pub(super) require_pushed_authorization_requests: bool,
    pub(super) pkce: PkcePolicy,
    pub(super) consent: ConsentPolicy,
    pub(super) backchannel_logout_uri: Option<WebUrl>,
    pub(super) client_uri: Option<WebUrl>,
    pub(super) policy_uri: Option<WebUrl>,
    pub(super) tos_uri: Option<WebUrl>,
    pub(super) id_token_signed_response_alg: SigningAlgorithm,
}

impl RawMetadata {
    /// Validates the fields about signing in of a client with `grants`.
    pub(super) fn sign_in(
        &self,
        method: TokenEndpointAuthMethod,
        grants: &[GrantType],
        rules: &MetadataRules<'_>,
        faults: &mut Faults,
    ) -> SignIn {
        let mut uris = |field, listed: &Option<Vec<String>>| {
            let listed = listed.as_deref().unwrap_or_default();
            if rules.is_stored && listed.len() > MOST_REDIRECT_URIS {
                let problem = format!("A registered client has at most {MOST_REDIRECT_URIS} of them.");
                let error = MetadataError::new(field, "too_many", problem);
                faults.add(error.suggesting("Declare it in the configuration, where it may have more."));
                return Vec::new();
            }
            redirect_uris(field, listed, method, faults)
        };
        let sign_in = SignIn {
            redirect_uris: uris(Field::RedirectUris, &self.redirect_uris),
            post_logout_redirect_uris: uris(Field::PostLogoutRedirectUris, &self.post_logout_redirect_uris),
            require_pushed_authorization_requests: self
                .require_pushed_authorization_requests
                .unwrap_or(false),
            pkce: faults.word(Field::Pkce, self.pkce.as_deref(), PkcePolicy::default()),
            consent: faults.word(Field::Consent, self.consent.as_deref(), ConsentPolicy::default()),
            backchannel_logout_uri: self.backchannel_logout_uri(rules, faults),
            client_uri: web_url(Field::ClientUri, self.client_uri.as_deref(), rules, faults),
            policy_uri: web_url(Field::PolicyUri, self.policy_uri.as_deref(), rules, faults),
            tos_uri: web_url(Field::TosUri, self.tos_uri.as_deref(), rules, faults),
            id_token_signed_response_alg: self.id_token_algorithm(rules, faults),
        };
        if method.is_public()
            && sign_in.pkce != PkcePolicy::Required
            && !faults.any(&[Field::TokenEndpointAuthMethod])
        {
            // RFC 9700 §2.1.1: "Public clients MUST use PKCE."
            let error = MetadataError::new(Field::Pkce, "public", "A public client can't leave PKCE out.");
            faults.add(error.suggesting("Leave the setting out, or make the client confidential."));
        }
        response_type_words(self.response_types.as_deref(), faults);
        if !faults.any(&[Field::GrantTypes]) {
            sign_in.check_grant(grants, faults);
            self.check_response_types(grants, faults);
        }
        sign_in
    }

    /// RFC 7591 §2.1: the grant `authorization_code` and the response type `code` belong together. So what is said must be
    /// what follows from the grants, and is not stored.
    fn check_response_types(&self, grants: &[GrantType], faults: &mut Faults) {
        const FIELD: Field = Field::ResponseTypes;
        let Some(listed) = self.response_types.as_ref().filter(|_| !faults.any(&[FIELD])) else { return };
        match (grants.contains(&GrantType::AuthorizationCode), listed.is_empty()) {
            (true, true) => {
                let problem = "A client with the authorization_code grant is answered with a code.";
                let error = MetadataError::new(FIELD, "empty", problem);
                faults.add(error.suggesting("Write code, or leave the setting out."));
            }
            (false, false) => faults.add(no_grant(FIELD)),
            (true, false) | (false, true) => {}
        }
    }

    fn id_token_algorithm(&self, rules: &MetadataRules<'_>, faults: &mut Faults) -> SigningAlgorithm {
        const FIELD: Field = Field::IdTokenSignedResponseAlg;
        let usual = SigningAlgorithm::default();
        let algorithm = faults.word(FIELD, self.id_token_signed_response_alg.as_deref(), usual);
        if !rules.id_token_algorithms.contains(&algorithm) {
            let problem = format!("This server does not sign ID tokens by {algorithm}.");
            let suggestion = format!(
                "To have it, set id_token_algorithms = [\"{algorithm}\"] in [keys] of the configuration."
            );
            faults.add(MetadataError::new(FIELD, "off", problem).suggesting(suggestion));
        }
        algorithm
    }

    fn backchannel_logout_uri(&self, rules: &MetadataRules<'_>, faults: &mut Faults) -> Option<WebUrl> {
        const FIELD: Field = Field::BackchannelLogoutUri;
        let url = web_url(FIELD, self.backchannel_logout_uri.as_deref(), rules, faults)?;
        // OpenID Connect Back-Channel Logout §2.2: "This URL MUST NOT include a fragment component."
        if url.has_fragment() {
            let error = MetadataError::new(FIELD, "not_permitted", "It has a fragment.");
            faults.add(error.suggesting("Leave out what begins with #."));
        }
        Some(url)
    }
}

impl SignIn {
    /// What only the authorization code needs is not set for a client that can't use it, and what it needs is there.
    fn check_grant(&self, grants: &[GrantType], faults: &mut Faults) {
        if grants.contains(&GrantType::AuthorizationCode) {
            if self.redirect_uris.is_empty() && !faults.any(&[Field::RedirectUris]) {
                let problem = "A client with the authorization_code grant has no redirect URI.";
                let error = MetadataError::new(Field::RedirectUris, "empty", problem);
                faults.add(error.suggesting("Write for example https://app.example.com/callback."));
            }
            return;
        }
        let set = [
            (Field::RedirectUris, !self.redirect_uris.is_empty()),
            (Field::PostLogoutRedirectUris, !self.post_logout_redirect_uris.is_empty()),
            (Field::RequirePushedAuthorizationRequests, self.require_pushed_authorization_requests),
            (Field::Pkce, self.pkce != PkcePolicy::default()),
            (Field::Consent, self.consent != ConsentPolicy::default()),
            (
                Field::IdTokenSignedResponseAlg,
                self.id_token_signed_response_alg != SigningAlgorithm::default(),
            ),
            (Field::BackchannelLogoutUri, self.backchannel_logout_uri.is_some()),
        ];
        for (field, is_set) in set {
            if !is_set || faults.any(&[field]) {
                continue;
            }
            faults.add(no_grant(field));
        }
    }
}

fn no_grant(field: Field) -> MetadataError {
    let problem = "It is set for a client without the authorization_code grant.";
    MetadataError::new(field, "no_grant", problem)
        .suggesting("Add authorization_code to its grants, and a redirect URI.")
}

fn response_type_words(listed: Option<&[String]>, faults: &mut Faults) {
    const FIELD: Field = Field::ResponseTypes;
    let listed = listed.unwrap_or_default();
    for (item, text) in listed.iter().enumerate() {
        if ResponseType::of(text).is_none() {
            faults.add(MetadataError::not_one_of::<ResponseType>(FIELD, text).at(item));
        } else if listed.iter().take(item).any(|before| before == text) {
            faults.add(twice(FIELD, item, text));
        }
    }
}

/// Redirect URIs are https, plain http on loopback, or of an app's own scheme, which needs a public client: what an app on a
/// device holds is no secret.
fn redirect_uris(
    field: Field,
    listed: &[String],
    method: TokenEndpointAuthMethod,
    faults: &mut Faults,
) -> Vec<RedirectUri> {
    let mut uris: Vec<RedirectUri> = Vec::new();
    for (item, text) in listed.iter().enumerate() {
        match text.parse::<RedirectUri>() {
            Ok(uri) if uris.contains(&uri) => faults.add(twice(field, item, uri.as_str())),
            Ok(uri) if uri.has_private_scheme() && !method.is_public() => {
                let problem =
                    format!("A confidential client can't have {}, an app's own scheme.", uri.host());
                let error = MetadataError::new(field, "confidential", problem);
                faults
                    .add(error.suggesting("An app on a device can't keep a secret: it is public.").at(item));
            }
            Ok(uri) => uris.push(uri),
            Err(error) => {
                let suggestion = error.suggestion();
                let error = MetadataError::new(field, "not_permitted", sentence(&error.to_string()));
                faults.add(error.suggesting(suggestion).at(item));
            }
        }
    }
    uris
}

/// A URL is https; plain http is allowed on a loopback address if the issuer is on one too.
fn web_url(
    field: Field,
    text: Option<&str>,
    rules: &MetadataRules<'_>,
    faults: &mut Faults,
) -> Option<WebUrl> {
    let text = text?;
    let origin = text.parse::<WebUrl>().ok().and_then(|url| Some((url.origin()?, url)));
    match origin {
        Some((origin, url)) if origin.is_https() || (origin.is_loopback() && rules.is_local()) => Some(url),
        Some(_) => {
            let problem = format!("{} is not https.", shown(text));
            let suggestion = "Use https; plain http is for a loopback address beside an issuer on one.";
            faults.add(MetadataError::new(field, "not_https", problem).suggesting(suggestion));
            None
        }
        None => {
            let problem = format!("{} is no https URL in its normal form.", shown(text));
            let error = MetadataError::new(field, "not_permitted", problem);
            faults.add(error.suggesting("Write for example https://app.example.com/about."));
            None
        }
    }
}

/// The words of closed lists among the fields; they can be checked without the configuration.
pub(super) fn check_words(raw: &RawMetadata, faults: &mut Faults) {
    fn check<W: Word + Default>(field: Field, text: Option<&str>, faults: &mut Faults) {
        faults.word(field, text, W::default());
    }
    response_type_words(raw.response_types.as_deref(), faults);
    check::<PkcePolicy>(Field::Pkce, raw.pkce.as_deref(), faults);
    check::<ConsentPolicy>(Field::Consent, raw.consent.as_deref(), faults);
    let algorithm = raw.id_token_signed_response_alg.as_deref();
    check::<SigningAlgorithm>(Field::IdTokenSignedResponseAlg, algorithm, faults);
}
