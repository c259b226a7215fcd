//! The methods that each path accepts.

use poem::http::HeaderValue;

/// The paths, each with its `Allow` header.
pub(super) struct AllowedMethods(pub(super) Vec<(String, String)>);

impl AllowedMethods {
    /// The `Allow` header of a path; `None` for an unknown path.
    #[must_use]
    pub(super) fn allowed(&self, path: &str) -> Option<HeaderValue> {
        let (_, methods) = self.0.iter().find(|(template, _)| fits(template, path))?;
        HeaderValue::from_str(methods).ok()
    }
}

/// Whether a path matches a template such as `/account/sessions/{id}`.
fn fits(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let all = template.split('/').all(|expected| {
        segments.next().is_some_and(|segment| expected == segment || expected.starts_with('{'))
    });
    all && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_its_paths_only() {
        assert!(fits("/a/{id}", "/a/7") && fits("/oauth/token", "/oauth/token"));
        assert!(!fits("/a/{id}", "/a") && !fits("/a/{id}", "/a/7/b") && !fits("/a", "/b"));
    }
}
