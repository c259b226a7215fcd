//! The `oauth2` crate as a client of heirloom; tests/interop/README.md says what is checked and how.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program on its own")]

use std::collections::HashSet;
use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicRequestTokenError, BasicTokenResponse};
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, ConfigurationError, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IntrospectionUrl, RefreshToken, ResourceOwnerPassword, ResourceOwnerUsername,
    RevocationUrl, Scope, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};
use serde_json::json;

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

fn client(issuer: &str, id: &str, secret: Option<&str>, style: AuthType) -> Result<Client> {
    let client = BasicClient::new(ClientId::new(id.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth/token"))?)
        .set_revocation_url(RevocationUrl::new(format!("{issuer}/oauth/revoke"))?)
        .set_introspection_url(IntrospectionUrl::new(format!("{issuer}/oauth/introspect"))?)
        .set_auth_type(style);
    Ok(match secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.to_owned())),
        None => client,
    })
}

/// What the crate sends its requests with: any HTTP client can be this. With its feature `reqwest`, `reqwest::Client` is.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let answer = http.execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}

async fn sign_in_and_refresh(client: &Client, username: &str, password: &str) -> Result<BasicTokenResponse> {
    let (username, password) = (username.to_owned(), password.to_owned());
    let (username, password) = (ResourceOwnerUsername::new(username), ResourceOwnerPassword::new(password));
    let request = client.exchange_password(&username, &password).add_scope(Scope::new("profile".to_owned()));
    let tokens = request.request_async(&send).await?;
    let refresh_token = tokens.refresh_token().context("no refresh token")?;
    // From here on the new refresh token is the one to keep.
    Ok(client.exchange_refresh_token(refresh_token).request_async(&send).await?)
}

type Answer = Result<BasicTokenResponse, BasicRequestTokenError<reqwest::Error>>;

/// What came out of a check: nothing, or what the crate does not support.
type Outcome = Result<Option<&'static str>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Basic,
    Post,
    None,
}

