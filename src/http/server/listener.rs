//! The listening sockets.

use std::io;

use poem::Addr;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// The name of the `Addr::Custom` of a peer on the operators' socket; its text is the peer's user id. A client can't
/// cause such an address by anything that it sends.
pub const OPERATOR: &str = "operator";

/// A listening socket.
pub(super) enum Listener {
    /// A TCP socket, for everybody.
    Tcp(TcpListener),
    /// The operators' socket, for processes of the user `uid` or root.
    Operators { listener: UnixListener, uid: u32 },
}

/// A connection that was accepted.
pub(super) enum Incoming {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Accepts the next connection, and returns it with its peer.
    ///
    /// # Errors
    /// The operating system's error; `PermissionDenied` for a peer that is not permitted.
    pub(super) async fn accept(&self) -> io::Result<(Incoming, Addr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Incoming::Tcp(stream), Addr::SocketAddr(peer)))
            }
            Self::Operators { listener, uid } => {
                let (stream, _) = listener.accept().await?;
                // SO_PEERCRED: the peer's user id, from the kernel.
                let peer = stream.peer_cred()?.uid();
                if !may_operate(peer, *uid) {
                    tracing::warn!(
                        peer.uid = peer,
                        "somebody else's process is not let in on the operators' socket"
                    );
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                Ok((Incoming::Unix(stream), Addr::Custom(OPERATOR, peer.to_string().into())))
            }
        }
    }
}

/// Root may read the folders anyway.
const fn may_operate(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_user_and_root_may_operate() {
        assert!(may_operate(1000, 1000) && may_operate(0, 1000) && may_operate(0, 0));
        assert!(!may_operate(1001, 1000) && !may_operate(1000, 0));
    }
}
