//! `/admin/users`.

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};

use super::administrator::Admin;
use super::sessions::{self, SessionPageAnswer};
use super::user_body::{CreateUserRequest, SetPasswordRequest, SetRolesRequest, User, UserPage};
use crate::app::Administration;
use crate::app::admin::users::parse_roles;
use crate::app::devices::SessionOwner;
use crate::app::users::UserError;
use crate::http::bearer::ApiScope;
use crate::http::json_body::JsonBody;
use crate::http::problem::ApiError;
use crate::http::tag::Tag;
use crate::oauth::UserId;
use crate::user::{Command, Username};

/// The administration of users.
pub(in crate::http) struct UsersApi;

#[derive(ApiResponse)]
enum PageAnswer {
    /// A page.
    #[oai(status = 200)]
    Ok(Json<UserPage>),
}

#[derive(ApiResponse)]
enum UserAnswer {
    /// The account as it is now.
    #[oai(status = 200)]
    Ok(Json<User>),
}

#[derive(ApiResponse)]
enum CreatedAnswer {
    /// The account was made.
    #[oai(status = 201)]
    Created(
        Json<User>,
        /// Where it is.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum DoneAnswer {
    /// It is done.
    #[oai(status = 204)]
    Done,
}

#[OpenApi]
impl UsersApi {
    /// Search users by the beginning of their names
    ///
    /// By name, a page at a time. Deleted accounts have no name and are not among them.
    #[oai(path = "/admin/users", method = "get", tag = "Tag::Admin", operation_id = "adminListUsers")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// How their names begin; left out: all users.
        Query(prefix): Query<Option<String>>,
        /// The name behind which the page begins.
        Query(after): Query<Option<String>>,
        /// How many at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<PageAnswer, ApiError> {
        let after = after.map(|after| after.parse::<Username>()).transpose();
        let after = after.map_err(|error| ApiError::user(&error.into(), "after", "password"))?;
        let found =
            admin.service.find_users(prefix.as_deref().unwrap_or_default(), after.as_ref(), limit).await;
        let found = found.map_err(|error| ApiError::user(&error, "prefix", "password"))?;
        let next = found.last().filter(|_| found.len() == limit).and_then(|last| last.name.clone());
        let users = found.into_iter().map(User::from).collect();
        Ok(PageAnswer::Ok(Json(UserPage { users, next })))
    }

    /// Create a user
    ///
    /// The account can be used at once.
    #[oai(path = "/admin/users", method = "post", tag = "Tag::Admin", operation_id = "adminCreateUser")]
    async fn create(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        body: JsonBody<'_, CreateUserRequest>,
    ) -> Result<CreatedAnswer, ApiError> {
        let actor = admin.actor;
        let new = body.read().await?;
        let roles = parse_roles(new.roles).map_err(ApiError::role)?;
        let id = admin.service.accounts.register_as(&new.username, &new.password, roles, Some(actor)).await;
        let id = id.map_err(|error| refused(&error))?;
        let location = format!("/admin/users/{id}");
        Ok(CreatedAnswer::Created(Json(shown(&admin.service, id).await?), location))
    }

    /// Show a user
    ///
    /// A deleted account is shown without its name.
    #[oai(path = "/admin/users/:id", method = "get", tag = "Tag::Admin", operation_id = "adminShowUser")]
    async fn show(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
    ) -> Result<UserAnswer, ApiError> {
        Ok(UserAnswer::Ok(Json(shown(&admin.service, user_id(&id).map_err(|error| refused(&error))?).await?)))
    }

