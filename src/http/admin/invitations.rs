//! `/admin/invitations`.

use std::time::Duration;

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::administrator::Admin;
use crate::app::admin::users::parse_roles;
use crate::app::invitations::ListedInvitation;
use crate::app::users::UserError;
use crate::http::bearer::ApiScope;
use crate::http::json_body::JsonBody;
use crate::http::problem::ApiError;
use crate::http::tag::Tag;
use crate::oauth::UserId;

/// Invitations to sign up.
pub(in crate::http) struct InvitationsApi;

/// An invitation to make.
#[derive(Object)]
#[oai(example)]
struct InviteRequest {
    /// What the user may be.
    #[oai(default)]
    roles: Vec<String>,
    /// Seconds in which the code is good: a week unless it is said.
    #[oai(default = "a_week", validator(minimum(value = "1"), maximum(value = "31536000")))]
    valid_for: u64,
}

const fn a_week() -> u64 {
    604_800
}

impl Example for InviteRequest {
    fn example() -> Self {
        Self { roles: vec!["user".to_owned()], valid_for: a_week() }
    }
}

/// An invitation.
#[derive(Object)]
#[oai(example)]
struct Invitation {
    /// What to sign up with. It is shown this once and kept nowhere.
    code: String,
    /// The id that the account will have.
    user: String,
    /// Until when the code is good (RFC 3339).
    expires_at: String,
}

impl Example for Invitation {
    fn example() -> Self {
        Self {
            code: "a-code-of-32-letters-and-digits.".to_owned(),
            user: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            expires_at: "2026-02-07T12:00:00.000Z".to_owned(),
        }
    }
}

/// An invitation that can be used.
#[derive(Object, Clone)]
#[oai(example)]
struct OpenInvitation {
    /// The id that the account will have.
    user: String,
    /// What the user may be.
    roles: Vec<String>,
    /// Until when the code is good (RFC 3339).
    expires_at: String,
}

impl Example for OpenInvitation {
    fn example() -> Self {
        let Invitation { user, expires_at, .. } = Invitation::example();
        Self { user, roles: vec!["user".to_owned()], expires_at }
    }
}

impl From<ListedInvitation> for OpenInvitation {
    fn from(listed: ListedInvitation) -> Self {
        let ListedInvitation { account, roles, until } = listed;
        Self { user: account.to_string(), roles, expires_at: until.to_string() }
    }
}

/// Some invitations.
#[derive(Object)]
#[oai(example)]
struct InvitationPage {
    /// The invitations, in the order in which they were made.
    invitations: Vec<OpenInvitation>,
    /// What to send as `after` for the page behind this one; left out when there is none.
    #[oai(skip_serializing_if_is_none)]
    next: Option<String>,
}

impl Example for InvitationPage {
    fn example() -> Self {
        let invitation = OpenInvitation::example();
        Self { next: Some(invitation.user.clone()), invitations: vec![invitation] }
    }
}

#[derive(ApiResponse)]
enum PageAnswer {
    /// A page.
    #[oai(status = 200)]
    Ok(Json<InvitationPage>),
}

#[derive(ApiResponse)]
enum WithdrawnAnswer {
    /// The code is no good any more.
    #[oai(status = 204)]
    Withdrawn,
}

#[derive(ApiResponse)]
enum InvitedAnswer {
    /// The invitation.
    #[oai(status = 201)]
    Created(Json<Invitation>),
}

#[OpenApi]
impl InvitationsApi {
    /// List the invitations that can be used
    ///
    /// A page can have fewer than `limit` and still not be the last: look at `next`.
    #[oai(
        path = "/admin/invitations",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "adminListInvitations"
    )]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The `next` of the page before.
        Query(after): Query<Option<String>>,
        /// How many at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<PageAnswer, ApiError> {
        let after = after.map(|after| after.parse::<UserId>()).transpose();
        let after = after.map_err(|_| ApiError::after("not_permitted"))?;
        let listed = admin.service.accounts.list_invitations(after, limit).await;
        let (listed, next) = listed.map_err(|error| ApiError::token(&error))?;
        let invitations = listed.into_iter().map(OpenInvitation::from).collect();
        Ok(PageAnswer::Ok(Json(InvitationPage { invitations, next: next.map(|id| id.to_string()) })))
    }

    /// Withdraw an invitation
    ///
    /// Again, it changes nothing. Of one that was used, delete the account.
    #[oai(
        path = "/admin/invitations/:id",
        method = "delete",
        tag = "Tag::Admin",
        operation_id = "adminWithdrawInvitation"
    )]
    async fn withdraw(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The id that the account would have: the `user` of the invitation.
        Path(id): Path<String>,
    ) -> Result<WithdrawnAnswer, ApiError> {
        let actor = admin.actor;
        let id = id.parse::<UserId>().map_err(|_| ApiError::not_found())?;
        let done = admin.service.accounts.withdraw_invitation(id, actor).await;
        done.map(|()| WithdrawnAnswer::Withdrawn).map_err(|error| refused(&error))
    }

    /// Invite somebody to sign up
    ///
    /// Who has the code may make one account, where `registration` is `invite` or `open`.
    #[oai(path = "/admin/invitations", method = "post", tag = "Tag::Admin", operation_id = "adminInvite")]
    async fn invite(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        body: JsonBody<'_, InviteRequest>,
    ) -> Result<InvitedAnswer, ApiError> {
        let actor = admin.actor;
        let new = body.read().await?;
        let roles = parse_roles(new.roles).map_err(ApiError::role)?;
        let made =
            admin.service.accounts.invite_as(roles, Duration::from_secs(new.valid_for), Some(actor)).await;
        let made = made.map_err(|error| refused(&error))?;
        Ok(InvitedAnswer::Created(Json(Invitation {
            code: made.code.to_string(),
            user: made.account.to_string(),
            expires_at: made.until.to_string(),
        })))
    }
}

fn refused(error: &UserError) -> ApiError {
    ApiError::user(error, "username", "password")
}
