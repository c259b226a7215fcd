//! The network between a node and its database, which does what a test says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use heirloom::store::postgres::PostgresSettings;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::Host;

/// What the network does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// It passes everything on, this much later.
    Clear(Duration),
    /// It keeps everything to itself, and nobody is told. Later, it passes on what it kept.
    BlackHole,
    /// It resets every connection, and refuses new ones.
    Resets,
}

pub(crate) const CLEAR: Weather = Weather::Clear(Duration::ZERO);

/// A network.
pub(crate) struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(database: &PostgresSettings) -> Self {
        let Host::Unix(folder) = &database.server.get_hosts()[0] else { panic!("no socket") };
        let socket = folder.join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (weather, seen) = watch::channel(CLEAR);
        Self { port, weather, task: tokio::spawn(listen(listener, socket, seen)) }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgresql://heirloom@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    pub(crate) fn becomes(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, socket: PathBuf, weather: watch::Receiver<Weather>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        connections.spawn(connect(client, socket.clone(), weather.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(client: TcpStream, socket: PathBuf, mut weather: watch::Receiver<Weather>) {
    let client = Arc::new(client);
    let carried = async {
        passes(&mut weather.clone()).await;
        // Dropping the client's connection refuses it, if the server has gone.
        let Ok(server) = UnixStream::connect(socket).await else { return };
        let (from_server, to_server) = server.into_split();
        let (from_client, to_client) = (Half(Arc::clone(&client)), Half(Arc::clone(&client)));
        // If one side closes, so does the other.
        tokio::select! {
            () = carry(from_client, to_server, weather.clone()) => {}
            () = carry(from_server, to_client, weather.clone()) => {}
        }
    };
    let resets = async {
        drop(weather.clone().wait_for(|weather| *weather == Weather::Resets).await);
        // Closing it then sends a reset.
        rustix::net::sockopt::set_socket_linger(&*client, Some(Duration::ZERO)).unwrap();
    };
    tokio::select! {
        () = carried => {}
        () = resets => {}
    }
    weather.mark_unchanged();
}

/// Carries bytes in one direction.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        passes(&mut weather).await;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    // In a black hole, the end of a connection is lost too.
    passes(&mut weather).await;
}

/// Waits until what was sent now is passed on.
async fn passes(weather: &mut watch::Receiver<Weather>) {
    let now = *weather.wait_for(|weather| matches!(weather, Weather::Clear(_))).await.unwrap();
    if let Weather::Clear(delay) = now {
        tokio::time::sleep(delay).await;
    }
}

/// A connection that is read or written by one half, while the other half has it too.
struct Half(Arc<TcpStream>);

impl AsyncRead for Half {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        loop {
            std::task::ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(into.initialize_unfilled()) {
                Ok(read) => {
                    into.advance(read);
                    return std::task::Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return std::task::Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Half {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        loop {
            std::task::ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                written => return std::task::Poll::Ready(written),
            }
        }
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
