//! A tunnel through a SOCKS5 proxy: RFC 1928, with the user name and password of RFC 1929.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::authority;
use super::error::ProxyFailure;
use super::proxy::Credentials;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;
/// The longest answer: four bytes, a length, a name of 255 bytes, a port.
const MAX_ANSWER: usize = 4 + 1 + 255 + 2;

/// What the proxy is asked for: an address, or a name that it resolves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Address(SocketAddr),
    Domain(String, u16),
}

impl Destination {
    /// A host as it stands in a URL, without brackets.
    pub(super) fn of(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(address) => Self::Address(SocketAddr::new(address, port)),
            Err(_) => Self::Domain(host.to_owned(), port),
        }
    }

    /// ATYP, DST.ADDR and DST.PORT of RFC 1928 section 5.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ProxyFailure> {
        let port = match self {
            Self::Address(address) => {
                match address.ip() {
                    IpAddr::V4(ip) => {
                        out.push(IPV4);
                        out.extend_from_slice(&ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        out.push(IPV6);
                        out.extend_from_slice(&ip.octets());
                    }
                }
                address.port()
            }
            Self::Domain(name, port) => {
                let length = u8::try_from(name.len()).map_err(|_| ProxyFailure::UnusableHost)?;
                out.push(DOMAIN);
                out.push(length);
                out.extend_from_slice(name.as_bytes());
                *port
            }
        };
        out.extend_from_slice(&port.to_be_bytes());
        Ok(())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Domain(name, port) => f.write_str(&authority(name, *port)),
        }
    }
}

/// The refusal of a SOCKS5 proxy, RFC 1928 section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reply {
    /// 1: the proxy could not do it, without saying why.
    GeneralFailure,
    /// 2: the proxy's rules forbid it.
    NotAllowed,
    /// 3: the proxy cannot reach the destination's network.
    NetworkUnreachable,
    /// 4: the proxy cannot reach the destination's host.
    HostUnreachable,
    /// 5: the destination refused the connection.
    ConnectionRefused,
    /// 6: a packet's time to live expired.
    TtlExpired,
    /// 7: the proxy does not know CONNECT.
    CommandNotSupported,
    /// 8: the proxy does not know this type of address.
    AddressTypeNotSupported,
    /// A code that RFC 1928 does not assign.
    Unassigned(u8),
}

impl Reply {
    fn of(code: u8) -> Self {
        match code {
            1 => Self::GeneralFailure,
            2 => Self::NotAllowed,
            3 => Self::NetworkUnreachable,
            4 => Self::HostUnreachable,
            5 => Self::ConnectionRefused,
            6 => Self::TtlExpired,
            7 => Self::CommandNotSupported,
            8 => Self::AddressTypeNotSupported,
            other => Self::Unassigned(other),
        }
    }

    /// Whether the refusal is about this one address of several. Code 1 counts: many proxies know no other.
    pub(super) fn another_address_may_do(self) -> bool {
        matches!(
            self,
            Self::GeneralFailure
                | Self::NetworkUnreachable
                | Self::HostUnreachable
                | Self::ConnectionRefused
                | Self::TtlExpired
                | Self::AddressTypeNotSupported
        )
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, text) = match self {
            Self::GeneralFailure => (1, "general failure; the proxy's own log may say more"),
            Self::NotAllowed => (2, "not allowed by the proxy's rules"),
            Self::NetworkUnreachable => (3, "the proxy cannot reach that network"),
            Self::HostUnreachable => (4, "the proxy cannot reach that host"),
            Self::ConnectionRefused => (5, "the server refused the proxy's connection"),
            Self::TtlExpired => (6, "the proxy's packets expired on their way (TTL)"),
            Self::CommandNotSupported => (7, "the proxy does not support CONNECT"),
            Self::AddressTypeNotSupported => (
                8,
                "the proxy does not support this type of address; try socks5 or socks5h instead",
            ),
            Self::Unassigned(code) => (*code, "a code without a meaning"),
        };
        write!(f, "{text} (SOCKS5 reply {code})")
    }
}

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum Failure {
    Refused(Reply),
    Other(ProxyFailure),
}

