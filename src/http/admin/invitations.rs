//! `/admin/invitations`.

use std::time::Duration;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::Admin;
use crate::app::admin::users::parse_roles;
use crate::http::bearer::ApiScope;
use crate::http::problem::ApiError;
use crate::http::token::Tag;

/// Invitations to sign up.
pub(in crate::http) struct InvitationsApi;

/// An invitation to make.
#[derive(Object)]
#[oai(example)]
struct NewInvitation {
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

impl Example for NewInvitation {
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

#[derive(ApiResponse)]
enum InvitedAnswer {
    /// The invitation.
    #[oai(status = 201)]
    Created(Json<Invitation>),
}

#[OpenApi]
impl InvitationsApi {
    /// Invite somebody to sign up
    ///
    /// Who has the code may make one account, where `registration` is `invite` or `open`.
    #[oai(path = "/admin/invitations", method = "post", tag = "Tag::Admin", operation_id = "adminInvite")]
    async fn invite(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        Json(new): Json<NewInvitation>,
    ) -> Result<InvitedAnswer, ApiError> {
        let actor = admin.actor().await?;
        let bad = |bad: crate::app::admin::users::BadRole| {
            ApiError::field("roles", "not_permitted", bad.to_string())
        };
        let roles = parse_roles(new.roles).map_err(bad)?;
        let made = admin.app.invite_as(roles, Duration::from_secs(new.valid_for), Some(actor)).await;
        let made = made.map_err(|error| ApiError::user(&error, "username", "password"))?;
        Ok(InvitedAnswer::Created(Json(Invitation {
            code: made.code.to_string(),
            user: made.account.to_string(),
            expires_at: made.until.to_string(),
        })))
    }
}
