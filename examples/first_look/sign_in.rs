//! Signs in and refreshes, by the `oauth2` crate: `cargo run --release --example first_look -- PASSWORD [ISSUER]`
#![expect(clippy::print_stdout, reason = "it is what it is for")]

use anyhow::{Context as _, Result};
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    ClientId, HttpRequest, HttpResponse, ResourceOwnerPassword, ResourceOwnerUsername, Scope,
    TokenResponse as _, TokenUrl,
};

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let password = ResourceOwnerPassword::new(arguments.next().context("PASSWORD is missing")?);
    let issuer = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let client = BasicClient::new(ClientId::new("demo-public".to_owned()))
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth/token"))?);
    let tokens = client
        .exchange_password(&ResourceOwnerUsername::new("demo".to_owned()), &password)
        .add_scope(Scope::new("profile".to_owned()))
        .request_async(&send)
        .await?;
    println!("signed in: {}", name(&issuer, &tokens).await?);
    let refresh_token = tokens.refresh_token().context("no refresh token")?;
    let tokens = client.exchange_refresh_token(refresh_token).request_async(&send).await?;
    println!("refreshed: {}", name(&issuer, &tokens).await?);
    Ok(())
}

/// The name of the user that an access token belongs to.
async fn name(issuer: &str, tokens: &BasicTokenResponse) -> Result<String> {
    let request = reqwest::Client::new().get(format!("{issuer}/oauth/userinfo"));
    let answer = request.bearer_auth(tokens.access_token().secret()).send().await?.error_for_status()?;
    let user: serde_json::Value = answer.json().await?;
    Ok(user.get("preferred_username").and_then(|name| name.as_str()).context("no name")?.to_owned())
}

/// Sends the crate's requests. With its feature `reqwest`, a `reqwest::Client` does that.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let answer = reqwest::Client::new().execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}
