//! Invitations to sign up: made, listed and withdrawn by an administrator, and forgotten once their time is over.
//!
//! An invitation is an event on the stream of the account that it is for. Whoever has its code registers on that
//! stream. When it expires, the sweeper deletes the code's records, and no list shows the invitation any more. The
//! stream with its events is removed after the retention of ended sessions; so is that of a withdrawn invitation.

use std::time::Duration;

use ring::digest;
use zeroize::Zeroizing;

use super::Repository;
use super::accounts::Accounts;
use super::error::TokenError;
use super::repository::{Change, Loaded};
use super::sweep::{Sweeper, Swept};
use super::users::UserError;
use crate::clock::Timestamp;
use crate::oauth::{Actor, UserId};
use crate::store::{RecordChange, RecordKey, StoreError};
use crate::user::vault::{self, Invitation, OpenInvitation};
use crate::user::{self, Command, Denied, Status, User};

/// A new invitation. No `Debug`, since it has the code.
pub struct NewInvitation {
    /// The code. Only its SHA-256 is stored.
    pub code: Zeroizing<String>,
    /// The id that the account will have.
    pub account: UserId,
    /// When the code expires, in milliseconds since the Unix epoch.
    pub until: Timestamp,
}

/// An invitation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInvitation {
    /// The id that the account will have.
    pub account: UserId,
    /// The roles that it will begin with.
    pub roles: Vec<String>,
    /// When the code expires, in milliseconds since the Unix epoch.
    pub until: Timestamp,
}

/// Letters and digits in an invitation's code: 190 bits.
const CODE_LENGTH: usize = 32;

impl Accounts {
    /// Makes an invitation: whoever has its code may make one account, with these roles, within `valid_for`.
    ///
    /// # Errors
    /// [`UserError::Failed`], and nothing was made.
    pub async fn invite(&self, roles: Vec<String>, valid_for: Duration) -> Result<NewInvitation, UserError> {
        self.invite_as(roles, valid_for, None).await
    }

    /// As [`Accounts::invite`], and records who did it.
    ///
    /// # Errors
    /// [`UserError::Failed`], and nothing was made.
    pub async fn invite_as(
        &self,
        roles: Vec<String>,
        valid_for: Duration,
        by: Option<Actor>,
    ) -> Result<NewInvitation, UserError> {
        self.repository.has_room().map_err(TokenError::from)?;
        let now = self.clock.now();
        let until = now.after(valid_for);
        let account = UserId::from(self.random.uuid(now).map_err(TokenError::from)?);
        let code = Zeroizing::new(self.random.alphanumeric(CODE_LENGTH).map_err(TokenError::from)?);
        let events =
            user::decide(None, Command::Invite { roles, until }, now).map_err(|_| UserError::Unknown)?;
        let events: Vec<_> = events.into_iter().map(|event| event.done_by(by)).collect();
        let digest = digest_of(&code);
        let records = vec![
            RecordChange::Insert(vault::invitation(&digest), Invitation { account, until }.encode()),
            RecordChange::Put(vault::open_invitation(account), OpenInvitation { digest, until }.encode()),
            RecordChange::Put(vault::invitation_due(until, account), Vec::new()),
        ];
        let appended = self.repository.append(&account, Loaded::<User>::new(), &events, records).await;
        appended.map_err(TokenError::from)?;
        Ok(NewInvitation { code, account, until })
    }

