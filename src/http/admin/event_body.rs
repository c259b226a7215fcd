//! Events as JSON, without nonces, because refresh tokens are made from them.

use poem_openapi::Object;
use poem_openapi::types::{Any, Example};
use serde_json::{Value, json};

use crate::app::admin::events::{Happened, LogEvent};
use crate::client::{ClientEvent, ClientMetadata, Delivery, RetryWindow};
use crate::consent::{ConsentEvent, Given};
use crate::login::{LoggedIn, LoginEvent};
use crate::oauth::word_list::Word as _;
use crate::oauth::{Actor, AuthenticationMethod, RedirectUri, Scope, WebUrl};
use crate::session::event::Started;
use crate::session::{Authorized, Code, Issued, SessionEvent};
use crate::user::UserEvent;

/// An event of the log.
#[derive(Object, Clone)]
#[oai(example)]
pub(super) struct Event {
    /// Where it stands in the log. Positions grow, with gaps.
    pub(super) position: u64,
    /// Whose it is: `session:…`, `login:…`, `consent:…`, `user:…`, `client:…` or `installation`.
    #[oai(skip_serializing_if_is_none)]
    stream: Option<String>,
    /// Where it stands on its stream; from 1, with gaps where refreshes of long ago were summarized.
    version: u64,
    /// What happened, such as `session_started`; `unreadable` if a newer version of heirloom wrote it.
    #[oai(rename = "type")]
    pub(super) name: String,
    /// When (RFC 3339).
    #[oai(skip_serializing_if_is_none)]
    at: Option<String>,
    /// Who did it, if somebody else than the user and the client did.
    #[oai(skip_serializing_if_is_none)]
    by: Option<EventActor>,
    /// What else it says; what that is depends on the type.
    data: Any<Value>,
}

/// Who did something.
#[derive(Object, Clone)]
struct EventActor {
    /// `user`, `administrator`, `operator` or `system`.
    kind: String,
    /// The user's id, or the operator's user id on the server's machine.
    #[oai(skip_serializing_if_is_none)]
    id: Option<String>,
}

