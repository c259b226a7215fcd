//! The events of users and their snapshot.

use heirloom::oauth::SessionEpoch;
use heirloom::user::{Status, User, UserEvent};

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds, named};
use crate::values::{administrator, at, session_id};

kinds!(UserEvent {
    Registered => "user_registered",
    PasswordChanged => "user_password_changed",
    PasswordRehashed => "user_password_rehashed",
    Disabled => "user_disabled",
    Enabled => "user_enabled",
    RolesChanged => "user_roles_changed",
    SessionsEnded => "user_sessions_ended",
    Deleted => "user_deleted",
    Invited => "user_invited",
    ProfileChanged => "user_profile_changed",
    InvitationWithdrawn => "user_invitation_withdrawn",
});

/// Every kind of event, without optional fields.
fn bare() -> Vec<UserEvent> {
    let (at, by) = (at(0), None);
    vec![
        UserEvent::Registered { at, roles: Vec::new(), by },
        UserEvent::PasswordChanged { at, kept: None, by },
        UserEvent::PasswordRehashed { at, by },
        UserEvent::Disabled { at, by },
        UserEvent::Enabled { at, by },
        UserEvent::RolesChanged { at, roles: Vec::new(), by },
        UserEvent::SessionsEnded { at, kept: None, by },
        UserEvent::Deleted { at, by },
        UserEvent::Invited { at, roles: Vec::new(), until: crate::values::at(604_800), by },
        UserEvent::ProfileChanged { at, by },
        UserEvent::InvitationWithdrawn { at, by },
    ]
}

/// Every kind of event, with every optional field.
fn full() -> Vec<UserEvent> {
    let all_roles = || vec!["admin".to_owned(), "user".to_owned()];
    let with_all = |event| match event {
        UserEvent::Registered { at, by, .. } => UserEvent::Registered { at, roles: all_roles(), by },
        UserEvent::PasswordChanged { at, by, .. } => {
            UserEvent::PasswordChanged { at, kept: Some(session_id().into()), by }
        }
        UserEvent::RolesChanged { at, by, .. } => UserEvent::RolesChanged { at, roles: all_roles(), by },
        UserEvent::SessionsEnded { at, by, .. } => {
            UserEvent::SessionsEnded { at, kept: Some(session_id().into()), by }
        }
        UserEvent::Invited { at, until, by, .. } => UserEvent::Invited { at, roles: all_roles(), until, by },
        UserEvent::PasswordRehashed { .. }
        | UserEvent::Disabled { .. }
        | UserEvent::Enabled { .. }
        | UserEvent::Deleted { .. }
        | UserEvent::ProfileChanged { .. }
        | UserEvent::InvitationWithdrawn { .. } => event,
    };
    bare().into_iter().map(|event| with_all(event).done_by(Some(administrator()))).collect()
}

#[test]
fn every_event_of_a_user_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("user-events.txt");
    for (case, events) in [("full", full()), ("bare", bare())] {
        for event in &events {
            frozen.both_ways(&named(kind(event), case), event, UserEvent::encode, UserEvent::decode);
        }
        all_there(KINDS, &events.iter().map(kind).collect::<Vec<_>>());
    }
    frozen.finish();
}

#[test]
fn the_snapshot_of_a_user_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("user-snapshots.txt");
    let full = User {
        status: Status::Disabled,
        session_epoch: SessionEpoch { epoch: 300, kept: Some(session_id().into()) },
        roles: vec!["admin".to_owned(), "user".to_owned()],
        profile_changed_at: Some(at(0)),
    };
    frozen.both_ways("user, full", &full, User::encode, User::decode);
    frozen.both_ways("user, bare", &User::default(), User::encode, User::decode);
    frozen.finish();
}
