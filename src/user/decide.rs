//! Decides which events follow from a command on a user.

use super::event::UserEvent;
use super::state::{Status, User};
use crate::clock::Timestamp;
use crate::oauth::KeptId;

/// A command on a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make the account.
    Register {
        /// Its first roles.
        roles: Vec<String>,
    },
    /// Invite somebody to make the account.
    Invite {
        /// The roles that the account will begin with.
        roles: Vec<String>,
        /// When the invitation expires, in milliseconds since the Unix epoch.
        until: Timestamp,
    },
    /// Withdraw the invitation: nobody can make the account any more.
    Withdraw,
    /// Record that the profile was changed.
    ChangeProfile,
    /// Change the password, which ends all sessions but `keep`.
    ChangePassword {
        /// The session or login that stays valid.
        keep: Option<KeptId>,
    },
    /// Record that the same password was hashed again.
    Rehash,
    /// Switch the account off.
    Disable,
    /// Switch it on.
    Enable,
    /// Set the roles.
    SetRoles {
        /// All roles from now on.
        roles: Vec<String>,
    },
    /// End all sessions but `keep`.
    EndSessions {
        /// The session or login that stays valid.
        keep: Option<KeptId>,
    },
    /// Delete the account.
    Delete,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The account exists already, or its invitation has been used.
    #[error("the account exists")]
    Exists,
    /// There is no such account, or not any more.
    #[error("there is no such account")]
    Unknown,
}

/// The events that follow from `command` on `user` (`None`: there is no such user); empty if it changes nothing.
///
/// # Errors
/// [`Denied`]: then nothing may be appended.
pub fn decide(user: Option<&User>, command: Command, at: Timestamp) -> Result<Vec<UserEvent>, Denied> {
    let user = match (user, command) {
        (None, Command::Register { roles }) => {
            return Ok(vec![UserEvent::Registered { at, roles, by: None }]);
        }
        (None, Command::Invite { roles, until }) => {
            return Ok(vec![UserEvent::Invited { at, roles, until, by: None }]);
        }
        // An invitation can be used once. The account gets the roles that the administrator chose, not those of this
        // command.
        (Some(user), Command::Register { .. }) if user.status == Status::Invited => {
            return Ok(vec![UserEvent::Registered { at, roles: user.roles.clone(), by: None }]);
        }
        (Some(_), Command::Register { .. } | Command::Invite { .. }) => return Err(Denied::Exists),
        (None, _) => return Err(Denied::Unknown),
        (Some(user), Command::Withdraw) => return withdraw(user, at),
        (Some(user), _) if matches!(user.status, Status::Deleted | Status::Invited | Status::Withdrawn) => {
            return Err(Denied::Unknown);
        }
        (Some(user), command) => (user, command),
    };
    Ok(match user {
        (_, Command::ChangePassword { keep }) => {
            vec![UserEvent::PasswordChanged { at, kept: keep, by: None }]
        }
        (_, Command::Rehash) => vec![UserEvent::PasswordRehashed { at, by: None }],
        (_, Command::ChangeProfile) => vec![UserEvent::ProfileChanged { at, by: None }],
        (user, Command::Disable) if user.status == Status::Disabled => Vec::new(),
        (_, Command::Disable) => vec![UserEvent::Disabled { at, by: None }],
        (user, Command::Enable) if user.status == Status::Active => Vec::new(),
        (_, Command::Enable) => vec![UserEvent::Enabled { at, by: None }],
        (user, Command::SetRoles { roles }) if user.roles == roles => Vec::new(),
        (_, Command::SetRoles { roles }) => vec![UserEvent::RolesChanged { at, roles, by: None }],
        (_, Command::EndSessions { keep }) => vec![UserEvent::SessionsEnded { at, kept: keep, by: None }],
        (_, Command::Delete) => vec![UserEvent::Deleted { at, by: None }],
        (_, Command::Register { .. } | Command::Invite { .. } | Command::Withdraw) => Vec::new(),
    })
}

