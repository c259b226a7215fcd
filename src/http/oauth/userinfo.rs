//! `GET` and `POST /oauth/userinfo`: who the user of an access token is (OpenID Connect Core §5.3).

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::app::Accounts;
use crate::http::bearer::{ApiScope, Bearer};
use crate::http::problem::ApiError;
use crate::http::service::Service;
use crate::http::tag::Tag;

/// The userinfo endpoint.
pub struct UserinfoApi;

/// Who somebody is.
#[derive(Object)]
#[oai(example)]
struct Userinfo {
    /// The user's id: the `sub` of the access token.
    sub: String,
    /// The name that the user signs in with.
    preferred_username: String,
    /// What the user likes to be called.
    #[oai(skip_serializing_if_is_none)]
    name: Option<String>,
    /// The e-mail address, as the user has given it.
    #[oai(skip_serializing_if_is_none)]
    email: Option<String>,
    /// Whether the address is known to be the user's: `false`, since it isn't verified here.
    #[oai(skip_serializing_if_is_none)]
    email_verified: Option<bool>,
    /// What the user may be.
    roles: Vec<String>,
}

impl poem_openapi::types::Example for Userinfo {
    fn example() -> Self {
        Self {
            sub: "01997f2a-5c3e-7d10-9a64-0c2f6b1e8d47".to_owned(),
            preferred_username: "ann".to_owned(),
            name: Some("Ann Lee".to_owned()),
            email: Some("ann@example.com".to_owned()),
            email_verified: Some(false),
            roles: vec!["user".to_owned()],
        }
    }
}

#[derive(ApiResponse)]
enum UserinfoAnswer {
    /// The user.
    #[oai(status = 200)]
    Ok(Json<Userinfo>),
}

#[OpenApi]
impl UserinfoApi {
    /// Who the user is
    ///
    /// What heirloom knows of the person, for an access token with the scope `profile`.
    #[oai(path = "/oauth/userinfo", method = "get", tag = "Tag::Account", operation_id = "userinfo")]
    async fn userinfo(
        &self,
        #[oai(scope = "ApiScope::Profile")] token: Bearer,
        accounts: Service<'_, Accounts>,
    ) -> Result<UserinfoAnswer, ApiError> {
        answer(&token, &accounts).await
    }

    /// Who the user is, by POST
    ///
    /// The same; some libraries ask so. The access token is in the `Authorization` header here, too; a body is not read.
    #[oai(path = "/oauth/userinfo", method = "post", tag = "Tag::Account", operation_id = "userinfoByPost")]
    async fn userinfo_by_post(
        &self,
        #[oai(scope = "ApiScope::Profile")] token: Bearer,
        accounts: Service<'_, Accounts>,
    ) -> Result<UserinfoAnswer, ApiError> {
        answer(&token, &accounts).await
    }
}

async fn answer(token: &Bearer, accounts: &Accounts) -> Result<UserinfoAnswer, ApiError> {
    let access = token.access("profile").await?;
    let user = access.user;
    let account = accounts.own_account(user).await.map_err(|error| ApiError::user(&error, "", ""))?;
    let email = account.profile.email.map(|email| email.as_str().to_owned());
    Ok(UserinfoAnswer::Ok(Json(Userinfo {
        sub: user.to_string(),
        preferred_username: account.name,
        name: account.profile.display_name.map(|name| name.as_str().to_owned()),
        email_verified: email.as_ref().map(|_| false),
        email,
        roles: access.roles,
    })))
}