impl Style {
    fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Post => "post",
            Self::None => "none",
        }
    }

    /// The client, and one that the server does not know.
    fn clients(self) -> Result<[Client; 2]> {
        let (issuer, id, secret) = (told("ISSUER")?, told("CLIENT_ID")?, told("CLIENT_SECRET")?);
        let with = |id: &str, secret, style| client(&issuer, id, secret, style);
        let confidential = |style: &dyn Fn() -> AuthType| {
            Ok([with(&id, Some(&secret), style())?, with(&id, Some("wr:ng%s/cret+"), style())?])
        };
        match self {
            Self::Basic => confidential(&|| AuthType::BasicAuth),
            Self::Post => confidential(&|| AuthType::RequestBody),
            Self::None => {
                let id = told("PUBLIC_CLIENT_ID")?;
                let nobody = with("nobody-knows-it", None, AuthType::RequestBody)?;
                Ok([with(&id, None, AuthType::RequestBody)?, nobody])
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    for style in [Style::Basic, Style::Post, Style::None] {
        report(style, "sign in", signs_in(style).await);
        report(style, "refresh", refreshes(style, 1).await);
        report(style, "refresh again", refreshes(style, 3).await);
        report(style, "concurrent refresh", refreshes_at_once(style).await);
        report(style, "expired access token", expires(style).await);
        report(style, "wrong password", wrong_password(style).await);
        report(style, "wrong secret", wrong_secret(style).await);
        report(style, "narrower scope", narrows(style).await);
        report(style, "revoke", revokes(style).await);
        report(style, "introspect", introspects(style).await);
    }
    Ok(())
}

fn report(style: Style, check: &str, outcome: Outcome) {
    let (result, note) = match outcome {
        Ok(None) => ("passed", String::new()),
        Ok(Some(why)) => ("not supported", why.to_owned()),
        Err(error) => ("failed", format!("{error:#}")),
    };
    let line = json!({
        "library": "oauth2", "version": version(), "as": "client", "style": style.name(), "check": check,
        "result": result, "note": note,
    });
    println!("{line}");
}

/// The version that this was compiled with.
fn version() -> Option<&'static str> {
    let (_, behind) = include_str!("../../../Cargo.lock").split_once("name = \"oauth2\"\nversion = \"")?;
    behind.split('"').next()
}

fn told(name: &str) -> Result<String> {
    env::var(format!("HEIRLOOM_{name}")).with_context(|| format!("HEIRLOOM_{name} is missing"))
}

async fn sign_in(client: &Client, scope: &str, password: Option<&str>) -> Result<Answer> {
    let password =
        ResourceOwnerPassword::new(password.map_or_else(|| told("PASSWORD"), |word| Ok(word.to_owned()))?);
    let username = ResourceOwnerUsername::new(told("USERNAME")?);
    let scopes = scope.split(' ').map(|word| Scope::new(word.to_owned()));
    Ok(client.exchange_password(&username, &password).add_scopes(scopes).request_async(&send).await)
}

async fn refresh(client: &Client, token: &RefreshToken) -> Answer {
    client.exchange_refresh_token(token).request_async(&send).await
}

fn refresh_token(answer: &BasicTokenResponse) -> Result<RefreshToken> {
    answer.refresh_token().cloned().context("no refresh token")
}

fn scope(answer: &BasicTokenResponse) -> String {
    let words: Vec<_> = answer.scopes().into_iter().flatten().map(|word| word.as_str()).collect();
    words.join(" ")
}

/// The session that an access token says it is of.
fn sid(answer: &BasicTokenResponse) -> Result<serde_json::Value> {
    let claims =
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(answer.access_token().secret())?.claims;
    claims.get("sid").cloned().context("no sid")
}

/// That it is the crate's own error with this code.
fn is_refused(answer: Answer, code: &BasicErrorResponseType) -> Result<()> {
    match answer {
        Err(BasicRequestTokenError::ServerResponse(error)) if error.error() == code => Ok(()),
        Err(other) => Err(anyhow!("{other:?}")),
        Ok(_) => Err(anyhow!("no error")),
    }
}

async fn signs_in(style: Style) -> Outcome {
    let [client, _] = style.clients()?;
    let answer = sign_in(&client, "read write", None).await??;
    let seconds: u64 = told("ACCESS_TOKEN_SECONDS")?.parse()?;
    ensure!(answer.token_type() == &oauth2::basic::BasicTokenType::Bearer);
    let expires_in = answer.expires_in().unwrap_or_default().as_secs();
    ensure!((1..=seconds).contains(&expires_in), "{expires_in}");
    ensure!(scope(&answer) == "read write" && refresh_token(&answer)?.secret().starts_with("hrt_"));
    let again = sign_in_and_refresh(&client, &told("USERNAME")?, &told("PASSWORD")?).await?;
    ensure!(scope(&again) == "profile");
    Ok(None)
}

async fn refreshes(style: Style, times: usize) -> Outcome {
    let [client, _] = style.clients()?;
    let mut answer = sign_in(&client, "read write", None).await??;
    let session = sid(&answer)?;
    let mut seen =
        HashSet::from([answer.access_token().secret().clone(), refresh_token(&answer)?.into_secret()]);
    for _ in 0..times {
        answer = refresh(&client, &refresh_token(&answer)?).await?;
        ensure!(seen.insert(answer.access_token().secret().clone()), "the same access token");
        ensure!(seen.insert(refresh_token(&answer)?.into_secret()), "the same refresh token");
        ensure!(sid(&answer)? == session, "another session");
    }
    Ok(None)
}

async fn refreshes_at_once(style: Style) -> Outcome {
    let [client, _] = style.clients()?;
    let mut token = refresh_token(&sign_in(&client, "read write", None).await??)?;
    for _ in 0..3 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let (client, token) = (client.clone(), token.clone());
            tasks
                .spawn_blocking(move || tokio::runtime::Handle::current().block_on(refresh(&client, &token)));
        }
        let answers = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let successors = answers
            .iter()
            .map(|answer| Ok(refresh_token(answer)?.into_secret()))
            .collect::<Result<HashSet<_>>>()?;
        ensure!(successors.len() == 1, "{} successors", successors.len());
        let successor = refresh_token(answers.first().context("no answer")?)?;
        ensure!(successor.secret() != token.secret(), "the same refresh token");
        token = successor;
    }
    refresh(&client, &token).await?;
    Ok(None)
}

