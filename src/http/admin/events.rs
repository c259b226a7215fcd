//! `/admin/events`: the log, in pages and live.

use poem::Body;
use poem_openapi::param::{Header, Query};
use poem_openapi::payload::{Binary, Json};
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::administrator::Admin;
use super::event_body::Event;
use super::live::{Follow, Live};
use crate::app::admin::events::{EventFilter, Subject};
use crate::http::bearer::ApiScope;
use crate::http::problem::ApiError;
use crate::http::tag::Tag;

/// The log.
pub(in crate::http) struct EventsApi {
    /// Who follows it.
    pub(super) live: Live,
}

/// Some events.
#[derive(Object)]
#[oai(example)]
struct EventPage {
    /// The events, in the order of the log.
    events: Vec<Event>,
    /// What to send as `after` to go on. A search for types may look at many events and find none: the page is empty
    /// then, and has a `next`. Left out when there is nothing behind `after` yet.
    #[oai(skip_serializing_if_is_none)]
    next: Option<u64>,
}

impl Example for EventPage {
    fn example() -> Self {
        Self { events: vec![Event::example()], next: Some(4711) }
    }
}

#[derive(ApiResponse)]
enum PageAnswer {
    /// A page.
    #[oai(status = 200)]
    Ok(Json<EventPage>),
}

#[derive(ApiResponse)]
enum LiveAnswer {
    /// The events, one after the other, for as long as the connection lasts: `id` is the position, `event` the type,
    /// `data` the event as JSON.
    #[oai(status = 200, content_type = "text/event-stream")]
    Ok(
        Binary<Body>,
        /// `no`: nginx must not keep the events back until it has more of them.
        #[oai(header = "X-Accel-Buffering")]
        String,
    ),
}

#[OpenApi]
impl EventsApi {
    /// Read the log
    ///
    /// What happened, in the order in which it was written down: a page at a time, of everything or of one session,
    /// login, consent, user or client.
    #[oai(path = "/admin/events", method = "get", tag = "Tag::Admin", operation_id = "adminListEvents")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// Where the page begins: behind this position, or, with `stream`, behind this version.
        #[oai(default)]
        Query(after): Query<u64>,
        /// Only the events of `session:<id>`, `login:<id>`, `consent:<user>/<digest of the client>`, `user:<id>` or
        /// `client:<id>`.
        Query(stream): Query<Option<String>>,
        /// Only events of these types, separated by commas.
        #[oai(name = "type")]
        Query(types): Query<Option<String>>,
        /// How many at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<PageAnswer, ApiError> {
        let stream = stream.map(|stream| stream.parse::<Subject>()).transpose();
        let filter =
            EventFilter { stream: stream.map_err(|()| bad_stream())?, types: listed(types.as_deref()) };
        let page = admin.service.events.read_events(&filter, after, limit).await;
        let page = page.map_err(|error| ApiError::token(&error))?;
        let events = page.events.iter().map(Event::from).collect();
        Ok(PageAnswer::Ok(Json(EventPage { events, next: page.next })))
    }

    /// Follow the log live
    ///
    /// Server-sent events. After a break, go on with `Last-Event-ID`, as browsers do by themselves. The stream ends when
    /// the access token expires, or the server stops.
    #[oai(
        path = "/admin/events/live",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "adminFollowEvents"
    )]
    async fn live(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The position behind which it begins, or `latest`; left out: from the first event on.
        Query(after): Query<Option<String>>,
        /// The position of the last event that was seen; wins over `after`.
        #[oai(name = "Last-Event-ID")]
        Header(last): Header<Option<String>>,
        /// Only events of these types, separated by commas.
        #[oai(name = "type")]
        Query(types): Query<Option<String>>,
    ) -> Result<LiveAnswer, ApiError> {
        let from = last.filter(|last| !last.is_empty()).or(after);
        let after = match from.as_deref() {
            None => 0,
            Some("latest") => {
                admin.service.events.newest_position().await.map_err(|error| ApiError::token(&error))?
            }
            Some(position) => position.parse().map_err(|_| bad_position())?,
        };
        let filter = EventFilter { stream: None, types: listed(types.as_deref()) };
        let follow = Follow { admin, filter, after };
        let body = self.live.clone().follow(follow).ok_or_else(super::limits::too_many_followers)?;
        Ok(LiveAnswer::Ok(Binary(body), "no".to_owned()))
    }
}

fn listed(types: Option<&str>) -> Vec<String> {
    let words = types.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The error for a malformed stream.
pub(in crate::http) fn bad_stream() -> ApiError {
    ApiError::field(
        "stream",
        "not_permitted",
        "It is session:…, login:…, consent:…, user:…, client:… or installation.",
    )
}

/// The error for a malformed position.
pub(in crate::http) fn bad_position() -> ApiError {
    ApiError::field("after", "not_permitted", "It is a position, or `latest`.")
}
