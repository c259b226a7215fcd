//! The requests that provoke refusals.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::Documented;
use super::scenes::{RADIO, SWITCHED_OFF, Scene, TV};
use crate::sign_up::{PASSWORD, person};
use crate::specification::{NOBODY, Operation};
use crate::support::codes::{REDIRECT_URI, VERIFIER};
use crate::support::{CONFIDENTIAL, PUBLIC, SECRET, USER};

/// What a request carries: a JSON object as its body; a text as its form or, where there is none, as its query.
type Carried = Value;

/// Provokes a refusal that follows from the request alone. `None`: nothing is known that provokes it.
pub(super) fn refused(scene: &Scene, documented: &Documented) -> Option<RequestBuilder> {
    let operation = &documented.operation;
    let bare = || scene.bare(operation, &scene.path_of(operation));
    let typed = |body: &str| authorized(scene, operation, typed(bare(), operation, body.to_owned()));
    let is_form = operation.content().is_some_and(|content| content.contains("form"));
    Some(match (documented.status, documented.name) {
        (400, "malformed") if operation.id() == "userinfoByPost" => typed("access_token=x"),
        (400, "malformed") if operation.content().is_some() => typed("{"),
        (400, "malformed") if operation.id() == "endSessions" => {
            with(scene, operation, &json!("all=perhaps"))
        }
        (400, "malformed") => with(scene, operation, &json!("limit=0")),
        (400, "e_mail_unknown") => {
            let mut body = example(operation);
            body["e_mail"] = json!("ann@example.com");
            with(scene, operation, &body)
        }
        (401, "invalid_client") => {
            carrying(bare(), operation, &json!("token=x")).basic_auth("nobody", Some("x"))
        }
        (401, "no_token") => carrying(bare(), operation, &example(operation)),
        (401, "invalid_token") => {
            carrying(bare(), operation, &example(operation)).bearer_auth(&scene.expired)
        }
        (403, "insufficient_scope") => {
            carrying(bare(), operation, &example(operation)).bearer_auth(scene.token_for_others(operation))
        }
        (404, "not_found") => {
            // There are no sessions of somebody unknown; an unparsable id is answered like an unknown one (404).
            let of_somebody = ["adminListUserSessions", "adminListClientSessions"].contains(&operation.id());
            let bare = scene.bare(operation, &operation.path_of(if of_somebody { "%00" } else { NOBODY }));
            authorized(scene, operation, carrying(bare, operation, &example(operation)))
        }
        (413, _) => typed(&"x".repeat(65 * 1024)),
        (415, _) if is_form => typed("token=x").header("content-encoding", "gzip"),
        (415, _) => {
            bare().bearer_auth(scene.token(operation)).header("content-type", "text/plain").body("{}")
        }
        (421, _) => bare(),
        (_, name) => {
            let carried = carried(scene, operation.id(), name)?;
            let path = match (operation.id(), name) {
                ("adminEnableClient", _) => operation.path_of(SWITCHED_OFF),
                (_, "declared") => operation.path_of(PUBLIC),
                _ => scene.path_of(operation),
            };
            authorized(scene, operation, carrying(scene.bare(operation, &path), operation, &carried))
        }
    })
}

/// A request that is refused only if the server can't do what it asks.
pub(super) fn whole(scene: &Scene, operation: &Operation) -> RequestBuilder {
    let carried = match operation.id() {
        "token" => sign_in(PUBLIC, USER.1, ""),
        "revoke" => json!(format!("client_id={PUBLIC}&token={}", scene.account)),
        // Of a client that is not declared, which must be looked for.
        "pushAuthorizationRequest" => pushed("client_id=nobody"),
        "introspect" => json!(format!("token={}", scene.account)),
        _ => example(operation),
    };
    with(scene, operation, &carried)
}

