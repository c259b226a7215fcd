//! Who administers.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::{Addr, Request, RequestBody};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::app::Administration;
use crate::http::bearer::Bearer;
use crate::http::problem::ApiError;
use crate::http::server::OPERATOR;
use crate::http::service::service;
use crate::oauth::Actor;

/// The authenticated administrator. Without one, neither the body nor a parameter is read.
pub(super) struct Admin {
    /// The service for administration.
    pub(super) service: Arc<Administration>,
    /// The administrator, as recorded on events.
    pub(super) actor: Actor,
    credential: Credential,
}

enum Credential {
    /// A user, by an access token.
    Bearer(Bearer),
    /// A user of the server's machine, by the operators' socket.
    Operator(u32),
}

impl Admin {
    /// Checks again whether the administrator may administer; for long-lived answers.
    ///
    /// # Errors
    /// As [`Credential::actor`].
    pub(super) async fn may_still(&self) -> Result<(), ApiError> {
        self.credential.actor().await.map(drop)
    }
}

impl Credential {
    /// Authenticates the administrator.
    ///
    /// # Errors
    /// [`ApiError`]: 401 without a good access token, 403 without the scope `admin` or, by now, the role.
    async fn actor(&self) -> Result<Actor, ApiError> {
        match self {
            Self::Operator(uid) => Ok(Actor::Operator(*uid)),
            Self::Bearer(bearer) => bearer.administrator().await,
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
        let service = Arc::clone(service(request)?);
        let credential = match &request.remote_addr().0 {
            Addr::Custom(OPERATOR, uid) => Credential::Operator(uid.parse().map_err(|_| failed())?),
            Addr::SocketAddr(_) | Addr::Unix(_) | Addr::Custom(..) => {
                Credential::Bearer(Bearer::from_request(request, body, options).await?)
            }
        };
        let actor = credential.actor().await?;
        Ok(Self { service, actor, credential })
    }
}
