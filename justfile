# What there is to do: `just --list`. Each recipe is one plain command, for whoever has no `just`.

# Start a demo server on this machine
run *arguments:
    cargo run --release -- dev {{arguments}}

# Run the test suite
test *arguments:
    cargo test {{arguments}}

# Change what decides, one expression at a time, and report what no test notices: docs/testing.md
mutants *arguments:
    cargo mutants --output target --file 'src/session/**' --file 'src/oauth/**' --file 'src/user/**' --file 'src/client/**' {{arguments}} -- --lib

# Everything that a change must pass
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
    cargo test
    cargo deny check licenses bans sources

# Run the libraries of five languages against it
interop *arguments:
    cargo build --bins --examples
    tests/interop/run.py {{arguments}}

# Write the specification that a test compares with the code
openapi:
    # The build reads it: it must be whole at any time.
    cargo run -- openapi > target/heirloom.json
    mv target/heirloom.json openapi/heirloom.json

# Build for release with file and line in backtraces: put heirloom and heirloom.debug of target/symbols into one folder
symbols:
    cargo build --profile symbols
    objcopy --only-keep-debug target/symbols/heirloom target/symbols/heirloom.debug
    objcopy --strip-debug --add-gnu-debuglink=target/symbols/heirloom.debug target/symbols/heirloom

# Measure
bench *arguments:
    cargo bench {{arguments}}

# Format the code
fmt:
    cargo fmt
