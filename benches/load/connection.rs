//! One keep-alive connection, with as little parsing as an answer needs.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection on which one request is under way at most.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads its answer, which must have a length.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            let read = self.stream.read_buf(&mut self.read).await?;
            anyhow::ensure!(read > 0, "the server closed the connection");
            if let Some((status, head, length)) = parse_head(&self.read)?
                && self.read.len() >= head + length
            {
                anyhow::ensure!(self.read.len() == head + length, "more than one answer");
                return Ok(Answer { status, body: self.read.get(head..).unwrap_or_default() });
            }
        }
    }
}

impl Answer<'_> {
    /// The string that is the body's member `name`: found, not parsed.
    pub(crate) fn string(&self, name: &str) -> anyhow::Result<&str> {
        let body = std::str::from_utf8(self.body)?;
        let mut pieces = body.split('"').skip_while(|piece| *piece != name).skip(1);
        let (colon, value) = (pieces.next(), pieces.next());
        anyhow::ensure!(colon.map(str::trim) == Some(":"), "no string {name} in the answer");
        value.with_context(|| format!("{name} does not end"))
    }

    /// Fails unless the status is `status`.
    pub(crate) fn expect(self, status: u16) -> anyhow::Result<Self> {
        let body = || String::from_utf8_lossy(self.body.get(..200).unwrap_or(self.body)).into_owned();
        anyhow::ensure!(self.status == status, "status {} for {status}: {}", self.status, body());
        Ok(self)
    }
}

/// The status, the length of the head and that of the body; none while the head is not whole.
fn parse_head(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    let status = response.code.context("no status")?;
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = std::str::from_utf8(length.context("an answer without a length")?.value)?.trim().parse()?;
    Ok(Some((status, head, length)))
}
