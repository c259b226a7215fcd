//! One RSA signature for each request, with HTTP written by hand: the least that a refresh can cost.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::keys::Keys;

/// The first part of an answer.
const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\ncontent-length: ";
/// The rest of the body, behind the access token.
const REST: &str = "\",\"token_type\":\"Bearer\",\"expires_in\":600,\"refresh_token\":\"\
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}";

/// Serves a connection until it is closed.
pub(super) async fn serve(mut stream: TcpStream, keys: Arc<Keys>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut answer) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    loop {
        read.clear();
        while !is_whole(&read)? {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let body = format!("{{\"access_token\":\"{}{REST}", keys.token()?);
        answer.clear();
        write!(answer, "{HEAD}{}\r\n\r\n{body}", body.len())?;
        stream.write_all(&answer).await?;
    }
}

/// Whether a request is complete.
fn is_whole(bytes: &[u8]) -> anyhow::Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = request.parse(bytes)? else { return Ok(false) };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = std::str::from_utf8(length.context("no length")?.value)?.parse()?;
    Ok(bytes.len() >= len + length)
}
