//! Waits for a thread of the store.

use std::time::Duration;

/// Waits until `so` is true, at most ten seconds.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came about that {what}");
}