    /// The invitations that can be used, in the order in which they were made, after `after`, and the one after which
    /// the next page begins. It reads `limit` of them and leaves out those that have just expired.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn list_invitations(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<(Vec<ListedInvitation>, Option<UserId>), TokenError> {
        let prefix = vault::open_invitations();
        let skip = prefix.as_bytes().len();
        let page = self.repository.scan(prefix, after.map(vault::open_invitation), limit).await?;
        let account = |key: &RecordKey| {
            let id = key.as_bytes().get(skip..).unwrap_or_default();
            <[u8; 16]>::try_from(id).ok().map(UserId::from)
        };
        let next = page.last().filter(|_| page.len() == limit).and_then(|(key, _)| account(key));
        let now = self.clock.now();
        let mut listed = Vec::with_capacity(page.len());
        for (key, value) in &page {
            let (Some(account), Some(open)) = (account(key), OpenInvitation::decode(value)) else { continue };
            if now < open.until {
                let roles = self.roles_of(account).await?;
                listed.push(ListedInvitation { account, roles, until: open.until });
            }
        }
        Ok((listed, next))
    }

    /// Withdraws an invitation, by the id that the account would have had: its code can't be used any more. A second
    /// call changes nothing.
    ///
    /// # Errors
    /// [`UserError::InvitationUsed`] if the account has been made, [`UserError::Unknown`] if there is no such invitation.
    pub async fn withdraw_invitation(&self, account: UserId, by: Actor) -> Result<(), UserError> {
        let decide = |loaded: Loaded<User>| async move {
            let now = self.clock.now();
            let decided = user::decide(loaded.state.as_ref(), Command::Withdraw, now);
            let events = decided.map_err(|denied| match denied {
                Denied::Exists => UserError::InvitationUsed,
                Denied::Unknown => UserError::Unknown,
            })?;
            if events.is_empty() {
                return Ok(Change::none(loaded, ()));
            }
            let events = events.into_iter().map(|event| event.done_by(Some(by))).collect();
            let open = open_invitation(&self.repository, account).await?;
            let mut records: Vec<_> =
                open.into_iter().flat_map(|open| closed(account, &open.digest, open.until)).collect();
            records.push(removed_after(now, account, self.settings.sessions.retention));
            Ok(Change::of(loaded, events, ()).with(records))
        };
        self.repository.execute(&account, decide).await
    }

    /// The invitation with this code, if it can be used.
    pub(super) async fn invited(&self, code: &str) -> Result<Invitation, UserError> {
        let key = vault::invitation(&digest_of(code));
        let kept = self.repository.record(key).await.map_err(TokenError::from)?;
        let invitation = kept.as_deref().and_then(Invitation::decode).ok_or(UserError::Invitation)?;
        let invited = self.repository.user(invitation.account).await?.state;
        let unused = invited.is_some_and(|user| user.status == Status::Invited);
        if unused && self.clock.now() < invitation.until {
            Ok(invitation)
        } else {
            Err(UserError::Invitation)
        }
    }
}

impl Sweeper {
    /// Deletes the codes of expired invitations, and removes the rest of those that ended longer ago than the
    /// retention. It takes at most `limit` due entries of the queue, and returns whether more may be due.
    pub(super) async fn sweep_invitations(
        &self,
        now: Timestamp,
        limit: usize,
        swept: &mut Swept,
    ) -> Result<bool, TokenError> {
        let front = self.repository.scan(vault::invitations_due(), None, limit).await?;
        let due = front.into_iter().map_while(|(place, _)| {
            let (time, account) = vault::due_invitation(&place)?;
            (time <= now).then_some((place, account))
        });
        let due: Vec<_> = due.collect();
        let more = due.len() == limit;
        for (place, account) in due {
            match self.settle_invitation(place, account).await {
                Ok(()) => swept.invitations = swept.invitations.saturating_add(1),
                // It is being used or withdrawn at this moment: the next sweep looks again.
                Err(TokenError::Store(StoreError::WrongExpectedVersion)) => {}
                Err(error) => {
                    tracing::error!(user.id = %account, error = %error, "an invitation can't be swept");
                    swept.failed = swept.failed.saturating_add(1);
                }
            }
        }
        Ok(more)
    }

    async fn settle_invitation(&self, place: RecordKey, account: UserId) -> Result<(), TokenError> {
        let Loaded { state, expected, .. } = self.repository.user(account).await?;
        let status = state.map(|user| user.status);
        let mut records = vec![RecordChange::Delete(place)];
        match (status, open_invitation(&self.repository, account).await?) {
            (Some(Status::Invited), Some(open)) => {
                records.extend(closed(account, &open.digest, open.until));
                records.push(removed_after(open.until, account, self.settings.sessions.retention));
            }
            (Some(Status::Invited | Status::Withdrawn), None) => {
                return Ok(self.repository.remove::<User>(&account, expected, records).await?);
            }
            // It has become an account, or nothing is left of it.
            (Some(_) | None, _) => {}
        }
        Ok(self.repository.change_guarded::<User>(&account, expected, records).await?)
    }
}

async fn open_invitation(
    repository: &Repository,
    account: UserId,
) -> Result<Option<OpenInvitation>, TokenError> {
    let kept = repository.record(vault::open_invitation(account)).await?;
    Ok(kept.as_deref().and_then(OpenInvitation::decode))
}

/// The queue entry by which an invitation that ended at `over` is removed.
fn removed_after(over: Timestamp, account: UserId, retention: Duration) -> RecordChange {
    RecordChange::Put(vault::invitation_due(over.after(retention), account), Vec::new())
}

/// The records to delete when an invitation is used.
pub(super) fn used(code: &str, invitation: Invitation) -> [RecordChange; 3] {
    closed(invitation.account, &digest_of(code), invitation.until)
}

/// The records to delete when an invitation can't be used any more.
fn closed(account: UserId, digest: &[u8; 32], until: Timestamp) -> [RecordChange; 3] {
    let keys =
        [vault::invitation(digest), vault::open_invitation(account), vault::invitation_due(until, account)];
    keys.map(RecordChange::Delete)
}

/// A code has 190 bits, so it needs no slow hash and no salt.
fn digest_of(code: &str) -> [u8; 32] {
    digest::digest(&digest::SHA256, code.as_bytes()).as_ref().try_into().unwrap_or_default()
}
