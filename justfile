# `just --list` shows the recipes. Without `just`, copy the command of a recipe.

# Start a demo server on this machine
run *arguments:
    cargo run --release -- dev {{arguments}}

# Run the test suite
test *arguments:
    cargo test {{arguments}}

# Change the code that decides, one expression at a time, and report changes that no test notices: docs/testing.md
mutants *arguments:
    tests/mutants/run {{arguments}}

# Everything that a change must pass
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
    cargo test
    cargo deny check licenses bans sources

# Run client libraries of five languages against heirloom
interop *arguments:
    cargo build --bins --examples
    tests/interop/run.py {{arguments}}

# Write openapi/heirloom.json again, after a change of the API
openapi:
    # Written to another file first: the build reads this one, so it must always be complete.
    cargo run -- openapi > target/heirloom.json
    mv target/heirloom.json openapi/heirloom.json

# Build a release whose backtraces show file and line: put heirloom and heirloom.debug of target/symbols into one folder
symbols:
    cargo build --profile symbols
    objcopy --only-keep-debug target/symbols/heirloom target/symbols/heirloom.debug
    objcopy --strip-debug --add-gnu-debuglink=target/symbols/heirloom.debug target/symbols/heirloom

# Run the load benchmark
bench *arguments:
    cargo bench {{arguments}}

# Format the code
fmt:
    cargo fmt
