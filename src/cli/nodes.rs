//! `heirloom nodes`: shows the processes that answer requests on a store.

use std::fmt::Write as _;
use std::io::Write;

use hyper::Method;
use serde_json::Value;

use super::administration::{Administration, text};
use super::installation::InstallationFlags;
use super::{Outcome, print_lines};

pub(super) fn run(installation: &InstallationFlags, out: &mut dyn Write) -> Outcome {
    let answer = Administration::of(installation)?.call(Method::GET, "/admin/nodes", None)?;
    print_lines(out, list(&answer, "nodes").map(line))
}

fn line(node: &Value) -> String {
    let is = |field| node.get(field).and_then(Value::as_bool) == Some(true);
    let words = |field| list(node, field).filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let state = match (text(node, "state"), is("answers")) {
        ("live", false) => "live, does not answer",
        (state, _) => state,
    };
    // Writing to a text can't fail.
    let mut line = format!("{}  {}  {state}", text(node, "name"), text(node, "version"));
    if let Some(ahead) = node.get("clock_ahead_milliseconds").and_then(Value::as_i64) {
        let _ = write!(line, "  clock {ahead:+} ms");
    }
    for (word, what) in [("does", words("leases")), ("differs in", words("differs"))] {
        if !what.is_empty() {
            let _ = write!(line, "  {word} {what}");
        }
    }
    if text(node, "state") == "silent" {
        let _ = write!(line, "  since {}", text(node, "seen_at"));
    }
    line
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}
