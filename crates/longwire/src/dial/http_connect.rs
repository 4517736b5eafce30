//! A tunnel through an HTTP proxy: the CONNECT method, RFC 9110 section 9.3.6.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::authority;
use super::error::ProxyFailure;
use super::proxy::Credentials;

/// The most bytes of a response head, interim responses counted.
const MAX_HEAD_SIZE: usize = 16 * 1024;
/// The most header fields of a response.
const MAX_HEADERS: usize = 100;

/// Asks the proxy on `io` for a tunnel. After `Ok` the stream is the target's.
pub(super) async fn tunnel<T>(
    io: &mut T,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<(), ProxyFailure>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(host, port, credentials)?;
    io.write_all(&request).await.map_err(ProxyFailure::Io)?;
    io.flush().await.map_err(ProxyFailure::Io)?;
    let mut response = Response::new(credentials.is_some());
    let mut buffer = [0; 2048];
    loop {
        let read = io.read(&mut buffer).await.map_err(ProxyFailure::Io)?;
        if read == 0 {
            return Err(ProxyFailure::Closed);
        }
        if response.handle_input(&buffer[..read])? {
            return Ok(());
        }
    }
}

/// The request's bytes.
fn request(
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<Vec<u8>, ProxyFailure> {
    let target = authority(host, port);
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(Credentials { user, password }) = credentials {
        if user.contains(&b':') {
            // RFC 7617 section 2: the first colon ends the user name.
            return Err(ProxyFailure::UnusableCredentials(
                "a user name with a colon has no form in Basic authentication",
            ));
        }
        let pair = [user, password].map(Vec::as_slice).join(&b':');
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&STANDARD.encode(pair));
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    Ok(request.into_bytes())
}

/// The proxy's answer, in any chunking.
#[derive(Debug)]
struct Response {
    head: Vec<u8>,
    /// Bytes of `head` in which the head's end was searched in vain.
    searched: usize,
    /// Bytes of interim responses, already taken off `head`.
    interim: usize,
    sent_credentials: bool,
}

impl Response {
    fn new(sent_credentials: bool) -> Self {
        Self { head: Vec::new(), searched: 0, interim: 0, sent_credentials }
    }

    /// Takes bytes; true when the tunnel is open.
    fn handle_input(&mut self, bytes: &[u8]) -> Result<bool, ProxyFailure> {
        self.head.extend_from_slice(bytes);
        loop {
            // Of another protocol's greeting no end would be seen, and the wait would last to the timeout.
            if self.head.iter().zip(b"HTTP/1.").any(|(byte, expected)| byte != expected) {
                return Err(ProxyFailure::Protocol("it does not answer in HTTP/1.1".to_owned()));
            }
            let Some(end) = self.end_of_head() else { break };
            let status = self.judge(end)?;
            self.head.drain(..end);
            self.searched = 0;
            if status.is_success() {
                // The client speaks first in TLS and in HTTP, so these bytes cannot be the target's.
                return if self.head.is_empty() {
                    Ok(true)
                } else {
                    Err(ProxyFailure::Protocol("it sent data before it was asked".to_owned()))
                };
            }
            self.interim += end;
        }
        if self.interim + self.head.len() > MAX_HEAD_SIZE {
            return Err(ProxyFailure::Protocol(format!(
                "its response head has more than {MAX_HEAD_SIZE} bytes"
            )));
        }
        Ok(false)
    }

    /// Where the head ends: behind an empty line. Each byte is looked at once.
    fn end_of_head(&mut self) -> Option<usize> {
        let from = self.searched;
        for at in from..self.head.len() {
            if self.head[at] == b'\n' {
                let line = &self.head[..at];
                if line.ends_with(b"\n") || line.ends_with(b"\n\r") {
                    return Some(at + 1);
                }
            }
        }
        self.searched = self.head.len();
        None
    }

    /// The status of a complete head, if it is interim or opens the tunnel.
    fn judge(&self, end: usize) -> Result<StatusCode, ProxyFailure> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut fields);
        let not_http = |why: &dyn std::fmt::Display| {
            ProxyFailure::Protocol(format!("its answer is not valid HTTP/1.1 ({why})"))
        };
        match head.parse(&self.head[..end]) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(not_http(&"an empty line too early")),
            Err(error) => return Err(not_http(&error)),
        }
        let status = head
            .code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or_else(|| not_http(&"no valid status"))?;
        if status.is_success() || (status.is_informational() && status != 101) {
            return Ok(status);
        }
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let wanted: Vec<_> = head
                .headers
                .iter()
                .filter(|field| field.name.eq_ignore_ascii_case("proxy-authenticate"))
                .map(|field| String::from_utf8_lossy(field.value))
                .collect();
            return Err(ProxyFailure::Credentials {
                sent: self.sent_credentials,
                wanted: wanted.join(", "),
            });
        }
        let reason = head.reason.unwrap_or_default().to_owned();
        Err(ProxyFailure::Refused { status, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the answer whole, and then byte by byte; both must agree.
    fn answer(bytes: &[u8]) -> Result<bool, ProxyFailure> {
        let whole = Response::new(false).handle_input(bytes);
        let mut response = Response::new(false);
        let mut split = Ok(false);
        for byte in bytes {
            split = response.handle_input(std::slice::from_ref(byte));
            if !matches!(split, Ok(false)) {
                break;
            }
        }
        // A byte-wise reader stops at the head's end, so only it can miss data that follows.
        if !matches!(&whole, Err(ProxyFailure::Protocol(why)) if why.contains("before it was asked"))
        {
            assert_eq!(format!("{whole:?}"), format!("{split:?}"), "chunking changed the outcome");
        }
        whole
    }

    #[test]
    fn the_request_names_the_target_twice_and_carries_basic_credentials() {
        let credentials = Credentials { user: b"al".to_vec(), password: b"s:t".to_vec() };
        let bytes = request("example.com", 443, Some(&credentials)).expect("a valid request");
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\
             Proxy-Authorization: Basic YWw6czp0\r\n\r\n"
        );
        let bytes = request("::1", 80, None).expect("a valid request");
        assert!(bytes.starts_with(b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"));
    }

    #[test]
    fn rfc7617_section_2_a_user_name_with_a_colon_is_refused() {
        let credentials = Credentials { user: b"a:b".to_vec(), password: Vec::new() };
        let error = request("example.com", 443, Some(&credentials)).expect_err("no form for it");
        assert!(matches!(error, ProxyFailure::UnusableCredentials(_)));
    }

    #[test]
    fn any_2xx_opens_the_tunnel() {
        for head in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n",
            "HTTP/1.1 204 \r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            // RFC 9110 section 9.3.6: these two fields are to be ignored.
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert!(matches!(answer(head.as_bytes()), Ok(true)), "{head:?}");
        }
    }

    #[test]
    fn an_unfinished_head_waits_for_more() {
        assert!(matches!(answer(b"HTTP/1.1 200 OK\r\nVia: x\r\n"), Ok(false)));
    }

    #[test]
    fn a_407_says_what_the_proxy_wants() {
        let error = answer(
            b"HTTP/1.1 407 Auth\r\nproxy-authenticate: Basic realm=\"x\"\r\n\
              Proxy-Authenticate: Digest\r\n\r\n",
        )
        .expect_err("not a tunnel");
        assert!(
            matches!(&error, ProxyFailure::Credentials { sent: false, wanted }
                if wanted == "Basic realm=\"x\", Digest"),
            "{error:?}"
        );
    }

    #[test]
    fn another_status_is_a_refusal() {
        for (head, code) in [
            ("HTTP/1.1 403 Not this port\r\n\r\n", 403),
            ("HTTP/1.1 502 \r\nContent-Length: 9\r\n\r\n", 502),
            ("HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", 302),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", 101),
        ] {
            let error = answer(head.as_bytes()).expect_err("not a tunnel");
            assert!(
                matches!(&error, ProxyFailure::Refused { status, .. } if *status == code),
                "{error:?}"
            );
        }
    }

    #[test]
    fn what_is_not_http_or_too_long_or_too_early_is_a_protocol_error() {
        let many = "A: b\r\n".repeat(MAX_HEADERS + 1);
        for bytes in [
            "SSH-2.0-x\r\n".to_owned(),
            "\x15\x03\x01\x00\x02\x02\x32".to_owned(),
            "HTTP/1.1 OK\r\n\r\n".to_owned(),
            "\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
            format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(MAX_HEAD_SIZE)),
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000),
            "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 x\r\n\r\n".to_owned(),
        ] {
            let error = answer(bytes.as_bytes()).expect_err("not a tunnel");
            assert!(matches!(error, ProxyFailure::Protocol(_)), "{error:?}");
        }
    }
}
