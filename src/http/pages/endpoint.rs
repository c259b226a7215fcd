//! The pages as one endpoint. What is refused is a page as well.

use std::sync::Arc;

use poem::endpoint::make_sync;
use poem::error::NotFoundError;
use poem::http::{HeaderMap, StatusCode, header};
use poem::{Endpoint, EndpointExt as _, Request, Response, Route, get};

use super::headers::{FormTarget, answer};
use super::render::error::{ErrorKind, ErrorPage, Way};
use super::{Pages, account, sign_in};

/// The pages' paths besides the files, each with its methods as `Allow` lists them.
const PATHS: [&[(&str, &str)]; 2] = [&sign_in::PATHS, &account::PATHS];

/// Whether a path is a page's or below one.
pub(in crate::http) fn is_page(path: &str) -> bool {
    let is_below =
        |page: &str| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_below("/assets") || PATHS.iter().copied().flatten().any(|(page, _)| is_below(page))
}

/// The paths of pages and files, with their methods.
pub(in crate::http) fn methods() -> impl Iterator<Item = (String, String)> {
    let listed = PATHS.iter().copied().flatten().chain(&[("/assets/{file}", "GET, HEAD")]);
    listed.map(|(path, methods)| ((*path).to_owned(), (*methods).to_owned()))
}

/// The pages.
pub(in crate::http) struct PageEndpoint {
    pages: Arc<Pages>,
    route: Route,
}

impl PageEndpoint {
    /// All pages.
    pub(in crate::http) fn new(pages: Arc<Pages>) -> Self {
        let files = Arc::clone(&pages);
        let file = make_sync(move |request| {
            files.assets.answer(&request).ok_or_else(|| poem::Error::from(NotFoundError))
        });
        let route = Route::new().at("/assets/:file", get(file.map_to_response()));
        let route = account::route(sign_in::route(route));
        Self { pages, route }
    }

    /// A page that says why there is no other one.
    fn refusal(&self, error: poem::Error, headers: &HeaderMap) -> Response {
        if error.is_from_response() {
            return error.into_response();
        }
        let status = error.status();
        let kind = match status {
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => ErrorKind::Method,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Busy,
            status if status.is_server_error() => {
                tracing::error!(error = %error, "a page failed");
                ErrorKind::Failed
            }
            _ => ErrorKind::Request,
        };
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let shell = self.pages.shell(self.pages.languages.choose(None, accepted));
        let page = ErrorPage { shell, kind, details: None, way_forward: Some(Way::Account) };
        answer(status, page.html(), FormTarget::Own)
    }
}

impl Endpoint for PageEndpoint {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        request.extensions_mut().insert(Arc::clone(&self.pages));
        let headers = request.headers().clone();
        let answered = self.route.call(request).await;
        Ok(answered.unwrap_or_else(|error| self.refusal(error, &headers)))
    }
}