async fn expires(style: Style) -> Outcome {
    let [client, _] = style.clients()?;
    let mut answer = sign_in(&client, "profile", None).await??;
    ensure!(userinfo(&answer).await?.status() == 200);
    let begun = Instant::now();
    let refused = loop {
        let called = userinfo(&answer).await?;
        if called.status() != 200 {
            break called;
        }
        ensure!(begun.elapsed() < Duration::from_secs(20), "it does not expire");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let challenge = refused.headers().get("www-authenticate").context("no challenge")?.to_str()?.to_owned();
    ensure!(refused.status() == 401 && challenge.contains(r#"error="invalid_token""#), "{challenge}");
    answer = refresh(&client, &refresh_token(&answer)?).await?;
    ensure!(userinfo(&answer).await?.status() == 200);
    Ok(None)
}

async fn userinfo(answer: &BasicTokenResponse) -> Result<reqwest::Response> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/oauth/userinfo", told("ISSUER")?);
    Ok(http.get(url).bearer_auth(answer.access_token().secret()).send().await?)
}

async fn wrong_password(style: Style) -> Outcome {
    let [client, _] = style.clients()?;
    is_refused(
        sign_in(&client, "read", Some("not the password")).await?,
        &BasicErrorResponseType::InvalidGrant,
    )?;
    Ok(None)
}

async fn wrong_secret(style: Style) -> Outcome {
    let [_, wrong] = style.clients()?;
    is_refused(sign_in(&wrong, "read", None).await?, &BasicErrorResponseType::InvalidClient)?;
    Ok(None)
}

async fn narrows(style: Style) -> Outcome {
    let [client, _] = style.clients()?;
    let wide = refresh_token(&sign_in(&client, "read write", None).await??)?;
    let request = client.exchange_refresh_token(&wide).add_scope(Scope::new("read".to_owned()));
    let narrow = request.request_async(&send).await?;
    ensure!(scope(&narrow) == "read", "{}", scope(&narrow));
    let wide = refresh(&client, &refresh_token(&narrow)?).await?;
    ensure!(scope(&wide) == "read write", "{}", scope(&wide));
    Ok(None)
}

async fn revokes(style: Style) -> Outcome {
    let [client, _] = style.clients()?;
    let token = refresh_token(&sign_in(&client, "read", None).await??)?;
    let request = match client.revoke_token(token.clone().into()) {
        Err(ConfigurationError::InsecureUrl("revocation")) => {
            return Ok(Some(
                "only over https, which `heirloom dev` is not: \
                 https://docs.rs/oauth2/5.0.0/oauth2/enum.ConfigurationError.html",
            ));
        }
        other => other?,
    };
    request.request_async(&send).await?;
    is_refused(refresh(&client, &token).await, &BasicErrorResponseType::InvalidGrant)?;
    Ok(None)
}

async fn introspects(style: Style) -> Outcome {
    if style == Style::None {
        return Ok(Some("heirloom lets no public client introspect (RFC 7662 §2.1)"));
    }
    let [client, _] = style.clients()?;
    let token = refresh_token(&sign_in(&client, "read", None).await??)?;
    let asked = AccessToken::new(token.secret().clone());
    let ask = async || {
        Ok::<_, anyhow::Error>(
            client.introspect(&asked).set_token_type_hint("refresh_token").request_async(&send).await?,
        )
    };
    let active = ask().await?;
    ensure!(
        active.active() && active.client_id().map(|id| id.as_str()) == Some(&*told("CLIENT_ID")?),
        "{active:?}"
    );
    // The crate revokes over https only.
    let http = reqwest::Client::builder().no_proxy().build()?;
    let form = [
        ("token", token.secret().as_str()),
        ("client_id", &told("CLIENT_ID")?),
        ("client_secret", &told("CLIENT_SECRET")?),
    ];
    let revoked = http.post(format!("{}/oauth/revoke", told("ISSUER")?)).form(&form).send().await?;
    ensure!(revoked.status() == 200);
    let over = serde_json::to_value(ask().await?)?;
    ensure!(
        over.get("active") == Some(&json!(false))
            && over.as_object().is_some_and(|members| members.len() == 1),
        "{over}"
    );
    Ok(None)
}
