//! `GET /metrics`, on a separate listener, for the operators only.

use std::sync::Arc;

use poem::endpoint::make_sync;
use poem::{Endpoint, EndpointExt as _, Response, Route, get};

use crate::app::Monitoring;
use crate::http::layers::UniformAnswers;
use crate::http::server::Places;

/// The metrics in the Prometheus text format, including those of the listeners that share `places`; every other path is
/// 404.
pub fn endpoint(
    monitoring: &Arc<Monitoring>,
    places: &Arc<Places>,
) -> impl Endpoint<Output = Response> + use<> + 'static {
    let (monitoring, places) = (Arc::clone(monitoring), Arc::clone(places));
    let page = make_sync(move |_| {
        Response::builder()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(monitoring.metrics() + &refused(&places))
    });
    let methods = Arc::new(crate::http::allowed_methods::AllowedMethods(vec![(
        "/metrics".to_owned(),
        "GET".to_owned(),
    )]));
    UniformAnswers::new(Route::new().at("/metrics", get(page)).map_to_response(), methods)
}

fn refused(places: &Places) -> String {
    let connections = places.refused_connections();
    let bodies = places.refused_bodies();
    format!(
        "# HELP heirloom_connections_refused_by_source_total Connections closed since one address had too many.\n\
         # TYPE heirloom_connections_refused_by_source_total counter\n\
         heirloom_connections_refused_by_source_total {connections}\n\
         # HELP heirloom_bodies_refused_total Requests refused since there was no room for their bodies.\n\
         # TYPE heirloom_bodies_refused_total counter\n\
         heirloom_bodies_refused_total {bodies}\n"
    )
}
