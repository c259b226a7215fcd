//! Gives an endpoint the services that it names as parameters.

use std::ops::Deref;
use std::sync::Arc;

use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody};

use crate::app::{
    AccessTokens, Accounts, Administration, App, AuthorizationRequests, BackchannelLogout, Clients, Consents,
    Grants, Logins, Monitoring, Nodes, RefusalLog, Sessions, Settings, TokenKeys, Tokens,
};

/// A service, borrowed for the duration of a request.
pub(super) struct Service<'a, T>(&'a Arc<T>);

impl<T> Deref for Service<'_, T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        self.0
    }
}

/// A service that endpoints may have as a parameter.
pub(super) trait Shared: Sized + Send + Sync + 'static {
    /// Its field in [`App`].
    fn of(app: &App) -> &Arc<Self>;
}

/// All services.
pub(super) fn app(request: &Request) -> poem::Result<&Arc<App>> {
    let app = request.data::<Arc<App>>();
    app.ok_or_else(|| poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// The service `T`, for an extractor that needs it.
pub(super) fn service<T: Shared>(request: &Request) -> poem::Result<&Arc<T>> {
    Ok(T::of(app(request)?))
}

impl<'a, T: Shared> FromRequest<'a> for Service<'a, T> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        service(request).map(Self)
    }
}

macro_rules! shared {
    ($($field:ident: $service:ty,)+) => {
        $(impl Shared for $service {
            fn of(app: &App) -> &Arc<Self> {
                &app.$field
            }
        })+
    };
}

shared! {
    settings: Settings,
    keys: TokenKeys,
    clients: Clients,
    grants: Grants,
    tokens: Tokens,
    access_tokens: AccessTokens,
    authorization_requests: AuthorizationRequests,
    accounts: Accounts,
    sessions: Sessions,
    logins: Logins,
    consents: Consents,
    administration: Administration,
    backchannel_logout: BackchannelLogout,
    monitoring: Monitoring,
    nodes: Nodes,
    refusals: RefusalLog,
}
