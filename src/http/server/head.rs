//! Parses the head of an HTTP/1 request strictly.
//!
//! hyper accepts a request with both `Transfer-Encoding` and `Content-Length` and drops the latter, and drops the
//! second of two equal lengths. A service behind it can't see then that a proxy in front may have read another request
//! (request smuggling). So the head is checked here first, with the parser that hyper uses too, and anything ambiguous
//! is refused.

use std::mem::MaybeUninit;

use super::limits::Limits;
use super::refusal::RequestRefusal;

/// A checked head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length, the empty line included.
    pub(super) bytes: usize,
    pub(super) framing: Framing,
}

/// How the end of the body is found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After that many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// The method of the request that replaces a refused one; its path is the refusal's code. No client can send it,
/// because a head with it is refused.
pub(super) const REFUSED_METHOD: &str = "REFUSED";

/// The head that replaces a refused one.
pub(super) fn refused(refusal: RequestRefusal) -> String {
    format!("{REFUSED_METHOD} /{} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n", refusal.code())
}

/// More headers than [`Limits::max_headers`] can allow.
const MOST_HEADERS: usize = 128;

/// How far the bytes of a head have been scanned, so that no byte is scanned twice, however slowly they arrive.
#[derive(Debug, Default)]
pub(super) struct Progress {
    scanned: usize,
    line_start: usize,
    lines: usize,
}

impl Progress {
    /// Searches for a complete head at the start of `bytes`, which are those of the last call and more.
    pub(super) fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Head>, RequestRefusal> {
        if self.scanned == 0 && bytes.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
            return Err(RequestRefusal::Malformed);
        }
        while let Some(at) =
            bytes.get(self.scanned..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
        {
            let line_end = self.scanned.saturating_add(at);
            let line = bytes.get(self.line_start..line_end).unwrap_or_default();
            self.scanned = line_end.saturating_add(1);
            if self.scanned > limits.max_header_bytes {
                return Err(RequestRefusal::HeadersTooLarge);
            }
            // RFC 9112 §2.2 permits a bare LF as the end of a line. A proxy in front may not accept it.
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(RequestRefusal::Malformed);
            };
            if line.is_empty() {
                let head = bytes.get(..self.scanned).unwrap_or_default();
                return check(head).map(|framing| Some(Head { bytes: self.scanned, framing }));
            }
            self.line_start = self.scanned;
            self.lines = self.lines.saturating_add(1);
            // The first line is the request line.
            if self.lines.saturating_sub(1) > limits.max_headers {
                return Err(RequestRefusal::HeadersTooLarge);
            }
        }
        self.scanned = bytes.len();
        if bytes.len() > limits.max_header_bytes { Err(RequestRefusal::HeadersTooLarge) } else { Ok(None) }
    }
}

