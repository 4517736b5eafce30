//! Dialling over an in-memory network, in virtual time.

use std::io;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::fake::{Fake, MS, NEVER, Peers, at, polled};
use super::*;

const EXAMPLE: Target<'_> = Target { host: "example.com", port: 80, secure: false };

fn by(proxy: &str) -> Options {
    Options { proxy: Some(proxy.parse().expect("a proxy's URL")), ..Options::default() }
}

const V6: &str = "[2001:db8::1]:80";
const V4: &str = "192.0.2.1:80";
const V4B: &str = "192.0.2.2:80";
const REFUSED: Result<(), io::ErrorKind> = Err(io::ErrorKind::ConnectionRefused);
const UNREACHABLE: Result<(), io::ErrorKind> = Err(io::ErrorKind::NetworkUnreachable);

#[tokio::test(start_paused = true)]
async fn rfc8305_section_5_the_next_attempt_starts_after_the_delay_and_the_first_success_wins() {
    for (delay, expected) in [(MS(250), MS(250)), (MS(100), MS(100)), (MS(0), MS(0))] {
        let (fake, _peers) = Fake::new(&[(V6, (NEVER, Ok(()))), (V4, (MS(30), Ok(())))]);
        let options = Options { attempt_delay: delay, ..Options::default() };
        let dialled = dial(&fake, EXAMPLE, &options, &Progress::new()).await.expect("a stream");
        assert_eq!(dialled.peer, at(V4));
        assert_eq!(fake.started(), [(at(V6), MS(0)), (at(V4), expected)]);
        assert_eq!(fake.birth.elapsed(), expected + MS(30));
        assert_eq!(fake.running.load(Ordering::Relaxed), 0, "the losing attempt was cancelled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_attempt_may_still_win() {
    let (fake, _peers) = Fake::new(&[(V6, (MS(300), Ok(()))), (V4, (MS(100), Ok(())))]);
    let dialled =
        dial(&fake, EXAMPLE, &Options::default(), &Progress::new()).await.expect("a stream");
    assert_eq!(dialled.peer, at(V6));
    assert_eq!(fake.birth.elapsed(), MS(300));
    assert_eq!(fake.running.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_starts_the_next_at_once_and_the_delay_anew() {
    let (fake, _peers) =
        Fake::new(&[(V6, (MS(10), UNREACHABLE)), (V4, (NEVER, Ok(()))), (V4B, (MS(5), Ok(())))]);
    let dialled =
        dial(&fake, EXAMPLE, &Options::default(), &Progress::new()).await.expect("a stream");
    assert_eq!(dialled.peer, at(V4B));
    assert_eq!(fake.started(), [(at(V6), MS(0)), (at(V4), MS(10)), (at(V4B), MS(260))]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_lists_every_address_with_its_cause() {
    let (fake, _peers) =
        Fake::new(&[(V6, (MS(0), UNREACHABLE)), (V4, (MS(400), REFUSED)), (V4B, (MS(1), REFUSED))]);
    let error = dial(&fake, EXAMPLE, &Options::default(), &Progress::new()).await;
    let Err(DialError::Tcp(error)) = error else { panic!("{error:?}") };
    let listed: Vec<_> =
        error.attempts().iter().map(|one| (one.address(), one.error().kind())).collect();
    assert_eq!(
        listed,
        [
            (at(V6), io::ErrorKind::NetworkUnreachable),
            (at(V4B), io::ErrorKind::ConnectionRefused),
            (at(V4), io::ErrorKind::ConnectionRefused),
        ]
    );
    let text = error.to_string();
    assert!(
        text.starts_with("could not connect to example.com:80 ([2001:db8::1]:80: ")
            && text.contains(V4)
            && text.contains(V4B),
        "{text}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_address_is_an_error_of_the_name_service() {
    for names in [Err(io::ErrorKind::NotFound), Ok(Vec::new())] {
        let (mut fake, _peers) = Fake::new(&[]);
        fake.names = names;
        let error = dial(&fake, EXAMPLE, &Options::default(), &Progress::new()).await;
        let Err(DialError::Dns(error)) = error else { panic!("{error:?}") };
        assert_eq!(error.host(), "example.com");
        assert!(error.to_string().contains("\"example.com\""), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_needs_no_name_service() {
    let (fake, _peers) = Fake::new(&[(V6, (MS(0), Ok(())))]);
    let target = Target { host: "2001:db8::1", ..EXAMPLE };
    let dialled =
        dial(&fake, target, &Options::default(), &Progress::new()).await.expect("a stream");
    assert_eq!(dialled.peer, at(V6));
    assert!(fake.asked.lock().expect("not poisoned").is_empty());
}

#[tokio::test(start_paused = true)]
async fn progress_names_every_address_under_way() {
    let (fake, _peers) = Fake::new(&[(V6, (NEVER, Ok(()))), (V4, (NEVER, Ok(())))]);
    let progress = Progress::new();
    let options = Options::default();
    let pending = dial(&fake, EXAMPLE, &options, &progress);
    assert!(tokio::time::timeout(MS(1000), pending).await.is_err());
    assert_eq!(progress.now(), (Stage::Tcp, format!("{V6}, {V4}")));
    assert_eq!(fake.running.load(Ordering::Relaxed), 0, "dropping cancels every attempt");
}

#[tokio::test(start_paused = true)]
async fn dropped_after_any_poll_a_race_leaves_no_attempt_and_no_socket() {
    for polls in 1.. {
        let (fake, mut peers) = Fake::new(&[
            (V6, (MS(300), UNREACHABLE)),
            (V4, (NEVER, Ok(()))),
            (V4B, (MS(20), Ok(()))),
        ]);
        let options = Options::default();
        let progress = Progress::new();
        let finished = polled(polls, dial(&fake, EXAMPLE, &options, &progress)).await.is_some();
        assert_eq!(fake.running.load(Ordering::Relaxed), 0);
        drop(fake);
        while let Some(mut peer) = peers.recv().await {
            assert_eq!(peer.read(&mut [0]).await.expect("no error"), 0, "the peer sees the end");
        }
        if finished {
            assert!(polls > 3, "the race has more than one wait");
            break;
        }
    }
}

/// Questions with their answers.
type Script<'a> = [(&'a [u8], &'a [u8])];

/// Plays a proxy on the next transport: reads as many bytes as each question has, and answers.
async fn play(peers: &mut Peers, script: &Script<'_>) -> Option<DuplexStream> {
    let mut io = peers.recv().await?;
    for (question, answer) in script {
        let mut asked = vec![0; question.len()];
        if io.read_exact(&mut asked).await.is_err() {
            return Some(io);
        }
        assert_eq!(asked, *question, "{}", String::from_utf8_lossy(&asked));
        if io.write_all(answer).await.is_err() {
            return Some(io);
        }
    }
    Some(io)
}

const GREETING: (&[u8], &[u8]) = (b"\x05\x01\x00", b"\x05\x00");
const OPEN: &[u8] = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";

#[tokio::test(start_paused = true)]
async fn socks5h_lets_the_proxy_resolve() {
    let (fake, mut peers) = Fake::new(&[("198.51.100.1:1080", (MS(0), Ok(())))]);
    let options = by("socks5h://198.51.100.1");
    let progress = Progress::new();
    let script = [GREETING, (b"\x05\x01\x00\x03\x0bexample.com\x00\x50", OPEN)];
    let (dialled, peer) =
        tokio::join!(dial(&fake, EXAMPLE, &options, &progress), play(&mut peers, &script));
    let mut io = dialled.expect("a tunnel").io;
    let mut peer = peer.expect("a transport");
    peer.write_all(b"hello").await.expect("the tunnel is open");
    let mut got = [0; 5];
    io.read_exact(&mut got).await.expect("the tunnel is open");
    assert_eq!(&got, b"hello", "not one byte of the target's was taken for the proxy's");
    assert!(fake.asked.lock().expect("not poisoned").is_empty());
}

#[tokio::test(start_paused = true)]
async fn socks5_resolves_itself_and_tries_each_address() {
    let (mut fake, mut peers) = Fake::new(&[("198.51.100.1:1080", (MS(0), Ok(())))]);
    fake.names = Ok(vec![at(V6), at(V4)]);
    let options = by("socks5://198.51.100.1");
    let progress = Progress::new();
    let v6 = [b"\x05\x01\x00\x04\x20\x01\x0d\xb8".as_slice(), &[0; 11], b"\x01\x00\x50"].concat();
    let first = [GREETING, (&v6, b"\x05\x03\x00\x01")];
    let second = [GREETING, (b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50", OPEN)];
    let proxy = async {
        let mut refused = play(&mut peers, &first).await.expect("a transport");
        assert_eq!(refused.read(&mut [0]).await.expect("no error"), 0, "it was closed");
        play(&mut peers, &second).await
    };
    let (dialled, _peer) = tokio::join!(dial(&fake, EXAMPLE, &options, &progress), proxy);
    dialled.expect("a tunnel");
    assert_eq!(*fake.asked.lock().expect("not poisoned"), ["example.com"]);
}

#[tokio::test(start_paused = true)]
async fn a_socks5_refusal_that_no_other_address_can_mend_is_final() {
    let (mut fake, mut peers) = Fake::new(&[("198.51.100.1:1080", (MS(0), Ok(())))]);
    fake.names = Ok(vec![at(V4), at(V4B)]);
    let options = by("socks5://198.51.100.1");
    let progress = Progress::new();
    let script = [
        GREETING,
        (b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50".as_slice(), b"\x05\x02\x00\x01".as_slice()),
    ];
    let (dialled, _peer) =
        tokio::join!(dial(&fake, EXAMPLE, &options, &progress), play(&mut peers, &script));
    let Err(DialError::Proxy(error)) = dialled else { panic!("{dialled:?}") };
    let ProxyFailure::SocksRefused(attempts) = error.failure() else { panic!("{error:?}") };
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].destination, V4);
    assert_eq!(attempts[0].reply, SocksReply::NotAllowed);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_cannot_be_reached_is_named_without_its_password() {
    let (fake, _peers) = Fake::new(&[("198.51.100.1:80", (MS(0), REFUSED))]);
    let options = by("http://al:secret@198.51.100.1");
    let error = dial(&fake, EXAMPLE, &options, &Progress::new()).await;
    let Err(DialError::Proxy(error)) = error else { panic!("{error:?}") };
    assert!(matches!(error.failure(), ProxyFailure::Tcp(_)));
    let text = format!("{error} {error:?} {options:?}");
    assert!(text.starts_with("proxy http://198.51.100.1:80: could not connect"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn dropped_after_any_poll_a_tunnel_in_the_making_closes_the_connection() {
    let connect: &[u8] = b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n";
    let scripts: [(&str, &Script<'_>); 2] = [
        ("http://198.51.100.1:1", &[(connect, b"HTTP/1.1 200 "), (b"", b"OK\r\n\r\n")]),
        (
            "socks5h://198.51.100.1:1",
            &[GREETING, (b"\x05\x01\x00\x03\x0bexample.com\x00\x50", OPEN)],
        ),
    ];
    for (proxy, script) in scripts {
        for polls in 1.. {
            let (fake, mut peers) = Fake::new(&[("198.51.100.1:1", (MS(0), Ok(())))]);
            let options = by(proxy);
            let progress = Progress::new();
            let client = async {
                let dialled = polled(polls, dial(&fake, EXAMPLE, &options, &progress)).await;
                drop(fake);
                dialled.map(|dialled| drop(dialled.expect("a tunnel"))).is_some()
            };
            let server = async {
                if let Some(mut peer) = play(&mut peers, script).await {
                    let mut rest = Vec::new();
                    peer.read_to_end(&mut rest).await.expect("no error");
                }
            };
            let (finished, ()) = tokio::join!(client, server);
            if finished {
                assert!(polls > 1, "a tunnel has more than one wait");
                break;
            }
        }
    }
}

#[cfg(not(feature = "tls"))]
#[tokio::test(start_paused = true)]
async fn without_the_feature_tls_is_refused_by_name() {
    let (fake, _peers) = Fake::new(&[(V4, (MS(0), Ok(())))]);
    let target = Target { secure: true, ..EXAMPLE };
    let error = dial(&fake, target, &Options::default(), &Progress::new()).await;
    let Err(DialError::Tls(error)) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("feature \"tls\""), "{error}");
}

#[cfg(all(feature = "tls", not(any(feature = "tls-native-roots", feature = "tls-webpki-roots"))))]
#[tokio::test(start_paused = true)]
async fn without_any_roots_the_default_trusts_nobody_and_says_so() {
    let (fake, _peers) = Fake::new(&[(V4, (MS(0), Ok(())))]);
    let target = Target { secure: true, ..EXAMPLE };
    let error = dial(&fake, target, &Options::default(), &Progress::new()).await;
    assert!(matches!(error, Err(DialError::Tls(TlsError::NoRoots))), "{error:?}");
}