impl From<ProxyFailure> for Failure {
    fn from(failure: ProxyFailure) -> Self {
        Self::Other(failure)
    }
}

/// Asks the proxy on `io` for a tunnel. After `Ok` the stream is the target's: not one byte too many is read.
pub(super) async fn tunnel<T>(
    io: &mut T,
    destination: &Destination,
    credentials: Option<&Credentials>,
) -> Result<(), Failure>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut dialogue = Dialogue::new(destination, credentials)?;
    let mut buffer = [0; MAX_ANSWER];
    loop {
        if let Some(bytes) = dialogue.take_output() {
            io.write_all(&bytes).await.map_err(ProxyFailure::Io)?;
            io.flush().await.map_err(ProxyFailure::Io)?;
        }
        let wanted = dialogue.wanted();
        if wanted == 0 {
            return Ok(());
        }
        let read = io.read(&mut buffer[..wanted]).await.map_err(ProxyFailure::Io)?;
        if read == 0 {
            return Err(ProxyFailure::Closed.into());
        }
        dialogue.handle_input(&buffer[..read])?;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaiting {
    Method,
    Verdict,
    ReplyHead,
    ReplyName,
    ReplyAddress,
    Nothing,
}

/// The client's side of the dialogue, without I/O.
struct Dialogue {
    awaiting: Awaiting,
    /// What is next to be sent.
    output: Option<Vec<u8>>,
    /// The answer so far, and its length as far as it is known.
    answer: Vec<u8>,
    expected: usize,
    /// RFC 1929 section 2, sent if the proxy chooses that method.
    authentication: Option<Vec<u8>>,
    request: Vec<u8>,
}

impl Dialogue {
    fn new(
        destination: &Destination,
        credentials: Option<&Credentials>,
    ) -> Result<Self, ProxyFailure> {
        let mut request = vec![VERSION, CONNECT, 0];
        destination.encode(&mut request)?;
        let authentication = credentials.map(authentication).transpose()?;
        let greeting = match authentication {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        };
        Ok(Self {
            awaiting: Awaiting::Method,
            output: Some(greeting),
            answer: Vec::new(),
            expected: 2,
            authentication,
            request,
        })
    }

    fn take_output(&mut self) -> Option<Vec<u8>> {
        self.output.take()
    }

    /// How many bytes to read at most; none when the tunnel is open.
    fn wanted(&self) -> usize {
        self.expected - self.answer.len()
    }

    /// Takes at most [`Self::wanted`] bytes.
    fn handle_input(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.answer.extend_from_slice(bytes);
        while self.awaiting != Awaiting::Nothing && self.wanted() == 0 {
            self.step()?;
        }
        Ok(())
    }

    /// The answer has its expected length.
    fn step(&mut self) -> Result<(), Failure> {
        let protocol = |why: String| Failure::Other(ProxyFailure::Protocol(why));
        let sent = self.authentication.is_some();
        match self.awaiting {
            Awaiting::Method => match (self.answer[0], self.answer[1]) {
                (VERSION, NO_AUTHENTICATION) => self.ask(),
                (VERSION, USER_AND_PASSWORD) if sent => {
                    self.await_new(Awaiting::Verdict, 2);
                    self.output = self.authentication.clone();
                }
                (VERSION, NO_ACCEPTABLE_METHOD) => {
                    let wanted = String::new();
                    return Err(ProxyFailure::Credentials { sent, wanted }.into());
                }
                (VERSION, method) => {
                    return Err(protocol(format!(
                        "it chose the authentication method {method}, which was not offered"
                    )));
                }
                _ => return Err(protocol("it does not speak SOCKS5".to_owned())),
            },
            // Some proxies put 5 where RFC 1929 wants 1, so only the status counts.
            Awaiting::Verdict if self.answer[1] == 0 => self.ask(),
            Awaiting::Verdict => {
                let wanted = String::new();
                return Err(ProxyFailure::Credentials { sent, wanted }.into());
            }
            Awaiting::ReplyHead => {
                if self.answer[0] != VERSION {
                    return Err(protocol("its reply is not SOCKS5".to_owned()));
                }
                if self.answer[1] != 0 {
                    return Err(Failure::Refused(Reply::of(self.answer[1])));
                }
                // The bound address is of no use, but its length decides where the tunnel begins.
                (self.awaiting, self.expected) = match self.answer[3] {
                    IPV4 => (Awaiting::ReplyAddress, 4 + 4 + 2),
                    IPV6 => (Awaiting::ReplyAddress, 4 + 16 + 2),
                    DOMAIN => (Awaiting::ReplyName, 4 + 1),
                    other => {
                        return Err(protocol(format!("its reply has the address type {other}")));
                    }
                };
            }
            Awaiting::ReplyName => {
                self.awaiting = Awaiting::ReplyAddress;
                self.expected = 4 + 1 + usize::from(self.answer[4]) + 2;
            }
            Awaiting::ReplyAddress | Awaiting::Nothing => self.await_new(Awaiting::Nothing, 0),
        }
        Ok(())
    }

    fn ask(&mut self) {
        self.await_new(Awaiting::ReplyHead, 4);
        self.output = Some(std::mem::take(&mut self.request));
    }

    fn await_new(&mut self, awaiting: Awaiting, expected: usize) {
        self.awaiting = awaiting;
        self.expected = expected;
        self.answer.clear();
    }
}

/// RFC 1929 section 2.
fn authentication(credentials: &Credentials) -> Result<Vec<u8>, ProxyFailure> {
    let mut out = vec![1];
    for part in [&credentials.user, &credentials.password] {
        let length = u8::try_from(part.len())
            .ok()
            .filter(|length| *length > 0)
            .ok_or(ProxyFailure::UnusableCredentials("SOCKS5 wants 1 to 255 bytes of each"))?;
        out.push(length);
        out.extend_from_slice(part);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials { user: b"al".to_vec(), password: b"pw".to_vec() }
    }

    /// Runs the dialogue against a script of answers, in chunks of at most `chunk` bytes; returns what was
    /// sent.
    fn run(
        destination: &Destination,
        credentials: Option<&Credentials>,
        answers: &[u8],
        chunk: usize,
    ) -> Result<Vec<u8>, Failure> {
        let mut dialogue = Dialogue::new(destination, credentials)?;
        let mut sent = Vec::new();
        let mut left = answers;
        loop {
            sent.extend(dialogue.take_output().unwrap_or_default());
            let take = dialogue.wanted().min(chunk).min(left.len());
            if take == 0 {
                assert!(left.is_empty(), "it read too little");
                assert_eq!(dialogue.wanted(), 0, "it wants more than the script has");
                return Ok(sent);
            }
            let (now, later) = left.split_at(take);
            dialogue.handle_input(now)?;
            left = later;
        }
    }

    #[test]
    fn every_type_of_address_goes_out_and_comes_back_in_any_chunking() {
        let v6 = "[::1]:80".parse().expect("an address");
        for (destination, encoded) in [
            (Destination::of("example.com", 443), b"\x03\x0bexample.com\x01\xbb".to_vec()),
            (Destination::of("192.0.2.1", 80), b"\x01\xc0\x00\x02\x01\x00\x50".to_vec()),
            (Destination::Address(v6), [b"\x04".as_slice(), &[0; 15], b"\x01\x00\x50"].concat()),
        ] {
            for bound in [
                b"\x01\x00\x00\x00\x00\x00\x00".to_vec(),
                [b"\x04".as_slice(), &[0; 18]].concat(),
                b"\x03\x00\x00\x00".to_vec(),
                b"\x03\x03abc\x00\x00".to_vec(),
            ] {
                let answers = [b"\x05\x00\x05\x00\x00".as_slice(), &bound].concat();
                for chunk in [1, 2, 3, 7, MAX_ANSWER] {
                    let sent = run(&destination, None, &answers, chunk).expect("a tunnel");
                    let expected = [b"\x05\x01\x00\x05\x01\x00".as_slice(), &encoded].concat();
                    assert_eq!(sent, expected, "{destination} {bound:?} {chunk}");
                }
            }
        }
    }

    #[test]
    fn rfc1929_credentials_are_sent_only_when_the_proxy_asks() {
        let target = Destination::of("1.2.3.4", 1);
        let reply = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";
        let request = b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x01";
        for chunk in [1, 2, 64] {
            let asked = [b"\x05\x02\x01\x00".as_slice(), reply].concat();
            let sent = run(&target, Some(&credentials()), &asked, chunk).expect("a tunnel");
            assert_eq!(sent, [b"\x05\x02\x00\x02\x01\x02al\x02pw".as_slice(), request].concat());
            let not_asked = [b"\x05\x00".as_slice(), reply].concat();
            let sent = run(&target, Some(&credentials()), &not_asked, chunk).expect("a tunnel");
            assert_eq!(sent, [b"\x05\x02\x00\x02".as_slice(), request].concat());
        }
    }

    #[test]
    fn refused_credentials_are_told_from_missing_ones() {
        let target = Destination::of("1.2.3.4", 1);
        for (given, answers, expected) in [
            (None, b"\x05\xff".as_slice(), false),
            (Some(credentials()), b"\x05\xff", true),
            (Some(credentials()), b"\x05\x02\x01\x01", true),
            (Some(credentials()), b"\x05\x02\x05\x01", true),
        ] {
            let failure = run(&target, given.as_ref(), answers, 1).expect_err("refused");
            assert!(
                matches!(&failure, Failure::Other(ProxyFailure::Credentials { sent, .. })
                    if *sent == expected),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn every_reply_code_has_its_text() {
        let target = Destination::of("1.2.3.4", 1);
        for code in 1..=255 {
            let answers = [5, 0, 5, code, 0, 1];
            let failure = run(&target, None, &answers, 1).expect_err("refused");
            let Failure::Refused(reply) = failure else { panic!("{failure:?}") };
            assert_eq!(matches!(reply, Reply::Unassigned(_)), code > 8, "{reply:?}");
            assert!(reply.to_string().ends_with(&format!("(SOCKS5 reply {code})")), "{reply}");
        }
    }

    #[test]
    fn what_is_not_socks5_is_a_protocol_error() {
        let target = Destination::of("1.2.3.4", 1);
        for answers in [
            b"HT".as_slice(),
            b"\x04\x00",
            b"\x05\x01",
            b"\x05\x02", // not offered without credentials
            b"\x05\x00\x04\x00\x00\x01",
            b"\x05\x00\x05\x00\x00\x02",
        ] {
            let failure = run(&target, None, answers, 1).expect_err("not SOCKS5");
            assert!(matches!(failure, Failure::Other(ProxyFailure::Protocol(_))), "{failure:?}");
        }
    }

    #[test]
    fn what_does_not_fit_a_length_byte_is_refused_before_sending() {
        let name = Destination::Domain("a".repeat(256), 1);
        assert!(matches!(Dialogue::new(&name, None).err(), Some(ProxyFailure::UnusableHost)));
        let target = Destination::of("1.2.3.4", 1);
        for (user, password) in [(0, 1), (1, 0), (256, 1), (1, 256)] {
            let given = Credentials { user: vec![b'u'; user], password: vec![b'p'; password] };
            assert!(matches!(
                Dialogue::new(&target, Some(&given)).err(),
                Some(ProxyFailure::UnusableCredentials(_))
            ));
        }
    }
}
