//! `heirloom openapi`: prints the OpenAPI specification.

use std::io::Write;

use super::{Failure, Outcome, print};

pub(super) fn run(out: &mut dyn Write) -> Outcome {
    let specification = crate::http::docs::specification();
    let specification =
        specification.map_err(|error| Failure::Failed(format!("the specification: {error}")))?;
    print(out, &specification)
}
