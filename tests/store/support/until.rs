//! Waits for what comes about by itself.

use std::time::{Duration, Instant};

/// The longest that anything may take: the machine may be busy with something else.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `so` is true.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    comes_about(what, async || so()).await;
}

/// Waits until the answer is yes.
pub async fn comes_about(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "it never came about that {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
