//! The Prometheus text format (version 0.0.4).

use std::fmt::{Display, Write as _};

/// Begins a metric.
pub(in crate::app) fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A number of the metric that was begun last.
pub(in crate::app) fn sample(page: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = writeln!(page, "{name}{labels} {value}");
}
