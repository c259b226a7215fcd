//! `/admin`: administration, by access tokens with the scope `admin`, or over the operator's socket.

use std::sync::Arc;
use std::time::Duration;

use poem::http::StatusCode;
use poem::{Addr, Request, RequestBody};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::bearer::Bearer;
use super::problem::ApiError;
use super::server::OPERATOR;
use crate::app::admin::SCOPE;
use crate::app::{App, TokenError};
use crate::oauth::Actor;

mod client_body;
mod clients;
mod event_body;
#[expect(clippy::too_many_arguments, reason = "each is a parameter of the endpoint")]
mod events;
mod invitations;
mod live;
mod load;
mod sessions;
mod users;

pub(super) use live::Live;

/// Every endpoint of the administration.
pub(super) type AdminApis = (
    users::UsersApi,
    invitations::InvitationsApi,
    clients::ClientsApi,
    sessions::SessionsApi,
    events::EventsApi,
    load::LoadApi,
);

/// Every endpoint of the administration.
pub(super) fn apis(live: Live) -> AdminApis {
    (
        users::UsersApi,
        invitations::InvitationsApi,
        clients::ClientsApi,
        sessions::SessionsApi,
        events::EventsApi { live },
        load::LoadApi,
    )
}

/// How many things a page has unless it is said.
fn page() -> usize {
    50
}

/// As many follow as may.
fn too_many() -> ApiError {
    ApiError::token(&TokenError::Busy { retry_after: Duration::from_secs(30) })
}

/// Who administers. Nobody else gets as far as having a body or a parameter read.
pub(super) struct Admin {
    /// The use cases.
    pub(super) app: Arc<App>,
    /// Who it is.
    pub(super) actor: Actor,
    by: By,
}

enum By {
    /// Whoever holds this access token.
    Bearer(Bearer),
    /// A user of the server's machine, whom the operator's socket has let in.
    Operator(u32),
}

impl Admin {
    /// Looks again whether the asker may administer, for answers that last.
    ///
    /// # Errors
    /// As [`By::actor`].
    pub(super) async fn may_still(&self) -> Result<(), ApiError> {
        self.by.actor(&self.app).await.map(drop)
    }
}

impl By {
    /// Who administers.
    ///
    /// # Errors
    /// [`ApiError`]: 401 without a good access token, 403 without the scope `admin` or, by now, the role.
    async fn actor(&self, app: &App) -> Result<Actor, ApiError> {
        match self {
            Self::Operator(uid) => Ok(Actor::Operator(*uid)),
            Self::Bearer(bearer) => {
                let access = bearer.access(app, SCOPE).await?;
                app.administrator(&access).map_err(|error| ApiError::access(&error))
            }
        }
    }
}

impl<'a> ApiExtractor<'a> for Admin {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Bearer::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Bearer::security_schemes()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let failed = || poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR);
        let app = Arc::clone(request.data::<Arc<App>>().ok_or_else(failed)?);
        let by = match &request.remote_addr().0 {
            Addr::Custom(OPERATOR, uid) => By::Operator(uid.parse().map_err(|_| failed())?),
            Addr::SocketAddr(_) | Addr::Unix(_) | Addr::Custom(..) => {
                By::Bearer(Bearer::from_request(request, body, options).await?)
            }
        };
        let actor = by.actor(&app).await?;
        Ok(Self { app, actor, by })
    }
}
