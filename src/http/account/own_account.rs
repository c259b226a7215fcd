//! `/account`: sign-up, and what people do to their own account.

use poem::Request;
use poem_openapi::payload::Json;
use poem_openapi::types::{Example, MaybeUndefined, Password};
use poem_openapi::{ApiResponse, Object, OpenApi};
use zeroize::Zeroizing;

use crate::app::Accounts;
use crate::app::account::{FieldChange, OwnAccount, ProfileChange};
use crate::app::sign_up::NewAccount;
use crate::app::users::UserError;
use crate::http::bearer::{ApiScope, Bearer};
use crate::http::json_body::JsonBody;
use crate::http::peer::TrustedProxies;
use crate::http::problem::ApiError;
use crate::http::service::Service;
use crate::http::tag::Tag;

/// The account endpoints.
pub struct AccountApi {
    /// Whose word on a client's address is taken.
    pub proxies: TrustedProxies,
}

#[OpenApi]
impl AccountApi {
    /// Sign up
    ///
    /// Makes an account, if the server lets people sign up (`registration`): anybody, or who has an invitation. The e-mail
    /// address is not verified. Sign in at the token endpoint afterwards.
    #[oai(path = "/account", method = "post", tag = "Tag::Account", operation_id = "signUp")]
    async fn sign_up(
        &self,
        body: JsonBody<'_, SignUpBody>,
        request: &Request,
        accounts: Service<'_, Accounts>,
    ) -> Result<SignedUp, ApiError> {
        let SignUpBody { username, email, display_name, password, invitation } = body.read().await?;
        let new = NewAccount {
            name: username,
            email: Some(email),
            display_name,
            password: Zeroizing::new(password.0),
            invitation: invitation.map(Zeroizing::new),
        };
        let id = accounts.sign_up(new, self.proxies.peer(request)).await.map_err(refused)?;
        let account = accounts.own_account(id).await.map_err(refused)?;
        let roles = accounts.roles_of(id).await.map_err(|error| ApiError::token(&error))?;
        Ok(SignedUp::Created(Json(AccountBody::new(account, roles)), "/account".to_owned()))
    }

    /// See the account
    ///
    /// The profile, as it is now.
    #[oai(path = "/account", method = "get", tag = "Tag::Account", operation_id = "account")]
    async fn account(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        accounts: Service<'_, Accounts>,
    ) -> Result<Seen, ApiError> {
        let access = token.access(SCOPE).await?;
        let account = accounts.own_account(access.user).await.map_err(refused)?;
        Ok(Seen::Ok(Json(AccountBody::new(account, access.roles))))
    }

    /// Change the profile
    ///
    /// What is left out stays; `null` takes it away.
    #[oai(path = "/account", method = "patch", tag = "Tag::Account", operation_id = "changeAccount")]
    async fn change(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        body: JsonBody<'_, ChangeBody>,
        request: &Request,
        accounts: Service<'_, Accounts>,
    ) -> Result<Seen, ApiError> {
        let access = token.access(SCOPE).await?;
        let ChangeBody { email, display_name } = body.read().await?;
        let change = ProfileChange { email: changed(email), display_name: changed(display_name) };
        let id = access.user;
        let account =
            accounts.change_profile(id, change, self.proxies.peer(request)).await.map_err(refused)?;
        Ok(Seen::Ok(Json(AccountBody::new(account, access.roles))))
    }

    /// Change the password
    ///
    /// All sessions of the account end but this one. A wrong password counts like a failed sign-in.
    #[oai(path = "/account/password", method = "put", tag = "Tag::Account", operation_id = "changePassword")]
    async fn change_password(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        body: JsonBody<'_, PasswordBody>,
        request: &Request,
        accounts: Service<'_, Accounts>,
    ) -> Result<Done, ApiError> {
        let access = token.access(SCOPE).await?;
        let PasswordBody { current_password, new_password } = body.read().await?;
        let (old, new) = (Zeroizing::new(current_password.0), Zeroizing::new(new_password.0));
        let done = accounts.change_password(&access.live, (&old, &new), self.proxies.peer(request)).await;
        done.map_err(|error| ApiError::user(&error, "username", "new_password"))?;
        Ok(Done::NoContent)
    }

    /// Delete the account
    ///
    /// All sessions end, and the name, the e-mail address, the display name, the password and what was kept of devices are
    /// erased. The log of what happened stays, under an id that says nothing of the person and is never used again. A wrong
    /// password counts like a failed sign-in. Where DELETE can have no body, `POST /account/delete` does the same.
    #[oai(path = "/account", method = "delete", tag = "Tag::Account", operation_id = "deleteAccount")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        body: JsonBody<'_, DeleteBody>,
        request: &Request,
        accounts: Service<'_, Accounts>,
    ) -> Result<Done, ApiError> {
        self.delete_own(&token, body, request, &accounts).await
    }

    /// Delete the account, by POST
    ///
    /// The same as `DELETE /account`, for clients and proxies that send no body with DELETE.
    #[oai(
        path = "/account/delete",
        method = "post",
        tag = "Tag::Account",
        operation_id = "deleteAccountByPost"
    )]
    async fn delete_by_post(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        body: JsonBody<'_, DeleteBody>,
        request: &Request,
        accounts: Service<'_, Accounts>,
    ) -> Result<Done, ApiError> {
        self.delete_own(&token, body, request, &accounts).await
    }
}

