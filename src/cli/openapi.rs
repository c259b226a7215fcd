//! `heirloom openapi`: the specification.

use std::io::Write;

use super::{Outcome, print, seams};

pub(super) fn run(out: &mut dyn Write) -> Outcome {
    let specification = seams::openapi()?;
    print(out, &format!("{}\n", specification.trim_end()))
}
