//! The files of the pages: style, icon, logos. Each has the digest of its content in its name, so that browsers may keep
//! it for ever.

use std::collections::BTreeMap;

use bytes::Bytes;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response};

use crate::app::Image;
use crate::http::oauth::jwks::is_cached;

/// A file.
pub(in crate::http) struct Asset {
    media_type: &'static str,
    extension: &'static str,
    content: Bytes,
}

impl Asset {
    /// A text.
    pub(in crate::http) fn text(media_type: &'static str, text: String) -> Self {
        Self { media_type, extension: extension(media_type), content: text.into() }
    }

    /// An image.
    pub(in crate::http) fn image(image: &Image) -> Self {
        let content = Bytes::copy_from_slice(&image.content);
        Self { media_type: image.media_type, extension: extension(image.media_type), content }
    }
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        _ => "css",
    }
}

/// All files, by their paths.
#[derive(Default)]
pub(in crate::http) struct Assets(BTreeMap<String, Asset>);

/// An image may be SVG, which is a document: one that may load and run nothing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
);

impl Assets {
    /// Adds a file and returns its path below the pages' base.
    pub(in crate::http) fn add(&mut self, name: &str, asset: Asset) -> String {
        let path = format!("assets/{name}.{}.{}", digest(&asset.content), asset.extension);
        self.0.insert(path.clone(), asset);
        path
    }

    /// The answer to a request for a file; `None` if there is no such file.
    pub(in crate::http) fn answer(&self, request: &Request) -> Option<Response> {
        let wanted = request.uri().path().strip_prefix('/')?;
        let (path, asset) = self.0.get_key_value(wanted)?;
        // The name says which content it is.
        let etag = format!("\"{path}\"");
        let answer = Response::builder()
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header("Cross-Origin-Resource-Policy", "same-origin")
            .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
            .header(header::ETAG, &etag);
        if is_cached(request, &etag) {
            return Some(answer.status(StatusCode::NOT_MODIFIED).finish());
        }
        Some(answer.content_type(asset.media_type).body(asset.content.clone()))
    }
}

fn digest(content: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content);
    let digest = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}"));
    digest.collect::<String>()
}
