//! `GET` and `POST /oauth/userinfo`: who the user of an access token is (OpenID Connect Core §5.3).

use poem::http::header;
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object, OpenApi};
use zeroize::Zeroizing;

use super::form::Form;
use super::oauth_form::FORM;
use crate::app::Accounts;
use crate::clock::Timestamp;
use crate::http::bearer::{ApiScope, Bearer};
use crate::http::problem::ApiError;
use crate::http::request_body;
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::oauth::Scope;

/// The scopes that open this endpoint. Clients that know nothing of OpenID Connect ask for `profile` alone.
const SCOPES: [&str; 3] = [Scope::OPENID, Scope::PROFILE, Scope::EMAIL];

/// The userinfo endpoint.
pub struct UserinfoApi;

/// Who somebody is.
#[derive(Object)]
#[oai(example)]
struct Userinfo {
    /// The user's id: the `sub` of the access token.
    sub: String,
    /// The name that the user signs in with, with the scope `profile`.
    #[oai(skip_serializing_if_is_none)]
    preferred_username: Option<String>,
    /// What the user likes to be called, with the scope `profile`.
    #[oai(skip_serializing_if_is_none)]
    name: Option<String>,
    /// The e-mail address, as the user has given it, with the scope `email`.
    #[oai(skip_serializing_if_is_none)]
    email: Option<String>,
    /// Whether the address is known to be the user's: `false`, since it isn't verified here.
    #[oai(skip_serializing_if_is_none)]
    email_verified: Option<bool>,
    /// What the user may be, with the scope `profile`.
    #[oai(skip_serializing_if_is_none)]
    roles: Option<Vec<String>>,
    /// When the user last changed names or address, in seconds since the Unix epoch, with the scope `profile`; left out
    /// if that is not known.
    #[oai(skip_serializing_if_is_none)]
    updated_at: Option<u64>,
}

impl poem_openapi::types::Example for Userinfo {
    fn example() -> Self {
        Self {
            sub: "01997f2a-5c3e-7d10-9a64-0c2f6b1e8d47".to_owned(),
            preferred_username: Some("ann".to_owned()),
            name: Some("Ann Lee".to_owned()),
            email: Some("ann@example.com".to_owned()),
            email_verified: Some(false),
            roles: Some(vec!["user".to_owned()]),
            updated_at: Some(1_769_860_800),
        }
    }
}

#[derive(ApiResponse)]
enum UserinfoAnswer {
    /// The user.
    #[oai(status = 200)]
    Ok(Json<Userinfo>),
}

/// The body of the request by POST.
#[derive(Object)]
#[oai(rename = "UserinfoRequest")]
struct UserinfoForm {
    /// The access token, if it is not in the `Authorization` header (RFC 6750 §2.2).
    access_token: Option<String>,
}

/// A body that may be a form with the access token. Any other body is not read: some libraries send one that is empty, or
/// JSON.
struct AccessTokenForm<'a> {
    request: &'a Request,
    body: Option<Body>,
}

impl AccessTokenForm<'_> {
    /// The access token in the form.
    ///
    /// # Errors
    /// [`ApiError`] if the form is malformed, or has it twice.
    async fn access_token(self) -> Result<Option<Zeroizing<String>>, ApiError> {
        let media_type =
            self.request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case(FORM) {
            return Ok(None);
        }
        let malformed = |error: &dyn std::fmt::Display| ApiError::malformed(error.to_string(), Vec::new());
        let bytes = request_body::read(self.request, self.body).await.map_err(|error| malformed(&error))?;
        let mut form = Form::parse(&bytes).map_err(|error| malformed(&error))?;
        Ok(form.take("access_token"))
    }
}

impl<'a> ApiExtractor<'a> for AccessTokenForm<'a> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        UserinfoForm::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: FORM, schema: UserinfoForm::schema_ref() }];
        Some(MetaRequest { description: None, content, required: false })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self { request, body: body.take().ok() })
    }
}

#[OpenApi]
impl UserinfoApi {
    /// Who the user is
    ///
    /// The id of the person, for an access token with the scope `openid`; with `profile` the names and roles, with `email` the
    /// e-mail address. An access token with `profile` or `email` alone is answered, too.
    #[oai(path = "/oauth/userinfo", method = "get", tag = "Tag::Account", operation_id = "userinfo")]
    async fn userinfo(
        &self,
        #[oai(scope = "ApiScope::OpenId")] token: Bearer,
        accounts: Service<'_, Accounts>,
    ) -> Result<UserinfoAnswer, ApiError> {
        answer(&token, &accounts).await
    }

    /// Who the user is, by POST
    ///
    /// The same; some libraries ask so. The access token is in the `Authorization` header, or in a form (RFC 6750 §2.2).
    #[oai(path = "/oauth/userinfo", method = "post", tag = "Tag::Account", operation_id = "userinfoByPost")]
    async fn userinfo_by_post(
        &self,
        #[oai(scope = "ApiScope::OpenId")] token: Bearer,
        form: AccessTokenForm<'_>,
        accounts: Service<'_, Accounts>,
    ) -> Result<UserinfoAnswer, ApiError> {
        let token = token.or_in_form(form.access_token().await?)?;
        answer(&token, &accounts).await
    }
}

/// The claims by scope (OpenID Connect Core §5.4).
async fn answer(token: &Bearer, accounts: &Accounts) -> Result<UserinfoAnswer, ApiError> {
    let access = token.access_by(&SCOPES).await?;
    let account = accounts.own_account(access.user).await.map_err(|error| ApiError::user(&error, "", ""))?;
    let has = |scope: &str| access.token.scope.split(' ').any(|word| word == scope);
    let (has_profile, has_email) = (has(Scope::PROFILE), has(Scope::EMAIL));
    let email = account.profile.email.filter(|_| has_email).map(|email| email.as_str().to_owned());
    let changed_at = if has_profile {
        accounts.profile_changed_at(access.user).await.map_err(|error| ApiError::token(&error))?
    } else {
        None
    };
    let name = account.profile.display_name.filter(|_| has_profile);
    Ok(UserinfoAnswer::Ok(Json(Userinfo {
        sub: access.user.to_string(),
        preferred_username: has_profile.then_some(account.name),
        name: name.map(|name| name.as_str().to_owned()),
        email_verified: email.as_ref().map(|_| false),
        email,
        roles: has_profile.then_some(access.roles),
        updated_at: changed_at.map(Timestamp::seconds),
    })))
}
