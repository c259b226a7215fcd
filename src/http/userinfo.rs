//! `GET /oauth/userinfo`: who the user of an access token is (OpenID Connect Core §5.3).

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::bearer::{ApiScope, Bearer};
use super::problem::ApiError;
use super::token::Tag;
use crate::app::App;

/// The userinfo endpoint.
pub struct UserinfoApi;

/// Who somebody is.
#[derive(Object)]
struct Userinfo {
    /// The user's id: the `sub` of the access token.
    sub: String,
    /// The name that the user signs in with.
    preferred_username: String,
    /// What the user may be.
    roles: Vec<String>,
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
    #[oai(path = "/oauth/userinfo", method = "get", tag = "Tag::Account", operation_id = "userinfo")]
    async fn userinfo(
        &self,
        #[oai(scope = "ApiScope::Profile")] token: Bearer,
        app: Data<&Arc<App>>,
    ) -> Result<UserinfoAnswer, ApiError> {
        let access = token.access(&app, "profile").await?;
        let user = access.live.user_id();
        let name = app.name_of(user).await.map_err(|error| ApiError::token(&error))?;
        let preferred_username = name.unwrap_or_default();
        let roles = access.live.user.roles;
        Ok(UserinfoAnswer::Ok(Json(Userinfo { sub: user.to_string(), preferred_username, roles })))
    }
}