impl Example for Event {
    fn example() -> Self {
        let id = "01890a5d-0000-774b-bcce-b302099a8057".to_owned();
        Self {
            position: 4711,
            stream: Some("session:01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
            version: 17,
            name: "session_ended".to_owned(),
            at: Some("2026-01-31T12:00:00.000Z".to_owned()),
            by: Some(EventActor { kind: "administrator".to_owned(), id: Some(id) }),
            data: Any(json!({"reason": "admin"})),
        }
    }
}

impl From<&LogEvent> for Event {
    fn from(event: &LogEvent) -> Self {
        let by = |actor: Actor| EventActor { kind: actor.kind().to_owned(), id: actor.id() };
        let happened = &event.happened;
        Self {
            position: event.position,
            stream: event.subject.as_ref().map(ToString::to_string),
            version: event.version,
            name: happened.name().to_owned(),
            at: happened.at().map(|at| at.to_string()),
            by: happened.by().map(by),
            data: Any(data(happened)),
        }
    }
}

fn data(happened: &Happened) -> Value {
    match happened {
        Happened::Session(event) => session(event),
        Happened::Login(event) => login(event),
        Happened::Consent(event) => consent(event),
        Happened::User(event) => user(event),
        Happened::Client(event) => client(event),
        Happened::Installation(_) | Happened::Unreadable => json!({}),
    }
}

fn session(event: &SessionEvent) -> Value {
    match event {
        SessionEvent::Started(started) => beginning(started),
        SessionEvent::Authorized(authorized) => authorization(authorized),
        SessionEvent::TokensIssued { access, .. } | SessionEvent::AccessTokenIssued { access, .. } => {
            json!({"access_token": issued(access)})
        }
        SessionEvent::TokensRotated { generation, access, idle_expiry, .. } => json!({
            "generation": generation.0,
            "access_token": issued(access),
            "idle_expiry": idle_expiry.to_string(),
        }),
        SessionEvent::ReuseDetected { code_redeemed_at: Some(redeemed), current, .. } => json!({
            "code_redeemed_at": redeemed.to_string(),
            "current": current.0,
        }),
        SessionEvent::ReuseDetected { presented, current, seconds_since, .. } => json!({
            "presented": presented.0,
            "current": current.0,
            "seconds_since": seconds_since,
        }),
        SessionEvent::ForeignClientRefused { client, .. } => json!({"client": client.as_str()}),
        SessionEvent::Ended { reason, .. } => json!({"reason": reason.as_str()}),
        SessionEvent::RotationsSummarized(summary) => json!({
            "rotations": summary.rotations,
            "access_tokens": summary.access_tokens,
            "first": summary.first.to_string(),
            "last": summary.last.to_string(),
            "generation": summary.generation.0,
            "access_token": issued(&summary.access),
            "idle_expiry": summary.idle_expiry.to_string(),
        }),
    }
}

fn beginning(started: &Started) -> Value {
    let mut body = json!({
        "client": started.client.as_str(),
        "client_epoch": started.client_epoch,
        "user": started.user.map(|user| user.to_string()),
        "user_epoch": started.user_epoch,
        "scope": started.scope.to_string(),
        "audience": started.audience.as_ref().map(ToString::to_string),
        "absolute_expiry": started.absolute_expiry.to_string(),
        "idle_expiry": started.idle_expiry.to_string(),
        "refreshable": started.refreshable,
    });
    // A client that acts for itself has none.
    if let (None, Some(fields)) = (started.user, body.as_object_mut()) {
        fields.shift_remove("user");
    }
    if let (Some(login), Some(fields)) = (&started.login, body.as_object_mut()) {
        let methods: Vec<&str> = login.methods.iter().map(|method| method.as_str()).collect();
        fields.insert("login".to_owned(), json!(login.id.to_string()));
        fields.insert("auth_time".to_owned(), json!(login.auth_time.to_string()));
        fields.insert("amr".to_owned(), json!(methods));
    }
    body
}

fn authorization(authorized: &Authorized) -> Value {
    let mut body = beginning(&authorized.started);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("code_expiry".to_owned(), json!(authorized.expiry.to_string()));
        let Code { challenge, openid_nonce, consent_since, kept_until, .. } = &authorized.code;
        fields.insert("pkce".to_owned(), json!(challenge.is_some()));
        fields.insert("has_openid_nonce".to_owned(), json!(openid_nonce.is_some()));
        let consent_since = consent_since.as_ref().map(ToString::to_string);
        fields.insert("consent_since".to_owned(), json!(consent_since));
        // Only what is pushed is good once.
        fields.insert("pushed".to_owned(), json!(kept_until.is_some()));
    }
    body
}

fn issued(access: &Issued) -> Value {
    let scope = access.scope.as_ref().map(Scope::to_string);
    json!({"iat": access.iat, "exp": access.exp, "scope": scope, "kid": access.kid.to_string()})
}

fn login(event: &LoginEvent) -> Value {
    let amr =
        |methods: &[AuthenticationMethod]| methods.iter().map(|method| method.as_str()).collect::<Vec<_>>();
    match event {
        LoginEvent::LoggedIn(LoggedIn { user, user_epoch, methods, persistent, absolute_expiry, .. }) => {
            json!({
                "user": user.to_string(),
                "user_epoch": user_epoch,
                "amr": amr(methods),
                "persistent": persistent,
                "absolute_expiry": absolute_expiry.to_string(),
            })
        }
        LoginEvent::Reauthenticated { methods, life: None, .. } => json!({"amr": amr(methods)}),
        LoginEvent::Reauthenticated { methods, life: Some(life), .. } => json!({
            "amr": amr(methods),
            "persistent": life.persistent,
            "absolute_expiry": life.absolute_expiry.to_string(),
        }),
        LoginEvent::LoggedOut { reason, .. } => json!({"reason": reason.as_str()}),
    }
}

fn consent(event: &ConsentEvent) -> Value {
    match event {
        ConsentEvent::Given(Given { user, client, client_epoch, allowed, .. }) => json!({
            "user": user.to_string(),
            "client": client.as_str(),
            "client_epoch": client_epoch,
            "scope": allowed.scope.to_string(),
            "resource": allowed.resource.as_ref().map(ToString::to_string),
            "redirect_host": allowed.redirect_host,
        }),
        ConsentEvent::Withdrawn { client, .. } => json!({"client": client.as_str()}),
    }
}

