//! `POST /oauth/par`: a client pushes its authorization request (RFC 9126) instead of sending it through the browser.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::oauth_form::{ClientBasic, FormBody, OauthForm};
use super::refusal::{Refusal, Refused};
use crate::app::AuthorizationRequests;
use crate::app::authorize::begin::Pushed;
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::oauth::Parameters;

/// The endpoint for pushed authorization requests.
pub struct ParApi;

/// What the endpoint takes.
// For the specification: `OauthForm` is what reads it.
#[derive(Object)]
#[oai(rename = "PushRequest")]
struct PushBody {
    /// What is wanted: `code`.
    response_type: String,
    /// Where the answer goes: one of the client's redirect URIs.
    redirect_uri: String,
    /// The challenge of PKCE (RFC 7636), made of a verifier that the client keeps.
    code_challenge: Option<String>,
    /// How the challenge is made: `S256`.
    code_challenge_method: Option<String>,
    /// The scope, separated by spaces.
    #[oai(validator(max_length = 1024))]
    scope: Option<String>,
    /// What the client wants back unchanged.
    #[oai(validator(max_length = 4096))]
    state: Option<String>,
    /// What the ID token is to contain unchanged.
    #[oai(validator(max_length = 2048))]
    nonce: Option<String>,
    /// How the answer gets to the client: `query` or `form_post`.
    response_mode: Option<String>,
    /// What the person is asked: `none`, or words out of `login`, `consent`, `select_account` and `create`.
    prompt: Option<String>,
    /// How many seconds ago the person may have signed in.
    max_age: Option<String>,
    /// The name to begin the log in page with.
    #[oai(validator(max_length = 256))]
    login_hint: Option<String>,
    /// An ID token of the person who is to be signed in.
    id_token_hint: Option<String>,
    /// The languages of the pages, separated by spaces.
    #[oai(validator(max_length = 256))]
    ui_locales: Option<String>,
    /// The resource server that the tokens are for (RFC 8707).
    resource: Option<String>,
    /// The client, unless the `Authorization` header names it.
    client_id: Option<String>,
    /// The client's secret, unless it is a public client or the `Authorization` header has it.
    client_secret: Option<String>,
}

#[OpenApi]
impl ParApi {
    /// Push an authorization request
    ///
    /// Takes the parameters of an authorization request and gives a `request_uri` for them. The browser is then sent to
    /// `/oauth/authorize` with `client_id` and `request_uri` alone, so the parameters can't be read or changed there. A
    /// `request_uri` is good once, for 90 seconds until the browser comes with it.
    ///
    /// The client authenticates as at the token endpoint.
    #[oai(
        path = "/oauth/par",
        method = "post",
        tag = "Tag::Tokens",
        operation_id = "pushAuthorizationRequest"
    )]
    async fn push(
        &self,
        _auth: ClientBasic,
        form: FormBody<'_, PushBody>,
        requests: Service<'_, AuthorizationRequests>,
    ) -> Result<PushAnswer, Refused> {
        let mut oauth_form = OauthForm::read(form).await?;
        let client = oauth_form.authenticate().await?;
        let parameters = Parameters::new(std::mem::take(&mut oauth_form.form).into_pairs());
        let pushed = requests.push(&client.registration, &parameters);
        let Pushed { request_uri, life } =
            pushed.map_err(|(code, description)| Refusal::code(code, &description))?;
        Ok(PushAnswer::Created(Json(PushedRequest { request_uri, expires_in: life.as_secs() })))
    }
}

/// A pushed request (RFC 9126 §2.2).
#[derive(Object)]
#[oai(example)]
struct PushedRequest {
    /// What `/oauth/authorize` takes instead of the parameters.
    request_uri: String,
    /// Seconds until it is too old.
    expires_in: u64,
}

impl Example for PushedRequest {
    fn example() -> Self {
        Self {
            request_uri: "urn:ietf:params:oauth:request_uri:hpr_AYSIY3dlYnZodHRw".to_owned(),
            expires_in: 90,
        }
    }
}

/// A successful answer.
#[derive(ApiResponse)]
#[oai(
    header(name = "Cache-Control", ty = "String", description = "Always `no-store`."),
    header(name = "Pragma", ty = "String", description = "Always `no-cache`.")
)]
enum PushAnswer {
    /// The request is taken.
    #[oai(status = 201)]
    Created(Json<PushedRequest>),
}
