//! The limits on what one client may use of the server.

use std::time::Duration;

/// The limits on what one client may use of the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first byte of a request's head to its last, and from accepting a connection to its first head (TLS
    /// included).
    pub header_read_timeout: Duration,
    /// From the first byte of a request's head to the last of its body.
    pub body_read_timeout: Duration,
    /// How long a connection may be silent between two requests.
    pub idle_timeout: Duration,
    /// How long a client may read nothing of what is sent to it.
    pub write_timeout: Duration,
    /// Open connections. Further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Open connections of one source: an IPv4 address, or an IPv6 /56. Further ones are closed at once.
    pub max_connections_per_source: usize,
    /// Headers of a request, at most 128.
    pub max_headers: usize,
    /// Bytes of a request's head.
    pub max_header_bytes: usize,
    /// Bytes of a request's body.
    pub max_body_bytes: u64,
    /// Bytes that the bodies of all requests together may take, on all listeners with the same [`Places`](super::Places); one source has
    /// an eighth. Beyond it a request is answered 503.
    pub body_memory: u64,
    /// How long [`serve`](super::serve()) may take after the shutdown signal, whatever clients do.
    pub drain_deadline: Duration,
    /// Concurrent requests on one HTTP/2 connection.
    pub h2_max_streams: u32,
    /// HTTP/2 requests that a client may reset before they are looked at, after which the connection ends.
    pub h2_max_pending_resets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(5),
            body_read_timeout: Duration::from_secs(8),
            // Longer than proxies keep theirs (a minute), so that no request meets a connection that is just closing.
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(10),
            max_connections: 10_000,
            max_connections_per_source: 1000,
            max_headers: 100,
            max_header_bytes: 32 * 1024,
            max_body_bytes: 64 * 1024,
            body_memory: 64 << 20,
            drain_deadline: Duration::from_secs(8),
            h2_max_streams: 64,
            h2_max_pending_resets: 20,
        }
    }
}
