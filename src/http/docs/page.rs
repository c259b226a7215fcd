//! `/docs`: Swagger UI, from heirloom's own files, under a strict Content-Security-Policy.

use bytes::Bytes;
use poem::{Route, get};

use super::served::{FilledIn, Served, attribute};
use super::{demo, home};

/// A file of the page.
struct File {
    name: &'static str,
    media_type: &'static str,
    is_gzip: bool,
    content: &'static [u8],
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

const FILES: [File; 7] = [
    File {
        name: "swagger-ui-bundle.js",
        media_type: JAVASCRIPT,
        is_gzip: true,
        content: include_bytes!("../../../assets/swagger-ui/swagger-ui-bundle.js.gz"),
    },
    File {
        name: "swagger-ui.css",
        media_type: CSS,
        is_gzip: true,
        content: include_bytes!("../../../assets/swagger-ui/swagger-ui.css.gz"),
    },
    File {
        name: "favicon-32x32.png",
        media_type: "image/png",
        is_gzip: false,
        content: include_bytes!("../../../assets/swagger-ui/favicon-32x32.png"),
    },
    File { name: "page.js", media_type: JAVASCRIPT, is_gzip: false, content: include_bytes!("page.js") },
    File {
        name: "oauth2-redirect.js",
        media_type: JAVASCRIPT,
        is_gzip: false,
        content: include_bytes!("oauth2-redirect.js"),
    },
    File { name: "page.css", media_type: CSS, is_gzip: false, content: include_bytes!("page.css") },
    File { name: "home.css", media_type: CSS, is_gzip: false, content: include_bytes!("home.css") },
];

/// The pages and their files.
pub(in crate::http) fn route(route: Route, issuer: &str, filled_in: Option<&FilledIn>) -> Route {
    let home = home::endpoint(issuer, filled_in);
    let route = route.at("/", get(home)).at("/docs", get(Served::page(page(filled_in)).endpoint()));
    let back = Served::page(include_str!("oauth2-redirect.html").to_owned());
    let route = route.at(OAUTH2_REDIRECT, get(back.endpoint()));
    let route = match filled_in {
        Some(filled_in) => demo::route(route, filled_in),
        None => route,
    };
    FILES.iter().fold(route, |route, file| {
        let content = Bytes::from_static(file.content);
        let (media_type, is_gzip) = (file.media_type, file.is_gzip);
        let served = Served::file(content, media_type, is_gzip);
        route.at(format!("/docs/{}", file.name), get(served.endpoint()))
    })
}

/// The page to which a sign-in from the documentation returns.
const OAUTH2_REDIRECT: &str = "/docs/oauth2-redirect";

/// The pages' paths, and their methods as `Allow` lists them; with the demo's page if `is_demo`.
pub(in crate::http) fn methods(is_demo: bool) -> impl Iterator<Item = (String, String)> {
    let files = FILES.iter().map(|file| format!("/docs/{}", file.name));
    let demo = demo::PATHS.into_iter().filter(move |_| is_demo);
    let pages = ["/", "/docs", OAUTH2_REDIRECT].into_iter().chain(demo).map(str::to_owned);
    pages.chain(files).map(|path| (path, "GET, HEAD".to_owned()))
}

fn page(filled_in: Option<&FilledIn>) -> String {
    let FilledIn { client_id, username } = filled_in.cloned().unwrap_or_default();
    include_str!("page.html")
        .replace("{client_id}", &attribute(&client_id))
        .replace("{username}", &attribute(&username))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_stays_in_its_attribute() {
        let filled_in = FilledIn { client_id: r#""><script>"#.to_owned(), username: "a&b".to_owned() };
        let page = page(Some(&filled_in));
        assert!(page.contains(r#"data-client-id="&quot;>&lt;script>" data-username="a&amp;b""#), "{page}");
        assert!(super::page(None).contains(r#"data-client-id="" data-username="""#));
    }
}