/// Checks a complete head, and determines how its body is framed.
fn check(head: &[u8]) -> Result<Framing, RequestRefusal> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match httparse::ParserConfig::default().parse_request_with_uninit_headers(
        &mut request,
        head,
        &mut headers,
    ) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(RequestRefusal::HeadersTooLarge),
        Ok(_) | Err(_) => return Err(RequestRefusal::Malformed),
    }
    check_request_line(&request)?;

    let http_11 = request.version == Some(1);
    let (mut length, mut chunked, mut hosts) = (None, false, 0_usize);
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            if length.replace(parse_length(header.value)?).is_some() {
                return Err(RequestRefusal::AmbiguousLength);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !http_11 || !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(RequestRefusal::TransferCoding);
            }
            chunked = true;
        } else if header.name.eq_ignore_ascii_case("host") {
            hosts = hosts.saturating_add(1);
            if !header.value.iter().all(|byte| is_host_byte(*byte)) {
                return Err(RequestRefusal::Host);
            }
        }
    }
    // RFC 9112 §3.2: exactly one with HTTP/1.1.
    if hosts > 1 || (http_11 && hosts == 0) {
        return Err(RequestRefusal::Host);
    }
    match (chunked, length) {
        (true, Some(_)) => Err(RequestRefusal::AmbiguousLength),
        (true, None) => Ok(Framing::Chunked),
        (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// Refuses what hyper would answer itself, and the method reserved for [`refused`].
fn check_request_line(request: &httparse::Request<'_, '_>) -> Result<(), RequestRefusal> {
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    // heirloom is not a proxy: CONNECT has nothing to connect to.
    if method == REFUSED_METHOD || method == "CONNECT" || hyper::Uri::try_from(target).is_err() {
        return Err(RequestRefusal::Malformed);
    }
    Ok(())
}

/// RFC 9110 §8.6: digits only. A list of equal lengths, which a recipient may accept, is refused too.
fn parse_length(value: &[u8]) -> Result<u64, RequestRefusal> {
    let digits = std::str::from_utf8(value).map_err(|_| RequestRefusal::Malformed)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(if digits.contains(',') {
            RequestRefusal::AmbiguousLength
        } else {
            RequestRefusal::Malformed
        });
    }
    // hyper answers the largest numbers itself; no real body is half as long.
    digits.parse().ok().filter(|length| *length < u64::MAX / 2).ok_or(RequestRefusal::BodyTooLarge)
}

/// RFC 3986 §3.2.2, and the port's colon.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &str) -> Result<Option<Head>, RequestRefusal> {
        Progress::default().scan(head.as_bytes(), &Limits::default())
    }

    fn post(headers: &str) -> Result<Option<Head>, RequestRefusal> {
        scan(&format!("POST /oauth/token HTTP/1.1\r\nHost: a.example:80\r\n{headers}\r\n"))
    }

    fn framing(headers: &str) -> Result<Framing, RequestRefusal> {
        post(headers).map(|head| head.unwrap().framing)
    }

    #[test]
    fn a_plain_head_tells_its_framing() {
        assert_eq!(framing("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(framing(""), Ok(Framing::Length(0)));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
    }

    /// Request smuggling (RFC 9112 §6.3 and §11.2).
    #[test]
    fn a_length_given_twice_is_refused() {
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\ncontent-length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
        ] {
            assert_eq!(post(headers), Err(RequestRefusal::AmbiguousLength), "{headers}");
        }
    }

    /// Request smuggling by lengths and codings that two parsers read differently (RFC 9112 §6.1 and
    /// §6.2).
    #[test]
    fn an_odd_length_or_coding_is_refused() {
        for headers in [
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: \r\n",
            "Content-Length : 5\r\n",
        ] {
            assert_eq!(post(headers), Err(RequestRefusal::Malformed), "{headers}");
        }
        assert_eq!(post("Content-Length: 99999999999999999999\r\n"), Err(RequestRefusal::BodyTooLarge));
        for headers in [
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ] {
            assert_eq!(post(headers), Err(RequestRefusal::TransferCoding), "{headers}");
        }
        assert_eq!(
            scan("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Err(RequestRefusal::TransferCoding)
        );
    }

    /// RFC 9112 §3.2.
    #[test]
    fn a_head_without_exactly_one_host_is_refused() {
        assert_eq!(scan("GET / HTTP/1.1\r\n\r\n"), Err(RequestRefusal::Host));
        assert_eq!(post("Host: b.example\r\n"), Err(RequestRefusal::Host));
        assert_eq!(scan("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), Err(RequestRefusal::Host));
        assert!(scan("GET / HTTP/1.0\r\n\r\n").unwrap().is_some());
    }

    /// RFC 6585 §5.
    #[test]
    fn too_many_headers_or_bytes_are_refused_before_the_end() {
        assert!(post(&"a: b\r\n".repeat(99)).unwrap().is_some());
        assert_eq!(
            scan(&format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(101))),
            Err(RequestRefusal::HeadersTooLarge)
        );
        assert_eq!(
            scan(&format!("GET / HTTP/1.1\r\na: {}", "b".repeat(40_000))),
            Err(RequestRefusal::HeadersTooLarge)
        );
    }

    #[test]
    fn what_hyper_would_refuse_is_refused_first() {
        for head in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
            "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            "REFUSED /0 HTTP/1.1\r\nHost: a\r\n\r\n",
            "\x16\x03\x01 not http",
        ] {
            assert_eq!(scan(head), Err(RequestRefusal::Malformed), "{head:?}");
        }
    }

    #[test]
    fn a_head_that_drips_is_the_same_head() {
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let mut progress = Progress::default();
        let mut found = None;
        for end in 1..=head.len() {
            found = progress.scan(&head[..end], &Limits::default()).unwrap();
            if found.is_some() {
                break;
            }
        }
        assert_eq!(found, Some(Head { bytes: head.len() - 3, framing: Framing::Length(3) }));
    }
}
