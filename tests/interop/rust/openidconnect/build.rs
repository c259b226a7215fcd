//! Tells the program the version of the crate that Cargo.toml pins.

fn main() {
    let manifest = std::fs::read_to_string("Cargo.toml").expect("the manifest");
    let line = manifest.lines().find(|line| line.starts_with("openidconnect = ")).expect("the dependency");
    let version = line.split("\"=").nth(1).and_then(|rest| rest.split('"').next()).expect("a pinned version");
    println!("cargo::rustc-env=OPENIDCONNECT_VERSION={version}");
}