/// Withdrawing twice changes nothing; an invitation that was used can't be withdrawn.
fn withdraw(user: &User, at: Timestamp) -> Result<Vec<UserEvent>, Denied> {
    match user.status {
        Status::Invited => Ok(vec![UserEvent::InvitationWithdrawn { at, by: None }]),
        Status::Withdrawn => Ok(Vec::new()),
        Status::Active | Status::Disabled => Err(Denied::Exists),
        Status::Deleted => Err(Denied::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{Actor, SessionId};

    const AT: Timestamp = Timestamp::from_seconds(1);

    fn given(commands: &[Command]) -> Option<User> {
        commands.iter().fold(None, |user, command| {
            let events = decide(user.as_ref(), command.clone(), AT).unwrap();
            Some(events.iter().fold(user.unwrap_or_default(), User::apply))
        })
    }

    fn registered() -> Command {
        Command::Register { roles: vec!["user".to_owned()] }
    }

    #[test]
    fn disabling_ends_all_sessions_and_enabling_revives_none() {
        let user = given(&[registered(), Command::Disable, Command::Enable]).unwrap();
        assert!(user.is_active());
        assert!(!user.session_epoch.covers(SessionId::from([1; 16]), 0));
        assert_eq!(user.roles, ["user"]);
    }

    #[test]
    fn a_password_change_keeps_the_session_that_made_it() {
        let keep = SessionId::from([1; 16]);
        let user = given(&[registered(), Command::ChangePassword { keep: Some(keep.into()) }]).unwrap();
        assert!(user.session_epoch.covers(keep, 0));
        assert!(!user.session_epoch.covers(SessionId::from([2; 16]), 0));
    }

    #[test]
    fn a_deleted_user_is_unknown_for_ever() {
        let user = given(&[registered(), Command::Delete]);
        assert_eq!(decide(user.as_ref(), Command::Enable, AT), Err(Denied::Unknown));
        assert_eq!(decide(user.as_ref(), registered(), AT), Err(Denied::Exists));
        assert_eq!(decide(None, Command::Delete, AT), Err(Denied::Unknown));
    }

    #[test]
    fn an_invitation_is_used_once_and_brings_its_roles() {
        let roles = vec!["moderator".to_owned()];
        let invite = Command::Invite { roles, until: Timestamp::from_seconds(2) };
        let invited = given(std::slice::from_ref(&invite)).unwrap();
        assert!(!invited.is_active());
        for command in [Command::Enable, Command::Delete, Command::ChangeProfile] {
            assert_eq!(decide(Some(&invited), command, AT), Err(Denied::Unknown));
        }
        let user = given(&[invite.clone(), registered()]).unwrap();
        assert!(user.is_active());
        assert_eq!(user.roles, ["moderator"]);
        assert_eq!(decide(Some(&user), registered(), AT), Err(Denied::Exists));
        assert_eq!(decide(Some(&user), invite, AT), Err(Denied::Exists));
    }

    #[test]
    fn an_invitation_that_was_withdrawn_makes_no_account_and_one_that_was_used_can_not_be() {
        let invite = Command::Invite { roles: Vec::new(), until: Timestamp::from_seconds(2) };
        let withdrawn = given(&[invite.clone(), Command::Withdraw]).unwrap();
        assert!(!withdrawn.is_active());
        assert_eq!(decide(Some(&withdrawn), registered(), AT), Err(Denied::Exists));
        assert_eq!(decide(Some(&withdrawn), Command::Enable, AT), Err(Denied::Unknown));
        assert_eq!(decide(Some(&withdrawn), Command::Withdraw, AT), Ok(Vec::new()));
        let used = given(&[invite.clone(), registered()]).unwrap();
        assert_eq!(decide(Some(&used), Command::Withdraw, AT), Err(Denied::Exists));
        let deleted = given(&[invite, registered(), Command::Delete]).unwrap();
        assert_eq!(decide(Some(&deleted), Command::Withdraw, AT), Err(Denied::Unknown));
        assert_eq!(decide(None, Command::Withdraw, AT), Err(Denied::Unknown));
    }

    #[test]
    fn roles_that_are_set_are_those_from_then_on() {
        let roles = vec!["moderator".to_owned()];
        let user = given(&[registered(), Command::SetRoles { roles: roles.clone() }]).unwrap();
        assert_eq!(user.roles, roles);
        assert!(user.session_epoch.covers(SessionId::from([1; 16]), 0));
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        let disabled = given(&[registered(), Command::Disable]);
        assert_eq!(decide(disabled.as_ref(), Command::Disable, AT), Ok(Vec::new()));
        let enabled = vec![UserEvent::Enabled { at: AT, by: None }];
        assert_eq!(decide(disabled.as_ref(), Command::Enable, AT), Ok(enabled));
        let active = given(&[registered()]);
        assert_eq!(decide(active.as_ref(), Command::Enable, AT), Ok(Vec::new()));
        let same_roles = Command::SetRoles { roles: vec!["user".to_owned()] };
        assert_eq!(decide(active.as_ref(), same_roles, AT), Ok(Vec::new()));
    }

    #[test]
    fn state_and_events_survive_their_encoding() {
        let user = given(&[registered(), Command::Disable]).unwrap();
        assert_eq!(User::decode(&user.encode()), Ok(user));
        let event = UserEvent::PasswordChanged { at: AT, kept: Some(KeptId::from([1; 16])), by: None };
        assert_eq!(UserEvent::decode(&event.encode()), Ok(event));
    }

    #[test]
    fn an_event_says_who_did_it_and_one_from_before_that_was_recorded_is_read() {
        let event = UserEvent::Disabled { at: AT, by: None }.done_by(Some(Actor::Operator(0)));
        assert_eq!(UserEvent::decode(&event.encode()), Ok(event));
        // Format 1: [3, [1000]].
        let before = [1, 0x82, 3, 0x81, 0x19, 0x03, 0xE8];
        assert_eq!(UserEvent::decode(&before), Ok(UserEvent::Disabled { at: AT, by: None }));
    }
}