    /// Set a user's roles
    ///
    /// They hold from the next refresh on: an access token keeps the roles that it was issued with.
    #[oai(
        path = "/admin/users/:id/roles",
        method = "put",
        tag = "Tag::Admin",
        operation_id = "adminSetRoles"
    )]
    async fn set_roles(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
        body: JsonBody<'_, SetRolesRequest>,
    ) -> Result<UserAnswer, ApiError> {
        let new = body.read().await?;
        let command = Command::SetRoles { roles: parse_roles(new.roles).map_err(ApiError::role)? };
        changed(&admin, &id, command).await
    }

    /// Disable a user, and end all the user's sessions
    ///
    /// Until it is enabled again nobody can sign in to it. The sessions stay over.
    #[oai(
        path = "/admin/users/:id/disable",
        method = "post",
        tag = "Tag::Admin",
        operation_id = "adminDisableUser"
    )]
    async fn disable(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
    ) -> Result<UserAnswer, ApiError> {
        changed(&admin, &id, Command::Disable).await
    }

    /// Enable a user again
    ///
    /// The user can sign in again. Sessions that ended stay over.
    #[oai(
        path = "/admin/users/:id/enable",
        method = "post",
        tag = "Tag::Admin",
        operation_id = "adminEnableUser"
    )]
    async fn enable(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
    ) -> Result<UserAnswer, ApiError> {
        changed(&admin, &id, Command::Enable).await
    }

    /// Set a user's password, and end all the user's sessions
    ///
    /// The password must be as good as one that the user chooses.
    #[oai(
        path = "/admin/users/:id/password",
        method = "put",
        tag = "Tag::Admin",
        operation_id = "adminSetPassword"
    )]
    async fn set_password(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
        body: JsonBody<'_, SetPasswordRequest>,
    ) -> Result<DoneAnswer, ApiError> {
        let actor = admin.actor;
        let new = body.read().await?;
        let done = admin
            .service
            .administer_password(user_id(&id).map_err(|error| refused(&error))?, &new.password, actor)
            .await;
        done.map(|()| DoneAnswer::Done).map_err(|error| refused(&error))
    }

    /// List the sessions of a user
    ///
    /// The live ones and those that are over and not removed yet, a page at a time.
    #[oai(
        path = "/admin/users/:id/sessions",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "adminListUserSessions"
    )]
    async fn sessions(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
        /// The session behind which the page begins.
        Query(after): Query<Option<String>>,
        /// How many at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<SessionPageAnswer, ApiError> {
        let of = id.parse().ok().map(SessionOwner::User);
        sessions::page(&admin, of, after.as_deref(), limit).await
    }

    /// End all sessions of a user
    ///
    /// All end at once, however many there are.
    #[oai(
        path = "/admin/users/:id/sessions",
        method = "delete",
        tag = "Tag::Admin",
        operation_id = "adminEndUserSessions"
    )]
    async fn end_sessions(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
    ) -> Result<DoneAnswer, ApiError> {
        let actor = admin.actor;
        let done = admin
            .service
            .administer_user(
                user_id(&id).map_err(|error| refused(&error))?,
                Command::EndSessions { keep: None },
                actor,
            )
            .await;
        done.map(|()| DoneAnswer::Done).map_err(|error| refused(&error))
    }

    /// Delete a user
    ///
    /// The name is free again and what was personal is erased; the events, which say nothing of the person, stay. Of
    /// somebody who has only been invited, the invitation is withdrawn.
    #[oai(path = "/admin/users/:id", method = "delete", tag = "Tag::Admin", operation_id = "adminDeleteUser")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The user's id.
        Path(id): Path<String>,
    ) -> Result<DoneAnswer, ApiError> {
        let actor = admin.actor;
        let done =
            admin.service.administer_deletion(user_id(&id).map_err(|error| refused(&error))?, actor).await;
        done.map(|()| DoneAnswer::Done).map_err(|error| refused(&error))
    }
}

async fn changed(admin: &Admin, id: &str, command: Command) -> Result<UserAnswer, ApiError> {
    let actor = admin.actor;
    let id = user_id(id).map_err(|error| refused(&error))?;
    admin.service.administer_user(id, command, actor).await.map_err(|error| refused(&error))?;
    Ok(UserAnswer::Ok(Json(shown(&admin.service, id).await?)))
}

async fn shown(service: &Administration, id: UserId) -> Result<User, ApiError> {
    let user = service.user_details(id).await.map_err(|error| ApiError::token(&error))?;
    user.map(User::from).ok_or_else(ApiError::not_found)
}

/// An unparsable id is answered like an unknown one (404).
fn user_id(text: &str) -> Result<UserId, UserError> {
    text.parse().map_err(|_| UserError::Unknown)
}

fn refused(error: &UserError) -> ApiError {
    ApiError::user(error, "username", "password")
}