impl AccountApi {
    async fn delete_own(
        &self,
        token: &Bearer,
        body: JsonBody<'_, DeleteBody>,
        request: &Request,
        accounts: &Accounts,
    ) -> Result<Done, ApiError> {
        let access = token.access(SCOPE).await?;
        let password = Zeroizing::new(body.read().await?.password.0);
        let peer = self.proxies.peer(request);
        accounts.delete_own_account(&access.live, &password, peer).await.map_err(refused)?;
        Ok(Done::NoContent)
    }
}

const SCOPE: &str = "account";

#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
fn refused(error: UserError) -> ApiError {
    ApiError::user(&error, "username", "password")
}

fn changed<T>(value: MaybeUndefined<T>) -> FieldChange<T> {
    match value {
        MaybeUndefined::Undefined => FieldChange::Keep,
        MaybeUndefined::Null => FieldChange::Clear,
        MaybeUndefined::Value(value) => FieldChange::Set(value),
    }
}

/// What somebody signs up with.
#[derive(Object)]
#[oai(rename = "SignUpRequest", example, deny_unknown_fields)]
struct SignUpBody {
    /// The name to sign in with. All its spellings (case, width, composition) are one name.
    username: String,
    /// The e-mail address.
    email: String,
    /// What the user likes to be called.
    display_name: Option<String>,
    /// The password: 8 characters or more (the server may ask for more), and not easy to guess.
    password: Password,
    /// The code of an invitation.
    #[oai(skip_serializing_if_is_none)]
    invitation: Option<String>,
}

impl Example for SignUpBody {
    fn example() -> Self {
        Self {
            username: "ann".to_owned(),
            email: "ann@example.com".to_owned(),
            display_name: Some("Ann Lee".to_owned()),
            password: Password("tulip-quartz-93-lantern".to_owned()),
            invitation: None,
        }
    }
}

/// An account.
#[derive(Object)]
#[oai(rename = "Account", example)]
struct AccountBody {
    /// Its id: the `sub` of access tokens.
    id: String,
    /// The name to sign in with.
    username: String,
    /// What the user likes to be called.
    #[oai(skip_serializing_if_is_none)]
    display_name: Option<String>,
    /// The e-mail address.
    #[oai(skip_serializing_if_is_none)]
    email: Option<String>,
    /// Whether the address is known to be the user's: `false`, since it isn't verified here.
    #[oai(skip_serializing_if_is_none)]
    email_verified: Option<bool>,
    /// What the user may be.
    roles: Vec<String>,
}

impl AccountBody {
    fn new(account: OwnAccount, roles: Vec<String>) -> Self {
        let OwnAccount { id, name, profile } = account;
        let email = profile.email.map(|email| email.as_str().to_owned());
        Self {
            id: id.to_string(),
            username: name,
            display_name: profile.display_name.map(|name| name.as_str().to_owned()),
            email_verified: email.as_ref().map(|_| false),
            email,
            roles,
        }
    }
}

impl Example for AccountBody {
    fn example() -> Self {
        Self {
            id: "01997f2a-5c3e-7d10-9a64-0c2f6b1e8d47".to_owned(),
            username: "ann".to_owned(),
            display_name: Some("Ann Lee".to_owned()),
            email: Some("ann@example.com".to_owned()),
            email_verified: Some(false),
            roles: vec!["user".to_owned()],
        }
    }
}

/// What is to change in the profile.
#[derive(Object)]
#[oai(rename = "ChangeAccountRequest", example, deny_unknown_fields)]
struct ChangeBody {
    /// Another e-mail address; `null`: none.
    email: MaybeUndefined<String>,
    /// Another display name; `null`: none.
    display_name: MaybeUndefined<String>,
}

impl Example for ChangeBody {
    fn example() -> Self {
        let email = MaybeUndefined::Value("ann@example.org".to_owned());
        Self { email, display_name: MaybeUndefined::Value("Ann".to_owned()) }
    }
}

/// The old and the new password.
#[derive(Object)]
#[oai(rename = "ChangePasswordRequest", example, deny_unknown_fields)]
struct PasswordBody {
    /// The password as it is now.
    current_password: Password,
    /// The password as it shall be.
    new_password: Password,
}

impl Example for PasswordBody {
    fn example() -> Self {
        Self {
            current_password: Password("tulip-quartz-93-lantern".to_owned()),
            new_password: Password("marble-kettle-57-orchid".to_owned()),
        }
    }
}

/// The proof that it is the user who deletes the account.
#[derive(Object)]
#[oai(rename = "DeleteAccountRequest", example, deny_unknown_fields)]
struct DeleteBody {
    /// The password.
    password: Password,
}

impl Example for DeleteBody {
    fn example() -> Self {
        Self { password: Password("tulip-quartz-93-lantern".to_owned()) }
    }
}

#[derive(ApiResponse)]
enum SignedUp {
    /// The account was made.
    #[oai(status = 201)]
    Created(
        Json<AccountBody>,
        /// Where it is, with an access token of its own.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Seen {
    /// The account.
    #[oai(status = 200)]
    Ok(Json<AccountBody>),
}

#[derive(ApiResponse)]
enum Done {
    /// It is done.
    #[oai(status = 204)]
    NoContent,
}
