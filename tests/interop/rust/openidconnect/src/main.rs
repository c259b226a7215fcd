//! The `openidconnect` crate in an app that signs people in. One person uses it at a time.

use std::env;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use openidconnect::core::{
    CoreAuthPrompt, CoreClient, CoreIdToken, CoreIdTokenClaims, CoreResponseType, CoreTokenResponse,
    CoreUserInfoClaims,
};
use openidconnect::{
    AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, Scope, TokenResponse as _,
};
use serde_json::{Value, json};
use tiny_http::{Header, Request, Response, Server};

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the crate sends its requests with: any HTTP client can be this.
fn send(request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None).build();
    let (head, mut body) = ureq::Agent::new_with_config(config).run(request)?.into_parts();
    Ok(HttpResponse::from_parts(head, body.read_to_vec()?))
}

fn discovered(
    issuer: &str,
    id: &str,
    secret: &str,
    base: &str,
) -> Result<(ProviderMetadataWithLogout, Client)> {
    let metadata = ProviderMetadataWithLogout::discover(&IssuerUrl::new(issuer.to_owned())?, &send)?;
    let secret = Some(ClientSecret::new(secret.to_owned()));
    let client = CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id.to_owned()), secret)
        .set_redirect_uri(RedirectUrl::new(format!("{base}/callback"))?);
    Ok((metadata, client))
}

struct App {
    client: Client,
    metadata: ProviderMetadataWithLogout,
    base: String,
    scopes: Vec<Scope>,
    /// What a session of a real app keeps.
    checks: Option<(CsrfToken, Nonce, PkceCodeVerifier)>,
    tokens: Option<CoreTokenResponse>,
}

impl App {
    fn login(&mut self, prompt: Option<&str>) -> String {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let request = self.client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        let mut request = request.set_pkce_challenge(challenge).add_scopes(self.scopes.clone());
        if prompt == Some("login") {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        let (url, state, nonce) = request.url();
        self.checks = Some((state, nonce, verifier));
        url.into()
    }

    fn callback(&mut self, url: &openidconnect::url::Url) -> Result<Value> {
        let answer = |name: &str| {
            url.query_pairs().find(|(given, _)| given == name).map(|(_, value)| value.into_owned())
        };
        if let Some(error) = answer("error") {
            bail!("{error}: {}", answer("error_description").unwrap_or_default());
        }
        let (state, nonce, verifier) = self.checks.take().context("nobody has begun")?;
        ensure!(answer("state").as_ref() == Some(state.secret()), "another state");
        let code = AuthorizationCode::new(answer("code").context("no code")?);
        let tokens = self.client.exchange_code(code)?.set_pkce_verifier(verifier).request(&send)?;
        let claims = self.verified(&tokens, &nonce)?;
        let user = self.client.user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?;
        let user: CoreUserInfoClaims = user.request(&send)?;
        let said = json!({
            "sub": claims.subject().as_str(),
            "auth_time": claims.auth_time().map(|time| time.timestamp()),
            "name": user.preferred_username().map(|name| name.as_str()),
        });
        self.tokens = Some(tokens);
        Ok(said)
    }

    /// The claims of the ID token, which must be about the access token.
    fn verified(&self, tokens: &CoreTokenResponse, nonce: &Nonce) -> Result<CoreIdTokenClaims> {
        let (token, verifier) = (id_token(tokens)?, self.client.id_token_verifier());
        let claims = token.claims(&verifier, nonce)?.clone();
        if let Some(hash) = claims.access_token_hash() {
            let (algorithm, key) = (token.signing_alg()?, token.signing_key(&verifier)?);
            let found = openidconnect::AccessTokenHash::from_token(tokens.access_token(), algorithm, key)?;
            ensure!(found == *hash, "the ID token is about another access token");
        }
        Ok(claims)
    }

    fn refresh(&mut self) -> Result<Value> {
        let before = self.tokens.as_ref().context("nobody is signed in")?;
        let token = before.refresh_token().context("no refresh token")?;
        let after = self.client.exchange_refresh_token(token)?.request(&send)?;
        // An ID token of a refresh has no nonce (OpenID Connect Core §12.2).
        let verifier = self.client.id_token_verifier();
        let claims = id_token(&after)?.claims(&verifier, |_: Option<&Nonce>| Ok(()))?;
        let changed = after.access_token().secret() != before.access_token().secret();
        let said = json!({ "sub": claims.subject().as_str(), "changed": changed });
        self.tokens = Some(after);
        Ok(said)
    }

    fn logout(&mut self) -> Result<String> {
        let endpoint = self.metadata.additional_metadata().end_session_endpoint.clone();
        let tokens = self.tokens.take().context("nobody is signed in")?;
        let request = LogoutRequest::from(endpoint.context("no end of sessions")?)
            .set_id_token_hint(id_token(&tokens)?)
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(format!("{}/", self.base))?);
        Ok(request.http_get_url().into())
    }

    fn answer(&mut self, request: Request) -> Result<()> {
        let url = openidconnect::url::Url::parse(&self.base)?.join(request.url())?;
        let prompt =
            url.query_pairs().find(|(name, _)| name == "prompt").map(|(_, value)| value.into_owned());
        let said = match url.path() {
            "/login" => return redirect(request, &self.login(prompt.as_deref())),
            "/logout" => return redirect(request, &self.logout()?),
            "/callback" => self.callback(&url),
            "/refresh" => self.refresh(),
            "/about" => Ok(json!({ "library": "openidconnect", "version": env!("OPENIDCONNECT_VERSION") })),
            _ => Ok(json!("signed out")),
        };
        let (status, text) = match said {
            Ok(said) => (200, said.to_string()),
            Err(error) => (500, format!("{error:?}")),
        };
        Ok(request.respond(Response::from_string(text).with_status_code(status))?)
    }
}

fn id_token(tokens: &CoreTokenResponse) -> Result<&CoreIdToken> {
    tokens.id_token().context("no ID token")
}

fn redirect(request: Request, to: &str) -> Result<()> {
    let location = Header::from_bytes("Location", to).map_err(|()| anyhow!("no header: {to}"))?;
    Ok(request.respond(Response::empty(302).with_header(location))?)
}

fn main() -> Result<()> {
    let variable =
        |name: &str| env::var(format!("HEIRLOOM_{name}")).with_context(|| format!("{name} is not set"));
    let base = variable("APP")?;
    let (id, secret) = (variable("CLIENT_ID")?, variable("CLIENT_SECRET")?);
    let (metadata, client) = discovered(&variable("ISSUER")?, &id, &secret, &base)?;
    // The crate adds `openid`.
    let scopes =
        variable("APP_SCOPE")?.split(' ').skip(1).map(|scope| Scope::new(scope.to_owned())).collect();
    let mut app = App { client, metadata, scopes, checks: None, tokens: None, base };
    let listener = format!("127.0.0.1:{}", variable("APP_PORT")?);
    let server = Server::http(listener).map_err(|error| anyhow!("{error}"))?;
    for request in server.incoming_requests() {
        app.answer(request)?;
    }
    Ok(())
}
