//! Reads the log for administrators.

use crate::app::Repository;
use crate::app::error::TokenError;
use crate::client::{ClientEvent, state as client_state};
use crate::clock::Timestamp;
use crate::consent::{ConsentEvent, state as consent_state};
use crate::installation::{self, Installation, InstallationEvent};
use crate::login::{LoginEvent, state as login_state};
use crate::oauth::{Actor, ClientId, LoginId, SessionId, UserId};
use crate::session::{SessionEvent, state as session_state};
use crate::store::{RecordedEvent, StreamId};
use crate::user::{UserEvent, state as user_state};

/// How many events are read at a time.
const PAGE: usize = 100;
/// How many events one request looks at while it searches for those of a type.
const LOOKED_AT: usize = 1000;

/// Whose stream an event stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A session's.
    Session(SessionId),
    /// A login's.
    Login(LoginId),
    /// A consent's: a user's for a client, of whose id the stream has a digest.
    Consent(UserId, [u8; 16]),
    /// A user's.
    User(UserId),
    /// A client's.
    Client(ClientId),
    /// The installation's.
    Installation,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// To a session.
    Session(SessionEvent),
    /// To a login.
    Login(LoginEvent),
    /// To a consent.
    Consent(ConsentEvent),
    /// To a user.
    User(UserEvent),
    /// To a client.
    Client(ClientEvent),
    /// To the whole installation.
    Installation(InstallationEvent),
    /// This version of heirloom can't read it.
    Unreadable,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Its position in the log, from 1.
    pub position: u64,
    /// Its version on its stream, from 1.
    pub version: u64,
    /// The owner of the stream; `None` if this version of heirloom does not know such streams.
    pub subject: Option<Subject>,
    /// What happened.
    pub happened: Happened,
}

/// Selects events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only events of this stream; then places are versions, else positions in the log.
    pub stream: Option<Subject>,
    /// Only events of these types; empty: all.
    pub types: Vec<String>,
}

/// Some events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<LogEvent>,
    /// The place after which to search on; `None` at the end.
    pub next: Option<u64>,
}

impl Subject {
    /// The stream.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Session(id) => StreamId::new(session_state::CATEGORY, id.as_bytes()),
            Self::Login(id) => StreamId::new(login_state::CATEGORY, id.as_bytes()),
            Self::Consent(user, client) => {
                StreamId::new(consent_state::CATEGORY, &[*user.as_bytes(), *client].concat())
            }
            Self::User(id) => StreamId::new(user_state::CATEGORY, id.as_bytes()),
            Self::Client(id) => StreamId::new(client_state::CATEGORY, id.as_str().as_bytes()),
            Self::Installation => Installation::stream(),
        }
    }

    fn of(stream: &StreamId) -> Option<Self> {
        let key = stream.key();
        match stream.category() {
            session_state::CATEGORY => Some(Self::Session(SessionId::from(<[u8; 16]>::try_from(key).ok()?))),
            login_state::CATEGORY => Some(Self::Login(LoginId::from(<[u8; 16]>::try_from(key).ok()?))),
            consent_state::CATEGORY => {
                let (user, client) = key.split_first_chunk::<16>()?;
                Some(Self::Consent(UserId::from(*user), client.try_into().ok()?))
            }
            user_state::CATEGORY => Some(Self::User(UserId::from(<[u8; 16]>::try_from(key).ok()?))),
            client_state::CATEGORY => std::str::from_utf8(key).ok()?.parse().ok().map(Self::Client),
            installation::CATEGORY => key.is_empty().then_some(Self::Installation),
            _ => None,
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Login(id) => write!(f, "login:{id}"),
            Self::Consent(user, client) => write!(f, "consent:{user}/{:032x}", u128::from_be_bytes(*client)),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Installation => f.write_str("installation"),
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "installation" {
            return Ok(Self::Installation);
        }
        match text.split_once(':') {
            Some(("session", id)) => id.parse().map(Self::Session).map_err(|_| ()),
            Some(("login", id)) => id.parse().map(Self::Login).map_err(|_| ()),
            Some(("consent", id)) => {
                let (user, client) = id.split_once('/').ok_or(())?;
                let client = u128::from_str_radix(client, 16).ok().filter(|_| client.len() == 32).ok_or(())?;
                Ok(Self::Consent(user.parse().map_err(|_| ())?, client.to_be_bytes()))
            }
            Some(("user", id)) => id.parse().map(Self::User).map_err(|_| ()),
            Some(("client", id)) => id.parse().map(Self::Client).map_err(|_| ()),
            _ => Err(()),
        }
    }
}

