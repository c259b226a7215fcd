//! `/account/sessions`: the user's devices, ending them, and why one was signed out.

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::app::devices::{ListedSession, SessionOwner, SessionsPage};
use crate::app::timeline::{Line, Timeline, TimelinePage};
use crate::app::{Sessions, TokenError};
use crate::http::bearer::{ApiScope, Bearer};
use crate::http::problem::ApiError;
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::oauth::SessionId;

/// How long a page is, unless another length is asked for.
const PAGE: u32 = 50;

/// The endpoints of a user's devices.
pub struct DevicesApi;

/// A session: a sign-in on one device.
#[derive(Object)]
struct SessionItem {
    /// Its id: the `sid` of its access tokens.
    id: String,
    /// Whether it is the one that this request was made with.
    current: bool,
    /// What the device is, as its user agent tells.
    #[oai(skip_serializing_if_is_none)]
    device: Option<String>,
    /// What the client called the device at sign-in.
    #[oai(skip_serializing_if_is_none)]
    label: Option<String>,
    /// The client's id.
    client_id: String,
    /// The client's name.
    client_name: String,
    /// What was granted, separated by spaces.
    scope: String,
    /// When the user signed in (RFC 3339).
    first_seen: String,
    /// When the device last got tokens (RFC 3339).
    last_seen: String,
    /// When it ends unless it is used before (RFC 3339).
    expires: String,
}

/// A page of sessions.
#[derive(Object)]
#[oai(example)]
struct SessionList {
    /// The sessions, in the order in which they began.
    sessions: Vec<SessionItem>,
    /// Send it as `after` to get the next page; left out on the last one.
    #[oai(skip_serializing_if_is_none)]
    next: Option<String>,
}

/// What happened once, or several times in a row.
#[derive(Object)]
struct TimelineItem {
    /// `signed_in`, `refreshed`, `reuse_detected`, `code_reuse_detected`, `foreign_client_refused` or `ended`.
    kind: String,
    /// When; the first time, if it happened several times (RFC 3339).
    at: String,
    /// The last time (RFC 3339).
    last: String,
    /// How often.
    count: u64,
    /// What happened, as a sentence.
    text: String,
}

/// Why a session is over.
#[derive(Object)]
struct SessionEnd {
    /// `reuse`, `logout`, `user`, `admin`, `user_epoch`, `client_epoch`, `expired`, `evicted`, `rollback` or
    /// `restored`.
    reason: String,
    /// When (RFC 3339); left out when all sessions of the account or the client were ended at once and it has not been
    /// noted down yet.
    #[oai(skip_serializing_if_is_none)]
    at: Option<String>,
    /// Why, as a sentence.
    text: String,
}

/// A page of what happened to a session.
#[derive(Object)]
#[oai(example)]
pub(in crate::http) struct SessionTimeline {
    /// Why the session is over; left out while it is live.
    #[oai(skip_serializing_if_is_none)]
    end: Option<SessionEnd>,
    /// What happened, oldest first.
    events: Vec<TimelineItem>,
    /// Send it as `after` to get the next page; left out on the last one.
    #[oai(skip_serializing_if_is_none)]
    next: Option<u64>,
}

#[derive(ApiResponse)]
enum SessionsAnswer {
    /// The sessions.
    #[oai(status = 200)]
    Ok(Json<SessionList>),
}

#[derive(ApiResponse)]
pub(in crate::http) enum TimelineAnswer {
    /// What happened.
    #[oai(status = 200)]
    Ok(Json<SessionTimeline>),
}

#[derive(ApiResponse)]
enum EndedAnswer {
    /// It is over.
    #[oai(status = 204)]
    Ended,
}

