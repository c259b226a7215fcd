//! The listener, tested by clients that send any bytes: what it serves, what it refuses, and how it shuts down.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests may panic"
)]

mod child_server;
mod drain;
mod floods;
mod http2;
mod operators;
mod raw;
mod requests;

#[tokio::test]
#[ignore = "the server of other tests, in a process of its own"]
async fn child() {
    child_server::ChildServer::run().await;
}