impl From<RecordedEvent> for LogEvent {
    fn from(recorded: RecordedEvent) -> Self {
        let RecordedEvent { position, version, stream, data } = recorded;
        let subject = Subject::of(&stream);
        let read = match &subject {
            Some(Subject::Session(_)) => SessionEvent::decode(&data).map(Happened::Session),
            Some(Subject::Login(_)) => LoginEvent::decode(&data).map(Happened::Login),
            Some(Subject::Consent(..)) => ConsentEvent::decode(&data).map(Happened::Consent),
            Some(Subject::User(_)) => UserEvent::decode(&data).map(Happened::User),
            Some(Subject::Client(_)) => ClientEvent::decode(&data).map(Happened::Client),
            Some(Subject::Installation) => InstallationEvent::decode(&data).map(Happened::Installation),
            None => Ok(Happened::Unreadable),
        };
        Self { position, version, subject, happened: read.unwrap_or(Happened::Unreadable) }
    }
}

impl Happened {
    /// The event's type, a name that is unique over all streams.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Session(event) => event.name(),
            Self::Login(event) => event.name(),
            Self::Consent(event) => event.name(),
            Self::User(event) => match event {
                UserEvent::Registered { .. } => "user_registered",
                UserEvent::PasswordChanged { .. } => "user_password_changed",
                UserEvent::PasswordRehashed { .. } => "user_password_rehashed",
                UserEvent::Disabled { .. } => "user_disabled",
                UserEvent::Enabled { .. } => "user_enabled",
                UserEvent::RolesChanged { .. } => "user_roles_changed",
                UserEvent::SessionsEnded { .. } => "user_sessions_ended",
                UserEvent::Deleted { .. } => "user_deleted",
                UserEvent::Invited { .. } => "user_invited",
                UserEvent::ProfileChanged { .. } => "user_profile_changed",
                UserEvent::InvitationWithdrawn { .. } => "user_invitation_withdrawn",
            },
            Self::Client(event) => match event {
                ClientEvent::Registered { .. } => "client_registered",
                ClientEvent::Updated { .. } => "client_updated",
                ClientEvent::SecretRotated { .. } => "client_secret_rotated",
                ClientEvent::Disabled { .. } => "client_disabled",
                ClientEvent::Enabled { .. } => "client_enabled",
                ClientEvent::SessionsEnded { .. } => "client_sessions_ended",
                ClientEvent::Deleted { .. } => "client_deleted",
            },
            Self::Installation(event) => event.name(),
            Self::Unreadable => "unreadable",
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Session(event) => Some(event.at()),
            Self::Login(event) => Some(event.at()),
            Self::Consent(event) => Some(event.at()),
            Self::User(
                UserEvent::Registered { at, .. }
                | UserEvent::PasswordChanged { at, .. }
                | UserEvent::PasswordRehashed { at, .. }
                | UserEvent::Disabled { at, .. }
                | UserEvent::Enabled { at, .. }
                | UserEvent::RolesChanged { at, .. }
                | UserEvent::SessionsEnded { at, .. }
                | UserEvent::Deleted { at, .. }
                | UserEvent::Invited { at, .. }
                | UserEvent::ProfileChanged { at, .. }
                | UserEvent::InvitationWithdrawn { at, .. },
            )
            | Self::Client(
                ClientEvent::Registered { at, .. }
                | ClientEvent::Updated { at, .. }
                | ClientEvent::SecretRotated { at, .. }
                | ClientEvent::Disabled { at, .. }
                | ClientEvent::Enabled { at, .. }
                | ClientEvent::SessionsEnded { at, .. }
                | ClientEvent::Deleted { at, .. },
            ) => Some(*at),
            Self::Installation(event) => Some(event.at()),
            Self::Unreadable => None,
        }
    }

    /// Who did it, if that was recorded.
    #[must_use]
    pub const fn by(&self) -> Option<Actor> {
        match self {
            Self::Session(SessionEvent::Ended { by, .. })
            | Self::Login(LoginEvent::LoggedOut { by, .. })
            | Self::Consent(ConsentEvent::Withdrawn { by, .. })
            | Self::User(
                UserEvent::Registered { by, .. }
                | UserEvent::PasswordChanged { by, .. }
                | UserEvent::PasswordRehashed { by, .. }
                | UserEvent::Disabled { by, .. }
                | UserEvent::Enabled { by, .. }
                | UserEvent::RolesChanged { by, .. }
                | UserEvent::SessionsEnded { by, .. }
                | UserEvent::Deleted { by, .. }
                | UserEvent::Invited { by, .. }
                | UserEvent::ProfileChanged { by, .. }
                | UserEvent::InvitationWithdrawn { by, .. },
            )
            | Self::Client(
                ClientEvent::Registered { by, .. }
                | ClientEvent::Updated { by, .. }
                | ClientEvent::SecretRotated { by, .. }
                | ClientEvent::Disabled { by, .. }
                | ClientEvent::Enabled { by, .. }
                | ClientEvent::SessionsEnded { by, .. }
                | ClientEvent::Deleted { by, .. },
            )
            | Self::Installation(InstallationEvent::SessionsEndedByRestore { by, .. }) => *by,
            Self::Session(
                SessionEvent::Started(_)
                | SessionEvent::Authorized(_)
                | SessionEvent::TokensIssued { .. }
                | SessionEvent::TokensRotated { .. }
                | SessionEvent::AccessTokenIssued { .. }
                | SessionEvent::ReuseDetected { .. }
                | SessionEvent::ForeignClientRefused { .. }
                | SessionEvent::RotationsSummarized(_),
            )
            | Self::Login(LoginEvent::LoggedIn(_) | LoginEvent::Reauthenticated { .. })
            | Self::Consent(ConsentEvent::Given(_))
            | Self::Unreadable => None,
        }
    }
}

