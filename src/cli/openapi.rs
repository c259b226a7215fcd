//! `heirloom openapi`: the specification.

use std::io::Write;

use super::{Outcome, print};

pub(super) fn run(out: &mut dyn Write) -> Outcome {
    let specification = crate::http::docs::specification();
    print(out, &format!("{}\n", specification.trim_end()))
}
