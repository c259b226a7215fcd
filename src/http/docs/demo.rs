//! `/demo`: where a sign-in of `heirloom dev` ends. Served by a demo only.

use bytes::Bytes;
use poem::{Route, get};

use super::served::{FilledIn, Served, attribute};

/// The page and its files.
pub(super) const PATHS: [&str; 3] = ["/demo", "/demo/page.js", "/demo/page.css"];

/// The page and its files, for this demo.
pub(super) fn route(route: Route, filled_in: &FilledIn) -> Route {
    let [page, script, style] = PATHS;
    let text = include_str!("demo.html").replace("{client_id}", &attribute(&filled_in.client_id));
    let file =
        |content: &'static [u8], media_type| Served::file(Bytes::from_static(content), media_type, false);
    route
        .at(page, get(Served::page(text).endpoint()))
        .at(script, get(file(include_bytes!("demo.js"), "text/javascript; charset=utf-8").endpoint()))
        .at(style, get(file(include_bytes!("demo.css"), "text/css; charset=utf-8").endpoint()))
}
