//! What a user is on the wire: in answers, and in the bodies of requests.

use crate::app::admin::users::UserDetails;
use crate::user::Status;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};

/// An account.
#[derive(Object, Clone)]
#[oai(example)]
pub(super) struct User {
    /// Its id: the `sub` of access tokens.
    pub(super) id: String,
    /// The name that the user signs in with; left out when the account is deleted.
    #[oai(skip_serializing_if_is_none)]
    pub(super) username: Option<String>,
    /// Whether it can be used.
    pub(super) status: UserStatus,
    /// What the user may be.
    pub(super) roles: Vec<String>,
}

impl Example for User {
    fn example() -> Self {
        Self {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            username: Some("ann".to_owned()),
            status: UserStatus::Active,
            roles: vec!["user".to_owned()],
        }
    }
}

/// Whether an account can be used.
#[derive(Enum, Clone, Copy)]
#[oai(rename_all = "lowercase")]
pub(super) enum UserStatus {
    /// Yes.
    Active,
    /// Not until it is enabled.
    Disabled,
    /// Never again.
    Deleted,
    /// Not yet: there is nothing but an invitation.
    Invited,
    /// Never: the invitation was withdrawn.
    Withdrawn,
}

impl From<UserDetails> for User {
    fn from(user: UserDetails) -> Self {
        let status = match user.status {
            Status::Active => UserStatus::Active,
            Status::Disabled => UserStatus::Disabled,
            Status::Deleted => UserStatus::Deleted,
            Status::Invited => UserStatus::Invited,
            Status::Withdrawn => UserStatus::Withdrawn,
        };
        Self { id: user.id.to_string(), username: user.name, status, roles: user.roles }
    }
}

/// Some accounts.
#[derive(Object)]
#[oai(example)]
pub(super) struct UserPage {
    /// The accounts, by name.
    pub(super) users: Vec<User>,
    /// What to send as `after` for the page behind this one; left out when there is none.
    #[oai(skip_serializing_if_is_none)]
    pub(super) next: Option<String>,
}

impl Example for UserPage {
    fn example() -> Self {
        Self { users: vec![User::example()], next: Some("ann".to_owned()) }
    }
}

/// A new account.
#[derive(Object)]
#[oai(example)]
pub(super) struct CreateUserRequest {
    /// The name that the user signs in with.
    pub(super) username: String,
    /// The password.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
    /// What the user may be.
    #[oai(default)]
    pub(super) roles: Vec<String>,
}

impl Example for CreateUserRequest {
    fn example() -> Self {
        Self {
            username: "ann".to_owned(),
            password: "tulip-quartz-93-lantern".to_owned(),
            roles: vec!["user".to_owned()],
        }
    }
}

/// Roles.
#[derive(Object)]
#[oai(example)]
pub(super) struct SetRolesRequest {
    /// All roles from now on.
    pub(super) roles: Vec<String>,
}

impl Example for SetRolesRequest {
    fn example() -> Self {
        Self { roles: vec!["user".to_owned(), "moderator".to_owned()] }
    }
}

/// A password.
#[derive(Object)]
#[oai(example)]
pub(super) struct SetPasswordRequest {
    /// The new password.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
}

impl Example for SetPasswordRequest {
    fn example() -> Self {
        Self { password: "tulip-quartz-93-lantern".to_owned() }
    }
}
