# What there is to do: `just --list`. Each recipe is one plain command, for whoever has no `just`.

# Start a demo server on this machine
run *arguments:
    cargo run --release -- dev {{arguments}}

# Run the test suite
test *arguments:
    cargo test {{arguments}}

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

# Measure
bench *arguments:
    cargo bench {{arguments}}

# Format the code
fmt:
    cargo fmt
