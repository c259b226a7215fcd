//! One keep-alive connection. It parses only what the benchmark needs of an answer.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection with at most one request under way.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    /// The body of a chunked answer, put together.
    whole: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The value of `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// The value of `Location`.
    pub(crate) location: Option<String>,
    /// The cookies that are set, each with its name and value.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: &'a [u8],
}

/// The head of an answer.
struct Head {
    status: u16,
    retry_after: Option<Duration>,
    location: Option<String>,
    cookies: Vec<String>,
    /// The length of the head.
    len: usize,
    /// The length of the body; none if the body is chunked.
    body: Option<usize>,
}

impl Connection {
    /// Opens a connection.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(16 * 1024), whole: Vec::new() })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            let read = self.stream.read_buf(&mut self.read).await?;
            anyhow::ensure!(read > 0, "the server closed the connection");
            let Some(head) = Head::parse(&self.read)? else { continue };
            let Head { status, retry_after, location, cookies, len, body } = head;
            let rest = self.read.get(len..).unwrap_or_default();
            let complete = match body {
                Some(body) => (rest.len() >= body).then_some(body),
                None => put_together(rest, &mut self.whole)?,
            };
            if let Some(body_len) = complete {
                anyhow::ensure!(rest.len() == body_len, "more than one answer");
                let answer = if body.is_some() { self.read.get(len..) } else { Some(&*self.whole) };
                let body = answer.unwrap_or_default();
                return Ok(Answer { status, retry_after, location, cookies, body });
            }
        }
    }
}

impl Answer<'_> {
    /// The string in the JSON member `name` of the body; it is searched for, not parsed.
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

impl Head {
    /// The head of an answer; none while the head is incomplete.
    fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(len) = response.parse(bytes)? else { return Ok(None) };
        let status = response.code.context("no status")?;
        let mut head =
            Self { status, retry_after: None, location: None, cookies: Vec::new(), len, body: None };
        let mut chunked = false;
        for header in &*response.headers {
            let number = || anyhow::Ok(std::str::from_utf8(header.value)?.trim().parse::<u64>()?);
            if header.name.eq_ignore_ascii_case("content-length") {
                head.body = Some(usize::try_from(number()?)?);
            } else if header.name.eq_ignore_ascii_case("retry-after") {
                head.retry_after = number().ok().map(Duration::from_secs);
            } else if header.name.eq_ignore_ascii_case("location") {
                head.location = Some(String::from_utf8_lossy(header.value).into_owned());
            } else if header.name.eq_ignore_ascii_case("set-cookie") {
                let cookie = String::from_utf8_lossy(header.value);
                head.cookies.extend(cookie.split(';').next().map(str::to_owned));
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = header.value.eq_ignore_ascii_case(b"chunked");
            }
        }
        anyhow::ensure!(chunked || head.body.is_some(), "an answer without a length");
        Ok(Some(head))
    }
}

/// Puts the chunks of a body together in `whole`, and returns how long the chunked body was; none while its end is
/// missing.
fn put_together(bytes: &[u8], whole: &mut Vec<u8>) -> anyhow::Result<Option<usize>> {
    whole.clear();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let parsed = httparse::parse_chunk_size(rest).map_err(|_| anyhow::anyhow!("not a chunk"))?;
        let httparse::Status::Complete((head, size)) = parsed else { return Ok(None) };
        let size = usize::try_from(size)?;
        let Some(chunk) = rest.get(head..head + size + 2) else { return Ok(None) };
        whole.extend_from_slice(chunk.get(..size).unwrap_or_default());
        at += head + size + 2;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}
