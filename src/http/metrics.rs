//! `GET /metrics`, on a listener of its own: what is counted, for those who operate the server and for nobody else.

use std::sync::Arc;

use poem::endpoint::make_sync;
use poem::{Endpoint, EndpointExt as _, Response, Route, get};

use super::error::EveryAnswer;
use crate::app::App;

/// The numbers in the Prometheus text format; everything else is 404.
pub fn endpoint(app: Arc<App>) -> impl Endpoint<Output = Response> + 'static {
    let page = make_sync(move |_| {
        Response::builder().content_type("text/plain; version=0.0.4; charset=utf-8").body(app.metrics())
    });
    let methods = Arc::new(super::error::Methods(vec![("/metrics".to_owned(), "GET".to_owned())]));
    EveryAnswer::new(Route::new().at("/metrics", get(page)).map_to_response(), methods)
}
