//! `/admin/sessions`, and the sessions of a user or a client.

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::administrator::Admin;
use crate::app::admin::sessions::SessionDetails;
use crate::app::devices::SessionOwner;
use crate::app::timeline::TimelinePage;
use crate::http::account::devices::TimelineAnswer;
use crate::http::bearer::ApiScope;
use crate::http::problem::ApiError;
use crate::http::tag::Tag;
use crate::oauth::SessionId;

/// The administration of sessions.
pub(in crate::http) struct SessionsApi;

/// A session: one sign-in on one device, or what a client has for itself.
#[derive(Object, Clone)]
#[oai(example)]
pub(super) struct AdminSession {
    /// Its id: the `sid` of access tokens.
    id: String,
    /// The user's id; left out where the client acts for itself (`client_credentials`).
    #[oai(skip_serializing_if_is_none)]
    user: Option<String>,
    /// The client's id.
    client: String,
    /// What was granted, separated by spaces.
    scope: String,
    /// The resource server that the tokens are for; left out if only heirloom's own API is.
    #[oai(skip_serializing_if_is_none)]
    audience: Option<String>,
    /// When it began: when the user signed in, if there is one (RFC 3339).
    started_at: String,
    /// When it was last handed tokens (RFC 3339).
    last_seen_at: String,
    /// When it ends unless it is used before (RFC 3339).
    expires_at: String,
    /// How often its refresh token has been handed down.
    generation: u32,
    /// Whether it is live.
    live: bool,
    /// Why it is over: `reuse`, `logout`, `user`, `admin`, `user_epoch`, `client_epoch`, `expired`, `evicted`,
    /// `rollback`, `restored`.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// When it ended (RFC 3339), if that is in the log.
    #[oai(skip_serializing_if_is_none)]
    ended_at: Option<String>,
}

impl Example for AdminSession {
    fn example() -> Self {
        Self {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            user: Some("01890a5d-0000-774b-bcce-b302099a8057".to_owned()),
            client: "web-app".to_owned(),
            scope: "read write".to_owned(),
            audience: Some("https://api.example.com".to_owned()),
            started_at: "2026-01-31T12:00:00.000Z".to_owned(),
            last_seen_at: "2026-01-31T14:30:00.000Z".to_owned(),
            expires_at: "2026-02-14T14:30:00.000Z".to_owned(),
            generation: 15,
            live: true,
            reason: None,
            ended_at: None,
        }
    }
}

impl From<SessionDetails> for AdminSession {
    fn from(details: SessionDetails) -> Self {
        let session = &details.session;
        let started = &session.started;
        Self {
            id: details.id.to_string(),
            user: started.user.map(|user| user.to_string()),
            client: started.client.to_string(),
            scope: started.scope.to_string(),
            audience: started.audience.as_ref().map(ToString::to_string),
            started_at: started.at.to_string(),
            last_seen_at: session.last_seen().to_string(),
            expires_at: session.expiry().to_string(),
            generation: session.generation.0,
            live: details.over.is_none(),
            reason: details.over.map(|reason| reason.as_str().to_owned()),
            ended_at: details.ended_at.map(|at| at.to_string()),
        }
    }
}

/// Some sessions.
#[derive(Object)]
#[oai(example)]
pub(super) struct SessionPage {
    /// The sessions, in the order of their ids.
    sessions: Vec<AdminSession>,
    /// What to send as `after` for the page behind this one; left out when there is none.
    #[oai(skip_serializing_if_is_none)]
    next: Option<String>,
}

impl Example for SessionPage {
    fn example() -> Self {
        Self { sessions: vec![AdminSession::example()], next: Some(AdminSession::example().id) }
    }
}

#[derive(ApiResponse)]
pub(super) enum SessionPageAnswer {
    /// A page.
    #[oai(status = 200)]
    Ok(Json<SessionPage>),
}

#[derive(ApiResponse)]
enum SessionAnswer {
    /// The session.
    #[oai(status = 200)]
    Ok(Json<AdminSession>),
}

#[derive(ApiResponse)]
enum DoneAnswer {
    /// It has ended.
    #[oai(status = 204)]
    Done,
}

#[OpenApi]
impl SessionsApi {
    /// Show a session
    ///
    /// A live one, or one that is over and not removed yet.
    #[oai(
        path = "/admin/sessions/:id",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "adminShowSession"
    )]
    async fn show(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The session's id.
        Path(id): Path<String>,
    ) -> Result<SessionAnswer, ApiError> {
        let id = id.parse::<SessionId>().map_err(|_| ApiError::not_found())?;
        let found = admin.service.session_details(id).await.map_err(|error| ApiError::token(&error))?;
        Ok(SessionAnswer::Ok(Json(found.ok_or_else(ApiError::not_found)?.into())))
    }

    /// Why did a session end?
    ///
    /// What happened to it, in words. Refreshes in a row are one line.
    #[oai(
        path = "/admin/sessions/:id/events",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "adminSessionTimeline"
    )]
    async fn timeline(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The session's id.
        Path(id): Path<String>,
        /// The `next` of the page before.
        #[oai(default)]
        Query(after): Query<u64>,
        /// How many lines there are at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<TimelineAnswer, ApiError> {
        let id = id.parse::<SessionId>().map_err(|_| ApiError::not_found())?;
        let timeline = admin.service.sessions.timeline(id, TimelinePage { after, limit }).await;
        let timeline = timeline.map_err(|error| ApiError::token(&error))?.ok_or_else(ApiError::not_found)?;
        Ok(TimelineAnswer::Ok(Json(timeline.into())))
    }

    /// End a session
    ///
    /// Its refresh token and its access tokens are no good from now on, here and wherever access tokens are
    /// introspected.
    #[oai(
        path = "/admin/sessions/:id",
        method = "delete",
        tag = "Tag::Admin",
        operation_id = "adminEndSession"
    )]
    async fn end(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The session's id.
        Path(id): Path<String>,
    ) -> Result<DoneAnswer, ApiError> {
        let actor = admin.actor;
        let id = id.parse::<SessionId>().map_err(|_| ApiError::not_found())?;
        let known = admin.service.administer_session_end(id, actor).await;
        if known.map_err(|error| ApiError::token(&error))? {
            Ok(DoneAnswer::Done)
        } else {
            Err(ApiError::not_found())
        }
    }
}

/// A page of the sessions of a user or a client.
pub(super) async fn page(
    admin: &Admin,
    owner: Option<SessionOwner>,
    after: Option<&str>,
    limit: usize,
) -> Result<SessionPageAnswer, ApiError> {
    let owner = owner.ok_or_else(ApiError::not_found)?;
    let after = after.map(str::parse::<SessionId>).transpose();
    let after = after.map_err(|_| ApiError::after("not_permitted"))?;
    let listed = admin.service.list_sessions(&owner, after, limit).await;
    let (sessions, next) = listed.map_err(|error| ApiError::token(&error))?;
    let sessions = sessions.into_iter().map(AdminSession::from).collect();
    Ok(SessionPageAnswer::Ok(Json(SessionPage { sessions, next: next.map(|id| id.to_string()) })))
}
