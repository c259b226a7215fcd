//! A server that signs and nothing else: no OAuth, no store, no framework, HTTP by hand. What a signature costs that
//! comes over a connection; whatever heirloom takes beyond that is its own. Its allocator is the system's, of which it asks
//! for two strings a request.

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::limits::Keys;

/// How an answer begins.
const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\ncontent-length: ";
/// About as much of an answer as is no signature: the rest of the access token, the refresh token.
const REST: usize = 640;

/// Signs by `library`: listens, says on which port, and serves until its standard input ends, since it must not outlive
/// who started it.
pub(crate) fn run(library: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let keys = Arc::new(Keys::of(library)?);
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&keys)));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

async fn serve(mut stream: TcpStream, keys: Arc<Keys>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut answer) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    let rest = "x".repeat(REST);
    loop {
        read.clear();
        while !is_whole(&read)? {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let mut signature = [0; 256];
        keys.sign(&mut signature)?;
        let body = format!("{{\"access_token\":\"{rest}{}\"}}", URL_SAFE_NO_PAD.encode(signature));
        answer.clear();
        write!(answer, "{HEAD}{}\r\n\r\n{body}", body.len())?;
        stream.write_all(&answer).await?;
    }
}

/// Whether a request has come to its end.
fn is_whole(bytes: &[u8]) -> anyhow::Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = request.parse(bytes)? else { return Ok(false) };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = std::str::from_utf8(length.context("no length")?.value)?.parse()?;
    Ok(bytes.len() >= len + length)
}