fn user(event: &UserEvent) -> Value {
    match event {
        UserEvent::Registered { roles, .. } | UserEvent::RolesChanged { roles, .. } => {
            json!({"roles": roles})
        }
        UserEvent::PasswordChanged { kept, .. } | UserEvent::SessionsEnded { kept, .. } => {
            json!({"kept": kept.map(|id| id.to_string())})
        }
        UserEvent::Invited { roles, until, .. } => json!({"roles": roles, "until": until.to_string()}),
        UserEvent::PasswordRehashed { .. }
        | UserEvent::ProfileChanged { .. }
        | UserEvent::InvitationWithdrawn { .. }
        | UserEvent::Disabled { .. }
        | UserEvent::Enabled { .. }
        | UserEvent::Deleted { .. } => json!({}),
    }
}

fn client(event: &ClientEvent) -> Value {
    match event {
        ClientEvent::Registered { metadata, .. } | ClientEvent::Updated { metadata, .. } => {
            registration(metadata)
        }
        ClientEvent::SecretRotated { old_until, .. } => json!({"old_until": old_until.to_string()}),
        ClientEvent::Disabled { .. }
        | ClientEvent::Enabled { .. }
        | ClientEvent::SessionsEnded { .. }
        | ClientEvent::Deleted { .. } => json!({}),
    }
}

/// Every field of [`ClientMetadata`] has its line here.
fn registration(metadata: &ClientMetadata) -> Value {
    let ClientMetadata {
        client_name,
        token_endpoint_auth_method,
        grant_types,
        scope,
        roles,
        default_audience,
        refresh_tokens,
        lifetimes,
        retry_window,
        reuse,
        revoke_access_tokens,
        introspects,
        introspects_usernames,
        origins,
        refresh_token_delivery,
        redirect_uris,
        post_logout_redirect_uris,
        require_pushed_authorization_requests,
        pkce,
        consent,
        backchannel_logout_uri,
        client_uri,
        policy_uri,
        tos_uri,
        logo,
        id_token_signed_response_alg,
    } = metadata;
    let texts = |list: &[RedirectUri]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let url = |url: &Option<WebUrl>| url.as_ref().map(WebUrl::as_str).map(str::to_owned);
    let window = match retry_window {
        RetryWindow::For(window) => json!(window.as_secs_f64()),
        RetryWindow::UntilUsed => json!(RetryWindow::UNTIL_USED),
    };
    let grants: Vec<&str> = grant_types.iter().map(|grant| grant.as_str()).collect();
    json!({
        "name": client_name,
        "confidential": !token_endpoint_auth_method.is_public(),
        "grants": grants,
        "scope": scope.to_string(),
        "roles": roles,
        "default_audience": default_audience.as_str(),
        "access_token": lifetimes.access_token.as_secs(),
        "refresh_idle": lifetimes.refresh_idle.as_secs(),
        "refresh_absolute": lifetimes.refresh_absolute.as_secs(),
        "refresh_tokens": refresh_tokens.as_str(),
        "retry_window": window,
        "reuse": reuse.as_str(),
        "revoke_access_tokens": revoke_access_tokens,
        "introspects_usernames": introspects_usernames,
        "introspects": introspects.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "origins": origins.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "cookie": *refresh_token_delivery == Delivery::Cookie,
        "redirect_uris": texts(redirect_uris),
        "post_logout_redirect_uris": texts(post_logout_redirect_uris),
        "require_pushed_authorization_requests": require_pushed_authorization_requests,
        "pkce": pkce.as_str(),
        "consent": consent.as_str(),
        "id_token_signed_response_alg": id_token_signed_response_alg.as_str(),
        "backchannel_logout_uri": url(backchannel_logout_uri),
        "client_uri": url(client_uri),
        "policy_uri": url(policy_uri),
        "tos_uri": url(tos_uri),
        "logo": logo,
    })
}
