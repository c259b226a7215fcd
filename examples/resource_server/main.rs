//! A resource server: public content, and content for users, moderators and administrators, by heirloom's access tokens.
//!
//! ```text
//! cargo run --release --example resource_server -- --issuer http://127.0.0.1:8080 [--audience demo-api] [--port 8090]
//! ```
//!
//! `verify.rs` verifies the access tokens, in about a hundred lines. This file has the content. `/` and `/code` serve the
//! two pages of `examples/browser`; for the second, run `npm ci` there first.

#![expect(clippy::needless_pass_by_value, reason = "poem's handlers take their arguments by value")]

mod verify;

use std::io::Write as _;
use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::web::{Data, Html, Json};
use poem::{EndpointExt as _, Request, Response, Route, Server, get, handler};
use serde_json::{Value, json};

use verify::{Refused, Token, Verifier};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let argument = |name: &str, usual: &str| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next().unwrap_or_else(|| usual.to_owned())
    };
    let issuer = argument("--issuer", "http://127.0.0.1:8080");
    let verifier = Verifier::new(&issuer, &argument("--audience", "demo-api"))?;
    let app = Route::new()
        .at("/", get(page))
        .at("/code", get(code_page))
        .at("/oauth4webapi.js", get(library))
        .at("/config.json", get(config))
        .at("/public", get(public))
        .at("/user", get(for_users))
        .at("/moderator", get(for_moderators))
        .at("/admin", get(for_administrators))
        .data(Arc::new(verifier))
        .data(Arc::new(Settings { issuer, client_id: argument("--client-id", "demo-browser") }));
    let port: u16 = argument("--port", "8090").parse()?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let acceptor = poem::listener::TcpAcceptor::from_std(listener)?;
    // One line, for the program or person that started it.
    writeln!(std::io::stdout(), "http://{address}")?;
    Ok(Server::new_with_acceptor(acceptor).run(app).await?)
}

/// What the page needs to know: the issuer and its client's id.
struct Settings {
    issuer: String,
    client_id: String,
}

#[handler]
fn page() -> Html<&'static str> {
    Html(include_str!("../browser/index.html"))
}

#[handler]
fn code_page() -> Html<&'static str> {
    Html(include_str!("../browser/code.html"))
}

/// The library that the second page uses.
#[handler]
async fn library() -> Response {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/browser/node_modules/oauth4webapi/build/index.js");
    match std::fs::read(path) {
        Ok(script) => Response::builder().content_type("text/javascript").body(script),
        Err(_) => Response::builder().status(StatusCode::NOT_FOUND).body("run `npm ci` in examples/browser"),
    }
}

#[handler]
fn config(settings: Data<&Arc<Settings>>) -> Json<Value> {
    Json(json!({"issuer": settings.issuer, "client_id": settings.client_id}))
}

#[handler]
fn public() -> Json<Value> {
    Json(json!({"content": "for everybody"}))
}

#[handler]
async fn for_users(request: &Request, verifier: Data<&Arc<Verifier>>) -> Response {
    content(request, &verifier, "user").await
}

#[handler]
async fn for_moderators(request: &Request, verifier: Data<&Arc<Verifier>>) -> Response {
    content(request, &verifier, "moderator").await
}

#[handler]
async fn for_administrators(request: &Request, verifier: Data<&Arc<Verifier>>) -> Response {
    content(request, &verifier, "admin").await
}

/// The content for a role, or the error (RFC 6750 §3.1).
async fn content(request: &Request, verifier: &Verifier, role: &str) -> Response {
    let bearer = request.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let Some(bearer) = bearer else {
        return refuse(StatusCode::UNAUTHORIZED, r#"Bearer realm="example""#.to_owned());
    };
    match verifier.verify(bearer).await {
        Ok(Token { sub, roles, .. }) if roles.iter().any(|has| has == role) => {
            let body = json!({"content": format!("for every {role}"), "you": sub});
            Response::builder().content_type("application/json").body(body.to_string())
        }
        Ok(_) => {
            let challenge = r#"Bearer realm="example", error="insufficient_scope""#;
            refuse(
                StatusCode::FORBIDDEN,
                format!(r#"{challenge}, error_description="It needs the role {role}.""#),
            )
        }
        Err(Refused::Unavailable) => refuse(StatusCode::SERVICE_UNAVAILABLE, String::new()),
        Err(refused) => {
            let challenge = r#"Bearer realm="example", error="invalid_token""#;
            refuse(StatusCode::UNAUTHORIZED, format!(r#"{challenge}, error_description="{refused}""#))
        }
    }
}

fn refuse(status: StatusCode, challenge: String) -> Response {
    let answer = Response::builder().status(status);
    if challenge.is_empty() {
        answer.finish()
    } else {
        answer.header(header::WWW_AUTHENTICATE, challenge).finish()
    }
}
