//! Ports for processes that a test starts, and starts again.

use std::net::TcpListener;
use std::sync::Mutex;

/// What keeps a port for this process: the same one at another address of this machine. It is released at the latest when
/// the process ends.
static KEPT: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());

/// A port that is free, and stays so over restarts: it is outside the range from which the operating system assigns ports,
/// and no other test program that runs now takes it.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    for number in 0..COUNT {
        let port = FIRST + (begin + number) % COUNT;
        let Ok(kept) = TcpListener::bind(("127.111.0.1", port)) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            KEPT.lock().unwrap().push(kept);
            return port;
        }
    }
    panic!("no port is free");
}
