//! The flags of `heirloom client add` for client metadata.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Failure, Outcome};
use crate::client::metadata::{Field, RawTime, lifetime, retry_window};
use crate::client::{RawMetadata, RetryWindow, TokenEndpointAuthMethod};
use crate::oauth::word_list::Word as _;

/// A flag for each field of client metadata. For a flag that is not given, the configuration decides.
#[derive(Args)]
pub(super) struct MetadataFlags {
    /// The client is an app on a device or in a browser, and gets no secret
    #[arg(long)]
    public: bool,
    /// A name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A scope that the client may ask for; may be given several times
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// A grant that the client may use; may be given several times [default: all that are on, but not client credentials]
    #[arg(long, value_name = "GRANT")]
    grant: Vec<String>,
    /// A role that the client has when it acts for itself; may be given several times
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// The audience of a token for which neither a scope nor a resource names one
    #[arg(long, value_name = "AUDIENCE")]
    default_audience: Option<String>,
    /// Whether a sign-in gives the client a refresh token
    #[arg(long, value_name = "always|offline_access|never")]
    refresh_tokens: Option<String>,
    /// How long an access token lasts, such as 10m
    #[arg(long, value_name = "TIME")]
    access_token: Option<String>,
    /// How long an unused refresh token lasts, such as 14d
    #[arg(long, value_name = "TIME")]
    refresh_idle: Option<String>,
    /// How long a session lasts, such as 60d
    #[arg(long, value_name = "TIME")]
    refresh_absolute: Option<String>,
    /// How long a repeated refresh gets the same tokens again, such as 30s; or until-used
    #[arg(long, value_name = "TIME")]
    retry_window: Option<String>,
    /// What the use of an old refresh token does
    #[arg(long, value_name = "end-family|refuse")]
    reuse: Option<String>,
    /// Whether revoking one of its access tokens ends the session [default: true]
    #[arg(long, value_name = "true|false")]
    revoke_access_tokens: Option<bool>,
    /// An audience whose access tokens the client may introspect; may be given several times
    #[arg(long, value_name = "AUDIENCE")]
    introspects: Vec<String>,
    /// Introspection shows the client the user's name
    #[arg(long)]
    introspects_usernames: bool,
    /// An origin of the client's pages; may be given several times
    #[arg(long, value_name = "https://…")]
    origin: Vec<String>,
    /// How the client gets its refresh tokens
    #[arg(long, value_name = "body|cookie")]
    refresh_token_delivery: Option<String>,
    /// Where authorization requests are answered; may be given several times
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Where a browser may be sent after signing out; may be given several times
    #[arg(long, value_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// What an authorization request is answered with; follows from the grants
    #[arg(long, value_name = "code")]
    response_type: Vec<String>,
    /// The client must push its authorization requests
    #[arg(long)]
    require_pushed_authorization_requests: bool,
    /// Whether authorization requests need a code challenge
    #[arg(long, value_name = "required|optional|legacy")]
    pkce: Option<String>,
    /// Whether people are asked what the client may do
    #[arg(long, value_name = "ask|implied")]
    consent: Option<String>,
    /// What the client's ID tokens are signed by [default: RS256]
    #[arg(long, value_name = "RS256|ES256")]
    id_token_signed_response_alg: Option<String>,
    /// Where the client is told that a login has ended
    #[arg(long, value_name = "https://…")]
    backchannel_logout_uri: Option<String>,
    /// The client's home page
    #[arg(long, value_name = "https://…")]
    client_uri: Option<String>,
    /// The client's page about personal data
    #[arg(long, value_name = "https://…")]
    policy_uri: Option<String>,
    /// The client's terms of service
    #[arg(long, value_name = "https://…")]
    tos_uri: Option<String>,
    /// The client's logo: the name of a file in the folder that the configuration names
    #[arg(long, value_name = "FILE")]
    logo: Option<String>,
}

impl From<MetadataFlags> for RawMetadata {
    fn from(flags: MetadataFlags) -> Self {
        let method =
            if flags.public { TokenEndpointAuthMethod::None } else { TokenEndpointAuthMethod::ClientSecret };
        let time = |text: Option<String>| text.map(RawTime::Text);
        let list = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        Self {
            client_name: flags.name,
            token_endpoint_auth_method: Some(method.as_str().to_owned()),
            grant_types: list(flags.grant),
            scope: list(flags.scope),
            roles: list(flags.role),
            default_audience: flags.default_audience,
            refresh_tokens: flags.refresh_tokens,
            access_token: time(flags.access_token),
            refresh_idle: time(flags.refresh_idle),
            refresh_absolute: time(flags.refresh_absolute),
            retry_window: time(flags.retry_window),
            reuse: flags.reuse,
            revoke_access_tokens: flags.revoke_access_tokens,
            introspects: list(flags.introspects),
            introspects_usernames: flags.introspects_usernames.then_some(true),
            origins: list(flags.origin),
            refresh_token_delivery: flags.refresh_token_delivery,
            redirect_uris: list(flags.redirect_uri),
            post_logout_redirect_uris: list(flags.post_logout_redirect_uri),
            response_types: list(flags.response_type),
            require_pushed_authorization_requests: flags
                .require_pushed_authorization_requests
                .then_some(true),
            pkce: flags.pkce,
            consent: flags.consent,
            id_token_signed_response_alg: flags.id_token_signed_response_alg,
            backchannel_logout_uri: flags.backchannel_logout_uri,
            client_uri: flags.client_uri,
            policy_uri: flags.policy_uri,
            tos_uri: flags.tos_uri,
            logo: flags.logo,
        }
    }
}

