//! `examples/tour.sh`, as the README says.

use std::path::Path;
use std::process::Command;

use crate::support::{Dev, Process};

#[test]
fn the_tour_goes_through() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tour.sh");
    let mut command = Command::new("sh");
    let administrator = dev.said["admin"]["password"].as_str().unwrap();
    command.arg(script).args([&dev.caller.base, "demo-public", administrator]);
    let tour = Process::start(command, &folder.path().join("tour-log"));
    let said = tour.rest();
    let complaints = tour.log();
    assert_eq!(tour.end(), Some(0), "{said}\n{complaints}");
    assert!(said.contains(r#"{"active":false}"#), "{said}");
    assert!(said.ends_with("# That was the tour."), "{said}");
}