/// Reads the log.
pub struct EventLog {
    pub(in crate::app) repository: Repository,
}

impl EventLog {
    /// At most `limit` events after the place `after`. While it searches for types, it reads a bounded number of
    /// events, so a page may be empty and still have a `next`.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn read_events(
        &self,
        filter: &EventFilter,
        after: u64,
        limit: usize,
    ) -> Result<EventPage, TokenError> {
        let mut page = EventPage::default();
        let mut looked_at = 0_usize;
        while page.events.len() < limit && looked_at < LOOKED_AT {
            let left = limit.saturating_sub(page.events.len());
            // All types: every event read is on the page.
            let most = if filter.types.is_empty() { left.min(PAGE) } else { PAGE };
            let from = page.next.unwrap_or(after);
            let read = self.read_some(filter, from, most).await?;
            if read.is_empty() {
                break;
            }
            looked_at = looked_at.saturating_add(read.len());
            for event in read {
                if page.events.len() == limit {
                    break;
                }
                page.next = Some(if filter.stream.is_some() { event.version } else { event.position });
                if filter.types.is_empty() || filter.types.iter().any(|name| name == event.happened.name()) {
                    page.events.push(event);
                }
            }
        }
        Ok(page)
    }

    async fn read_some(
        &self,
        filter: &EventFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LogEvent>, TokenError> {
        let recorded = match filter.stream.as_ref().map(Subject::stream) {
            Some(Some(stream)) => self.repository.store().read_stream(stream, after, limit).await?,
            Some(None) => Vec::new(),
            None => self.repository.store().read_log(after, limit).await?,
        };
        Ok(recorded.into_iter().map(LogEvent::from).collect())
    }

    /// The position of the newest event; 0 if there is none. It is found by checking whether an event exists after a
    /// position, with doubling steps and then by halves: some dozens of reads of one row.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn newest_position(&self) -> Result<u64, TokenError> {
        let (mut low, mut step) = (0_u64, 1024_u64);
        // There may be an event behind `low`, or it is the newest.
        let mut high = loop {
            let tried = low.saturating_add(step);
            match self.repository.store().read_log(tried, 1).await?.first() {
                Some(event) => low = event.position,
                None => break tried,
            }
            step = step.saturating_mul(2);
        };
        while low < high {
            let middle = low.saturating_add(high.saturating_sub(low) / 2);
            match self.repository.store().read_log(middle, 1).await?.first() {
                Some(event) => low = event.position,
                None => high = middle,
            }
        }
        Ok(low)
    }
}
