//! Formats errors.

/// The message of an error, followed by those of its sources.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