/// The fields as JSON for the admin API. What can be checked without the configuration is checked here, before a store
/// is opened; the server, which has the configuration, checks the rest.
///
/// # Errors
/// [`Failure`], which names the flags.
pub(super) fn metadata_json(raw: &RawMetadata) -> Outcome<Map<String, Value>> {
    let told: Vec<String> =
        raw.check_alone().iter().map(|error| format!("{}: {error}", flag(error.field.name()))).collect();
    if !told.is_empty() {
        return Err(Failure::Usage(told.join("\n")));
    }
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let list = |list: &Option<Vec<String>>| list.as_ref().map(|list| json!(list));
    let flag = |flag: Option<bool>| flag.map(Value::from);
    let seconds = |field, raw: &Option<RawTime>| Some(json!(lifetime(field, raw.as_ref()?).ok()?.as_secs()));
    let window = |raw: &Option<RawTime>| {
        Some(match retry_window(raw.as_ref()?).ok()? {
            RetryWindow::For(window) => json!(window.as_secs_f64().to_string()),
            RetryWindow::UntilUsed => json!(RetryWindow::UNTIL_USED),
        })
    };
    let fields = [
        (Field::ClientName, text(&raw.client_name)),
        (Field::TokenEndpointAuthMethod, text(&raw.token_endpoint_auth_method)),
        (Field::GrantTypes, list(&raw.grant_types)),
        (Field::Scope, list(&raw.scope)),
        (Field::Roles, list(&raw.roles)),
        (Field::DefaultAudience, text(&raw.default_audience)),
        (Field::RefreshTokens, text(&raw.refresh_tokens)),
        (Field::AccessToken, seconds(Field::AccessToken, &raw.access_token)),
        (Field::RefreshIdle, seconds(Field::RefreshIdle, &raw.refresh_idle)),
        (Field::RefreshAbsolute, seconds(Field::RefreshAbsolute, &raw.refresh_absolute)),
        (Field::RetryWindow, window(&raw.retry_window)),
        (Field::Reuse, text(&raw.reuse)),
        (Field::RevokeAccessTokens, flag(raw.revoke_access_tokens)),
        (Field::Introspects, list(&raw.introspects)),
        (Field::IntrospectsUsernames, flag(raw.introspects_usernames)),
        (Field::Origins, list(&raw.origins)),
        (Field::RefreshTokenDelivery, text(&raw.refresh_token_delivery)),
        (Field::RedirectUris, list(&raw.redirect_uris)),
        (Field::PostLogoutRedirectUris, list(&raw.post_logout_redirect_uris)),
        (Field::ResponseTypes, list(&raw.response_types)),
        (Field::RequirePushedAuthorizationRequests, flag(raw.require_pushed_authorization_requests)),
        (Field::Pkce, text(&raw.pkce)),
        (Field::Consent, text(&raw.consent)),
        (Field::IdTokenSignedResponseAlg, text(&raw.id_token_signed_response_alg)),
        (Field::BackchannelLogoutUri, text(&raw.backchannel_logout_uri)),
        (Field::ClientUri, text(&raw.client_uri)),
        (Field::PolicyUri, text(&raw.policy_uri)),
        (Field::TosUri, text(&raw.tos_uri)),
        (Field::Logo, text(&raw.logo)),
    ];
    Ok(fields.into_iter().filter_map(|(field, value)| Some((field.name().to_owned(), value?))).collect())
}

/// The flag that sets a field of the admin API.
pub(super) fn flag(field: &str) -> String {
    match field {
        "id" => "ID".to_owned(),
        "type" => "--public".to_owned(),
        // A list is set by a flag that may be given several times.
        "scopes"
        | "grants"
        | "roles"
        | "origins"
        | "redirect_uris"
        | "post_logout_redirect_uris"
        | "response_types" => format!("--{}", field.trim_end_matches('s').replace('_', "-")),
        field => format!("--{}", field.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    #[test]
    fn every_field_has_its_flag() {
        let command = MetadataFlags::augment_args(Command::new("add"));
        let mut found: Vec<String> = command
            .get_arguments()
            .filter_map(|one| one.get_long())
            .map(|name| format!("--{name}"))
            .collect();
        let fields = Field::ALL.into_iter().filter(|field| *field != Field::ClientId);
        let mut expected: Vec<String> = fields.map(|field| flag(field.name())).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}