#[OpenApi]
impl DevicesApi {
    /// The user's devices
    ///
    /// The live sessions, each a sign-in on one device. A page can have fewer than `limit` and still not be the last: look
    /// at `next`.
    #[oai(path = "/account/sessions", method = "get", tag = "Tag::Account", operation_id = "listSessions")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// How many sessions are looked at.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        sessions: Service<'_, Sessions>,
    ) -> Result<SessionsAnswer, ApiError> {
        let access = token.access("account").await?;
        let after = after.0.map(|after| after.parse());
        let after = after.transpose().map_err(|_| ApiError::after("unknown"))?;
        let page = SessionsPage { after, limit: length(limit.0) };
        let user = SessionOwner::User(access.user);
        let (listed, next) = sessions.sessions(&user, page).await.map_err(failed)?;
        let sessions = listed.into_iter().map(|session| SessionItem::of(session, access.live.id)).collect();
        let next = next.map(|next| next.to_string());
        Ok(SessionsAnswer::Ok(Json(SessionList { sessions, next })))
    }

    /// End a session
    ///
    /// Its refresh token and its access tokens are no good from now on, here and wherever access tokens are introspected.
    #[oai(
        path = "/account/sessions/:id",
        method = "delete",
        tag = "Tag::Account",
        operation_id = "endSession"
    )]
    async fn end(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        /// The session's id.
        id: Path<String>,
        sessions: Service<'_, Sessions>,
    ) -> Result<EndedAnswer, ApiError> {
        let access = token.access("account").await?;
        let id: SessionId = id.parse().map_err(|_| ApiError::not_found())?;
        if sessions.end_own_session(access.user, id).await.map_err(failed)? {
            Ok(EndedAnswer::Ended)
        } else {
            Err(ApiError::not_found())
        }
    }

    /// End all other sessions
    ///
    /// All of the user's sessions but this one; with `all=true` this one, too. All end at once.
    #[oai(path = "/account/sessions", method = "delete", tag = "Tag::Account", operation_id = "endSessions")]
    async fn end_all(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        /// Whether this session ends, too.
        #[oai(default)]
        all: Query<bool>,
        sessions: Service<'_, Sessions>,
    ) -> Result<EndedAnswer, ApiError> {
        let access = token.access("account").await?;
        let keep = (!all.0).then_some(access.live.id);
        let ended = sessions.end_all_sessions(access.user, keep).await;
        ended.map(|()| EndedAnswer::Ended).map_err(|error| ApiError::user(&error, "username", "password"))
    }

    /// Why was I signed out?
    ///
    /// What happened to one of the user's sessions, in words. Refreshes in a row are one line. Sessions that are over are
    /// told of until they are removed.
    #[oai(
        path = "/account/sessions/:id/events",
        method = "get",
        tag = "Tag::Account",
        operation_id = "sessionEvents"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the request")]
    async fn events(
        &self,
        #[oai(scope = "ApiScope::Account")] token: Bearer,
        /// The session's id.
        id: Path<String>,
        /// The `next` of the page before.
        #[oai(default)]
        after: Query<u64>,
        /// How many lines there are at most.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        sessions: Service<'_, Sessions>,
    ) -> Result<TimelineAnswer, ApiError> {
        let access = token.access("account").await?;
        let id: SessionId = id.parse().map_err(|_| ApiError::not_found())?;
        if sessions.owner(id).await.map_err(failed)? != Some(access.user) {
            return Err(ApiError::not_found());
        }
        let page = TimelinePage { after: after.0, limit: length(limit.0) };
        let timeline = sessions.timeline(id, page).await.map_err(failed)?.ok_or_else(ApiError::not_found)?;
        Ok(TimelineAnswer::Ok(Json(timeline.into())))
    }
}

const fn page() -> u32 {
    PAGE
}

fn length(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
fn failed(error: TokenError) -> ApiError {
    ApiError::token(&error)
}

impl SessionItem {
    fn of(listed: ListedSession, current: SessionId) -> Self {
        let ListedSession { id, session, client_name, device } = listed;
        Self {
            id: id.to_string(),
            current: id == current,
            device: device.name(),
            label: device.label().map(str::to_owned),
            client_id: session.started.client.to_string(),
            client_name,
            scope: session.started.scope.to_string(),
            first_seen: session.started.at.to_string(),
            last_seen: session.last_seen().to_string(),
            expires: session.expiry().to_string(),
        }
    }
}

impl From<Line> for TimelineItem {
    fn from(line: Line) -> Self {
        let Line { kind, at, last, count, text } = line;
        Self { kind: kind.to_owned(), at: at.to_string(), last: last.to_string(), count, text }
    }
}

impl From<Timeline> for SessionTimeline {
    fn from(timeline: Timeline) -> Self {
        let end = timeline.end.map(|end| SessionEnd {
            reason: end.reason.as_str().to_owned(),
            at: end.at.map(|at| at.to_string()),
            text: end.text.to_owned(),
        });
        let events = timeline.lines.into_iter().map(TimelineItem::from).collect();
        Self { end, events, next: timeline.next }
    }
}

impl Example for SessionList {
    fn example() -> Self {
        let session = SessionItem {
            id: "019d1c2e-7a31-7c55-9c0a-5f8a1f0e6b21".to_owned(),
            current: true,
            device: Some("Firefox on Linux".to_owned()),
            label: Some("Ann's laptop".to_owned()),
            client_id: "web-app".to_owned(),
            client_name: "Our web app".to_owned(),
            scope: "account read".to_owned(),
            first_seen: "2026-03-01T08:12:44.120Z".to_owned(),
            last_seen: "2026-03-04T17:40:02.518Z".to_owned(),
            expires: "2026-03-18T17:40:02.518Z".to_owned(),
        };
        Self { sessions: vec![session], next: None }
    }
}

impl Example for SessionTimeline {
    fn example() -> Self {
        let item = |kind: &str, times: (&str, &str, u64), text: &str| TimelineItem {
            kind: kind.to_owned(),
            at: times.0.to_owned(),
            last: times.1.to_owned(),
            count: times.2,
            text: text.to_owned(),
        };
        let (signed_in, refreshed) = ("2026-03-01T08:12:44.120Z", "2026-03-01T08:20:00.001Z");
        let ended = "2026-03-04T17:40:02.518Z";
        let text =
            "an old refresh token was used again, so this session was ended in case somebody had stolen it.";
        Self {
            end: Some(SessionEnd {
                reason: "reuse".to_owned(),
                at: Some(ended.to_owned()),
                text: text.to_owned(),
            }),
            events: vec![
                item("signed_in", (signed_in, signed_in, 1), "Signed in with web-app."),
                item(
                    "refreshed",
                    (refreshed, ended, 17),
                    "Refreshed 17 times between 2026-03-01T08:20:00.001Z and 2026-03-04T17:40:02.518Z.",
                ),
                item("ended", (ended, ended, 1), &format!("Signed out: {text}")),
            ],
            next: None,
        }
    }
}
