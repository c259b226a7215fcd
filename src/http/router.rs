//! The outermost endpoint: gives every request what the endpoints need, and sends it to the documentation, to a page or to
//! the API.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::Either;
use poem::endpoint::{BoxEndpoint, DynEndpoint};
use poem::{Endpoint, EndpointExt as _, IntoEndpoint as _, Request, Response, Route};
use serde::de::Error as _;

use super::admin::Live;
use super::allowed_methods::AllowedMethods;
use super::docs::{self, SPECIFICATION};
use super::layers::{Cors, HostCheck, Hsts, IssuerPath, UniformAnswers};
use super::pages::{self, PageEndpoint, Pages, is_page};
use super::peer::TrustedProxies;
use super::settings::HttpSettings;
use crate::app::App;

/// All endpoints. It is one layer, instead of poem's `nest` and a middleware for each addition, because each layer's
/// data are copied for every request, and `nest` parses its URI again.
pub(super) struct Router {
    documentation: BoxEndpoint<'static>,
    api: BoxEndpoint<'static>,
    pages: PageEndpoint,
    app: Arc<App>,
    proxies: TrustedProxies,
}

impl Router {
    /// The endpoints of `app`.
    pub(super) fn new(app: Arc<App>, settings: &HttpSettings, pages: Arc<Pages>) -> Self {
        let HttpSettings { proxies, stopping, filled_in, .. } = settings;
        let documentation = docs::route(Route::new(), &app.settings.issuer, filled_in.as_ref());
        Self {
            documentation: documentation.at(SPECIFICATION, docs::spec_endpoint(&app.settings.issuer)).boxed(),
            api: docs::service(proxies.clone(), Live::new(stopping.clone())).into_endpoint(),
            pages: PageEndpoint::new(pages),
            app,
            proxies: proxies.clone(),
        }
    }
}

fn is_documentation(path: &str) -> bool {
    path == SPECIFICATION
        || path == "/"
        || ["/docs", "/demo"]
            .iter()
            .any(|page| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

impl Endpoint for Router {
    type Output = Response;

    // Not an async fn: its future would hold the request a second time.
    fn call(&self, mut request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        if let Some(peer) = self.proxies.undeclared(&request) {
            self.app.refusals.note_undeclared_proxy(peer);
        }
        let path = request.uri().path();
        let (is_documentation, is_page) = (is_documentation(path), is_page(path));
        let data = request.extensions_mut();
        data.insert(Arc::clone(&self.app));
        data.insert(self.proxies.clone());
        if is_page {
            return Either::Left(self.pages.call(request).boxed());
        }
        let endpoint = if is_documentation { &self.documentation } else { &self.api };
        Either::Right(DynEndpoint::call(&**endpoint, request))
    }
}

/// All of heirloom as one endpoint, below the issuer's path.
///
/// # Errors
/// If the generated specification is not JSON or a file of texts is broken, which would be a defect.
pub fn endpoint(
    app: Arc<App>,
    settings: HttpSettings,
) -> Result<impl Endpoint<Output = Response> + 'static, serde_json::Error> {
    let issuer = app.settings.issuer.clone();
    let (proxies, hsts, is_stripped) = (settings.proxies.clone(), settings.hsts, settings.path_stripped);
    let answers = IssuerPath::new(answers(app, settings)?, &issuer, is_stripped);
    Ok(Hsts::new(answers, proxies, &issuer, hsts))
}

/// All endpoints.
///
/// # Errors
/// If the generated specification is not JSON or a file of texts is broken, which would be a defect.
pub(super) fn answers(
    app: Arc<App>,
    settings: HttpSettings,
) -> Result<impl Endpoint<Output = Response> + 'static, serde_json::Error> {
    let clients = Arc::clone(&app.clients);
    let pages = Pages::new(&app.settings.pages, &app.settings.issuer).map_err(serde_json::Error::custom)?;
    let methods: Vec<_> =
        docs::methods(settings.filled_in.is_some())?.into_iter().chain(pages::methods()).collect();
    let methods = Arc::new(AllowedMethods(methods));
    let router = Router::new(app, &settings, Arc::new(pages));
    let answers = HostCheck::new(router, settings.hosts);
    let answers = UniformAnswers::new(answers, Arc::clone(&methods));
    Ok(Cors::new(answers, clients, methods, &settings.cors_headers))
}
