//! The variants of the small lists that events, snapshots and records hold.

use std::time::Duration;

use heirloom::client::{
    ConsentPolicy, Delivery, PkcePolicy, RefreshTokens, RetryWindow, ReusePolicy, TokenEndpointAuthMethod,
};
use heirloom::consent::Status as ConsentStatus;
use heirloom::login::{LogoutReason, Status as LoginStatus};
use heirloom::oauth::{Actor, AuthenticationMethod, GrantType, SigningAlgorithm};
use heirloom::session::{EndReason, Status as SessionStatus};
use heirloom::user::Status as UserStatus;
use minicbor::{Decode, Encode};

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds};
use crate::values::{at, user_id};

/// A list: each variant with its name and a value. Makes a function that compares it with the file.
macro_rules! list {
    ($module:ident: $type:ident { $($variant:ident => $name:literal = $value:expr),+ $(,)? }) => {
        mod $module {
            use super::*;

            kinds!($type { $($variant => $name),+ });

            pub(super) fn hold(frozen: &mut Frozen) {
                let values = [$($value),+];
                for value in &values {
                    hold_one(frozen, &format!("{}: {}", stringify!($module), kind(value)), value);
                }
                all_there(KINDS, &values.iter().map(kind).collect::<Vec<_>>());
            }
        }
    };
}

fn hold_one<T>(frozen: &mut Frozen, name: &str, value: &T)
where
    T: std::fmt::Debug + PartialEq + Encode<()> + for<'b> Decode<'b, ()>,
{
    frozen.both_ways(name, value, |value| minicbor::to_vec(value).unwrap(), |bytes| minicbor::decode(bytes));
}

list!(end_reason: EndReason {
    Reuse => "reuse" = EndReason::Reuse,
    Logout => "logout" = EndReason::Logout,
    User => "user" = EndReason::User,
    Admin => "admin" = EndReason::Admin,
    UserEpoch => "user_epoch" = EndReason::UserEpoch,
    ClientEpoch => "client_epoch" = EndReason::ClientEpoch,
    Expired => "expired" = EndReason::Expired,
    Evicted => "evicted" = EndReason::Evicted,
    Rollback => "rollback" = EndReason::Rollback,
    Restored => "restored" = EndReason::Restored,
    LoginEnded => "login_ended" = EndReason::LoginEnded,
    ConsentWithdrawn => "consent_withdrawn" = EndReason::ConsentWithdrawn,
    CodeReuse => "code_reuse" = EndReason::CodeReuse,
});

list!(actor: Actor {
    User => "user" = Actor::User(user_id()),
    Administrator => "administrator" = Actor::Administrator(user_id()),
    Operator => "operator" = Actor::Operator(1000),
    System => "system" = Actor::System,
});

list!(session_status: SessionStatus {
    Live => "live" = SessionStatus::Live,
    Ended => "ended" = SessionStatus::Ended { at: at(0), reason: EndReason::Admin },
    Authorized => "authorized" = SessionStatus::Authorized { until: at(60) },
});

list!(logout_reason: LogoutReason {
    Logout => "logout" = LogoutReason::Logout,
    Replaced => "replaced" = LogoutReason::Replaced,
    UserEpoch => "user_epoch" = LogoutReason::UserEpoch,
    Expired => "expired" = LogoutReason::Expired,
    Restored => "restored" = LogoutReason::Restored,
    Evicted => "evicted" = LogoutReason::Evicted,
});

list!(login_status: LoginStatus {
    Live => "live" = LoginStatus::Live,
    Ended => "ended" = LoginStatus::Ended { at: at(0), reason: LogoutReason::Logout },
});

list!(consent_status: ConsentStatus {
    Given => "given" = ConsentStatus::Given { since: at(0) },
    Withdrawn => "withdrawn" = ConsentStatus::Withdrawn { at: at(0) },
});

list!(user_status: UserStatus {
    Active => "active" = UserStatus::Active,
    Disabled => "disabled" = UserStatus::Disabled,
    Deleted => "deleted" = UserStatus::Deleted,
    Invited => "invited" = UserStatus::Invited,
    Withdrawn => "withdrawn" = UserStatus::Withdrawn,
});

list!(method: AuthenticationMethod {
    Password => "password" = AuthenticationMethod::Password,
});

list!(grant: GrantType {
    Password => "password" = GrantType::Password,
    RefreshToken => "refresh_token" = GrantType::RefreshToken,
    ClientCredentials => "client_credentials" = GrantType::ClientCredentials,
    AuthorizationCode => "authorization_code" = GrantType::AuthorizationCode,
});

list!(pkce: PkcePolicy {
    Required => "required" = PkcePolicy::Required,
    Optional => "optional" = PkcePolicy::Optional,
    Legacy => "legacy" = PkcePolicy::Legacy,
});

list!(consent: ConsentPolicy {
    Ask => "ask" = ConsentPolicy::Ask,
    Implied => "implied" = ConsentPolicy::Implied,
});

list!(algorithm: SigningAlgorithm {
    Rs256 => "RS256" = SigningAlgorithm::Rs256,
    Es256 => "ES256" = SigningAlgorithm::Es256,
});

list!(authentication: TokenEndpointAuthMethod {
    None => "none" = TokenEndpointAuthMethod::None,
    ClientSecret => "client secret" = TokenEndpointAuthMethod::ClientSecret,
});

list!(refresh_tokens: RefreshTokens {
    Always => "always" = RefreshTokens::Always,
    OfflineAccess => "offline_access" = RefreshTokens::OfflineAccess,
    Never => "never" = RefreshTokens::Never,
});

list!(delivery: Delivery {
    Body => "body" = Delivery::Body,
    Cookie => "cookie" = Delivery::Cookie,
});

list!(retry_window: RetryWindow {
    For => "for a time" = RetryWindow::For(Duration::from_millis(30_250)),
    UntilUsed => "until used" = RetryWindow::UntilUsed,
});

list!(reuse_policy: ReusePolicy {
    EndFamily => "end family" = ReusePolicy::EndFamily,
    Refuse => "refuse" = ReusePolicy::Refuse,
});

#[test]
fn every_variant_of_every_list_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("lists.txt");
    end_reason::hold(&mut frozen);
    actor::hold(&mut frozen);
    session_status::hold(&mut frozen);
    logout_reason::hold(&mut frozen);
    login_status::hold(&mut frozen);
    consent_status::hold(&mut frozen);
    user_status::hold(&mut frozen);
    method::hold(&mut frozen);
    grant::hold(&mut frozen);
    authentication::hold(&mut frozen);
    refresh_tokens::hold(&mut frozen);
    delivery::hold(&mut frozen);
    retry_window::hold(&mut frozen);
    reuse_policy::hold(&mut frozen);
    pkce::hold(&mut frozen);
    consent::hold(&mut frozen);
    algorithm::hold(&mut frozen);
    frozen.finish();
}