/// A request that has a password hashed or follows the events. If it finds a place, it changes nothing that the next
/// turn needs.
pub(super) fn takes_a_place(scene: &Scene, operation: &Operation, turn: usize) -> RequestBuilder {
    let name = format!("eve-{turn}");
    match operation.id() {
        "signUp" => with(scene, operation, &person(&name, &format!("{name}@example.com"))),
        "adminCreateUser" => with(scene, operation, &json!({"username": name, "password": PASSWORD})),
        "changePassword" | "deleteAccount" | "deleteAccountByPost" => {
            with(scene, operation, &wrong_password(operation.id()))
        }
        _ => whole(scene, operation),
    }
}

/// The body of a request whose password is wrong.
pub(super) fn wrong_password(id: &str) -> Value {
    match id {
        "changePassword" => json!({"current_password": "wrong", "new_password": PASSWORD}),
        _ => json!({"password": "wrong"}),
    }
}

fn redeem(code: &str, redirect_uri: &str, verifier: &str) -> Carried {
    let form = "grant_type=authorization_code";
    json!(format!(
        "{form}&client_id={PUBLIC}&code={code}&redirect_uri={redirect_uri}&code_verifier={verifier}"
    ))
}

fn pushed(more: &str) -> Carried {
    let redirect_uri = "http%3A%2F%2F127.0.0.1%2Fcallback";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let usual = [
        ("response_type", "code"),
        ("redirect_uri", redirect_uri),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    let kept = usual.iter().filter(|(name, _)| !more.contains(&format!("{name}=")));
    let kept: Vec<_> = kept.map(|(name, value)| format!("{name}={value}")).collect();
    json!(format!("{more}&{}", kept.join("&")))
}

pub(super) fn sign_in(client: &str, password: &str, more: &str) -> Carried {
    json!(format!("grant_type=password&client_id={client}&username={}&password={password}{more}", USER.0))
}

/// A request of somebody who may make it.
pub(super) fn with(scene: &Scene, operation: &Operation, carried: &Carried) -> RequestBuilder {
    let request = scene.bare(operation, &scene.path_of(operation));
    authorized(scene, operation, carrying(request, operation, carried))
}

/// With the credentials of somebody who may make it.
pub(super) fn authorized(scene: &Scene, operation: &Operation, request: RequestBuilder) -> RequestBuilder {
    match operation.id() {
        "token" | "revoke" | "pushAuthorizationRequest" | "signUp" => request,
        "introspect" => request.basic_auth(CONFIDENTIAL, Some(SECRET)),
        _ => request.bearer_auth(scene.token(operation)),
    }
}

fn carrying(request: RequestBuilder, operation: &Operation, carried: &Carried) -> RequestBuilder {
    match (carried, operation.content()) {
        (Value::Null, _) => request,
        (Value::String(form), Some(_)) => typed(request, operation, form.clone()),
        (Value::String(query), None) => {
            let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
            request.query(&pairs)
        }
        (body, _) => request.json(body),
    }
}

fn typed(request: RequestBuilder, operation: &Operation, body: String) -> RequestBuilder {
    request.header("content-type", operation.content().unwrap_or_default()).body(body)
}

/// The body that the specification shows.
fn example(operation: &Operation) -> Value {
    operation.said["requestBody"]["content"]["application/json"]["example"].clone()
}

/// What provokes a refusal that only some operations have.
fn carried(scene: &Scene, id: &str, name: &str) -> Option<Carried> {
    let of_ann = |field: &str, value: &str| {
        let mut body = person("eve", "eve@example.com");
        body[field] = json!(value);
        body
    };
    Some(match (id, name) {
        ("token", "wrong_password") => sign_in(PUBLIC, "wrong", ""),
        ("token", "bad_refresh_token") => {
            json!(format!("grant_type=refresh_token&client_id={PUBLIC}&refresh_token=x"))
        }
        ("token", "bad_code") => redeem("x", "", ""),
        ("token", "wrong_redirect_uri") => redeem(&scene.code, "https://evil.example", VERIFIER),
        ("token", "wrong_verifier") => redeem(&scene.code, REDIRECT_URI, &VERIFIER.to_lowercase()),
        ("token", "invalid_request") => json!(format!("grant_type=password&client_id={PUBLIC}&password=x")),
        ("token", "unauthorized_client") => sign_in(TV, USER.1, ""),
        ("token", "unsupported_grant_type") => json!(format!("grant_type=x&client_id={PUBLIC}")),
        ("token", "invalid_scope") => sign_in(RADIO, USER.1, "&scope=write"),
        ("token", "invalid_target") => sign_in(PUBLIC, USER.1, "&resource=other-api"),
        ("token", "invalid_client") => json!("grant_type=password"),
        ("pushAuthorizationRequest", "invalid_request") => {
            pushed(&format!("client_id={PUBLIC}&redirect_uri="))
        }
        ("pushAuthorizationRequest", "unsupported_response_type") => {
            pushed(&format!("client_id={PUBLIC}&response_type=token"))
        }
        ("pushAuthorizationRequest", "request_not_supported") => {
            pushed(&format!("client_id={PUBLIC}&request=x"))
        }
        ("pushAuthorizationRequest", "request_uri_not_supported") => {
            pushed(&format!("client_id={PUBLIC}&request_uri=https://app.example/request"))
        }
        ("pushAuthorizationRequest", "invalid_scope") => pushed(&format!("client_id={RADIO}&scope=write")),
        ("pushAuthorizationRequest", "invalid_target") => {
            pushed(&format!("client_id={PUBLIC}&resource=other-api"))
        }
        ("pushAuthorizationRequest", "unauthorized_client") => pushed(&format!("client_id={TV}")),
        ("pushAuthorizationRequest", "invalid_client") => pushed("x=y"),
        ("revoke", "invalid_request") => json!(format!("client_id={PUBLIC}")),
        ("revoke", "unsupported_token_type") => json!(format!("client_id={RADIO}&token={}", scene.of_radio)),
        ("revoke", "invalid_client") => json!("token=x"),
        ("introspect", "invalid_request") => json!("x=y"),
        ("signUp", "username_taken") => of_ann("username", USER.0),
        ("signUp", "invitation_not_valid") => of_ann("invitation", "x"),
        ("signUp", "password_too_short") => of_ann("password", "short"),
        ("changeAccount", "email_malformed") => json!({"email": "no address"}),
        ("changeAccount", "email_taken") => json!({"email": "bob@example.com"}),
        ("changePassword" | "deleteAccount" | "deleteAccountByPost", "wrong_password") => wrong_password(id),
        ("changePassword", "new_password_too_short") => {
            json!({"current_password": USER.1, "new_password": "short"})
        }
        ("adminCreateUser", "username_taken") => json!({"username": USER.0, "password": PASSWORD}),
        ("adminCreateUser", "password_too_short") => json!({"username": "eve", "password": "short"}),
        ("adminSetPassword", "password_too_short") => json!({"password": "short"}),
        ("adminCreateUser", "roles_not_permitted") => {
            json!({"username": "eve", "password": PASSWORD, "roles": ["no role"]})
        }
        ("adminSetRoles" | "adminInvite", "roles_not_permitted") => json!({"roles": ["no role"]}),
        ("adminRegisterClient", "id_taken") => json!({"id": PUBLIC, "type": "public"}),
        ("adminRegisterClient", "scopes_unknown") => json!({"type": "public", "scopes": ["fly"]}),
        ("adminUpdateClient", "scopes_unknown") => json!({"scopes": ["fly"]}),
        ("adminUpdateClient", "declared") | ("adminRotateClientSecret", "declared" | "kind") => json!({}),
        ("adminDeleteClient" | "adminEnableClient", "declared")
        | ("adminWithdrawInvitation", "invitation_used") => Value::Null,
        ("adminListUsers", "prefix_not_permitted") => json!("prefix=\0"),
        ("adminListClients", "after_not_permitted") => json!("after=\0"),
        ("adminListEvents", "stream_not_permitted") => json!("stream=x"),
        (_, "after_unknown" | "after_not_permitted") => json!("after=x"),
        _ => return None,
    })
}
