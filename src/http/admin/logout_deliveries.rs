//! `/admin/logout-deliveries`.

use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::administrator::Admin;
use crate::app::BackchannelLogout;
use crate::app::backchannel_logout::{DeliveryPage, DeliveryState, ListedDelivery};
use crate::http::bearer::ApiScope;
use crate::http::problem::ApiError;
use crate::http::service::Service;
use crate::http::tag::Tag;

/// What clients are still to be told of logouts.
pub(in crate::http) struct LogoutDeliveriesApi;

/// A client is to be told that a login has ended (OpenID Connect Back-Channel Logout).
#[derive(Object, Clone)]
#[oai(example)]
struct LogoutDelivery {
    /// The client.
    client: String,
    /// The user: the `sub` of the logout token.
    user: String,
    /// The login: its `sid`.
    login: String,
    /// `pending` or `given_up`.
    state: String,
    /// Since when it is to be told (RFC 3339).
    since: String,
    /// How often it was tried without success.
    tries: u32,
    /// When it is tried next (RFC 3339); left out if it was given up.
    #[oai(skip_serializing_if_is_none)]
    next_try_at: Option<String>,
    /// When it was given up (RFC 3339).
    #[oai(skip_serializing_if_is_none)]
    given_up_at: Option<String>,
    /// Why the last try failed; left out before the first one.
    #[oai(skip_serializing_if_is_none)]
    last_error: Option<String>,
}

impl Example for LogoutDelivery {
    fn example() -> Self {
        Self {
            client: "web-app".to_owned(),
            user: "01890a5d-0000-774b-bcce-b302099a8057".to_owned(),
            login: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            state: "pending".to_owned(),
            since: "2026-01-31T12:00:00.000Z".to_owned(),
            tries: 2,
            next_try_at: Some("2026-01-31T12:01:14.000Z".to_owned()),
            given_up_at: None,
            last_error: Some("it answered 500".to_owned()),
        }
    }
}

impl From<ListedDelivery> for LogoutDelivery {
    fn from(ListedDelivery { delivery, state }: ListedDelivery) -> Self {
        let (word, next_try, given_up) = match state {
            DeliveryState::Pending(next) => ("pending", Some(next), None),
            DeliveryState::GivenUp(at) => ("given_up", None, Some(at)),
        };
        Self {
            client: delivery.client.to_string(),
            user: delivery.user.to_string(),
            login: delivery.login.to_string(),
            state: word.to_owned(),
            since: delivery.since.to_string(),
            tries: delivery.tries,
            next_try_at: next_try.map(|at| at.to_string()),
            given_up_at: given_up.map(|at| at.to_string()),
            last_error: delivery.last_error,
        }
    }
}

/// Some deliveries.
#[derive(Object)]
#[oai(example)]
struct LogoutDeliveryPage {
    /// The deliveries.
    deliveries: Vec<LogoutDelivery>,
    /// What to send as `after` for the page behind this one; left out when there is none.
    #[oai(skip_serializing_if_is_none)]
    next: Option<String>,
}

impl Example for LogoutDeliveryPage {
    fn example() -> Self {
        Self { deliveries: vec![LogoutDelivery::example()], next: None }
    }
}

#[derive(ApiResponse)]
enum PageAnswer {
    /// A page.
    #[oai(status = 200)]
    Ok(Json<LogoutDeliveryPage>),
}

#[OpenApi]
impl LogoutDeliveriesApi {
    /// List the logout tokens that clients have not accepted
    ///
    /// First those that are pending, by client; then those that were given up in the last week.
    #[oai(
        path = "/admin/logout-deliveries",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "adminListLogoutDeliveries"
    )]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Admin")] _admin: Admin,
        logouts: Service<'_, BackchannelLogout>,
        /// The `next` of the page before.
        Query(after): Query<Option<String>>,
        /// How many at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<PageAnswer, ApiError> {
        let page = DeliveryPage::after(after.as_deref()).map_err(|_| ApiError::after("not_permitted"))?;
        let (listed, next) = logouts.list(page, limit).await.map_err(|error| ApiError::token(&error))?;
        let deliveries = listed.into_iter().map(LogoutDelivery::from).collect();
        Ok(PageAnswer::Ok(Json(LogoutDeliveryPage { deliveries, next })))
    }
}
