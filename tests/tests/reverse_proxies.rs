//! Longwire's client to `longwire echo` through reverse proxies, which also end TLS.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use longwire::tls::ClientTls;
use longwire::{Close, CloseCode, CloseReason, Connect, Message};
use longwire_tests::certificates::Certificates;
use longwire_tests::peers::{SUBPROTOCOL, Scheme, Server, run_client};
use longwire_tests::proxies::{Kind, ReverseProxy};
use tokio::time::timeout;

/// How long one short conversation may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The server, and the proxy in front of it.
struct Fixture {
    server: Server,
    proxy: ReverseProxy,
    scheme: Scheme,
    certificates: Certificates,
}

impl Fixture {
    fn start(kind: Kind, scheme: Scheme) -> Result<Self> {
        let certificates = Certificates::generate()?;
        let server =
            Server::longwire(Scheme::Plain, &certificates, &["--subprotocol", SUBPROTOCOL])?;
        let proxy = ReverseProxy::start(kind, scheme, &certificates, server.port)?;
        Ok(Self { server, proxy, scheme, certificates })
    }

    fn connect(&self) -> Result<Connect> {
        let connect = Connect::new(&self.proxy.url("/"));
        Ok(match self.scheme {
            Scheme::Plain => connect,
            Scheme::Tls => connect.tls(ClientTls::with_ca_file(self.certificates.authority())?),
        })
    }
}

fn whole_script(kind: Kind, scheme: Scheme) -> Result<()> {
    let fixture = Fixture::start(kind, scheme)?;
    let client = Command::new(env!("CARGO_BIN_EXE_interop_client"));
    let url = fixture.proxy.url("/");
    let report = run_client(client, &url, &fixture.certificates, &["--subprotocol", SUBPROTOCOL])
        .with_context(|| fixture.proxy.description())?;
    assert_eq!(report.subprotocol.as_deref(), Some(SUBPROTOCOL), "{report:?}");
    Ok(())
}

/// The server goes away while a client is connected: its Close frame passes the proxy.
async fn graceful_shutdown(kind: Kind, scheme: Scheme) -> Result<()> {
    let fixture = Fixture::start(kind, scheme)?;
    let conversation = async {
        let mut socket = fixture.connect()?.await?;
        socket.send("before").await?;
        assert_eq!(socket.recv().await?, Some(Message::from("before")));
        fixture.server.process.terminate()?;
        ensure!(socket.recv().await?.is_none(), "a message came instead of the end");
        let closed = socket.closed().context("the connection has ended")?;
        assert_eq!(closed.code(), CloseCode::GOING_AWAY, "{closed}");
        assert!(closed.is_clean() && closed.peer_first, "{closed}");
        let status = fixture.server.process.wait(LIMIT)?;
        assert!(status.success(), "{}", fixture.server.process.description());
        Ok(())
    };
    timeout(LIMIT, conversation).await?.with_context(|| fixture.proxy.description())
}

/// Codes that an application may choose, with and without a reason (RFC 6455 section 7.4).
async fn close_codes(kind: Kind, scheme: Scheme) -> Result<()> {
    let fixture = Fixture::start(kind, scheme)?;
    let conversation = async {
        for (code, reason) in [(1000, ""), (1000, "bye"), (3000, "three"), (4999, "für immer ☂")]
        {
            let mut socket = fixture.connect()?.await?;
            let closed =
                socket.close(Close::new(code.into(), CloseReason::truncated(reason))).await;
            assert_eq!(closed.code().get(), code, "{closed}");
            assert!(closed.is_clean() && !closed.peer_first, "{closed}");
        }
        anyhow::Ok(())
    };
    timeout(LIMIT, conversation).await?.with_context(|| fixture.proxy.description())
}

/// The Origin policy compares with the `Host` that the proxy passes on (RFC 6455 section 10.2).
async fn origins(kind: Kind, scheme: Scheme) -> Result<()> {
    let fixture = Fixture::start(kind, scheme)?;
    let own = fixture.proxy.url("/").replacen("ws", "http", 1);
    let conversation = async {
        let mut socket = fixture.connect()?.origin(own.trim_end_matches('/')).await?;
        assert!(socket.close(CloseCode::NORMAL_CLOSURE).await.is_clean());
        match fixture.connect()?.origin("https://other.example").await {
            Err(longwire::ConnectError::Refused(response)) => assert_eq!(response.status(), 403),
            other => panic!("not refused: {other:?}"),
        }
        anyhow::Ok(())
    };
    timeout(LIMIT, conversation).await?.with_context(|| fixture.proxy.description())
}

macro_rules! proxies {
    ($($name:ident => $kind:expr),+ $(,)?) => {$(
        mod $name {
            use super::*;

            #[test]
            fn passes_the_whole_script() -> Result<()> {
                whole_script($kind, Scheme::Plain)
            }

            #[test]
            fn passes_the_whole_script_and_ends_tls() -> Result<()> {
                whole_script($kind, Scheme::Tls)
            }

            #[tokio::test]
            async fn passes_a_graceful_shutdown() -> Result<()> {
                graceful_shutdown($kind, Scheme::Plain).await
            }

            #[tokio::test]
            async fn passes_a_graceful_shutdown_and_ends_tls() -> Result<()> {
                graceful_shutdown($kind, Scheme::Tls).await
            }

            #[tokio::test]
            async fn passes_close_codes() -> Result<()> {
                close_codes($kind, Scheme::Plain).await
            }

            #[tokio::test]
            async fn passes_close_codes_and_ends_tls() -> Result<()> {
                close_codes($kind, Scheme::Tls).await
            }

            #[tokio::test]
            async fn keeps_the_origin_policy() -> Result<()> {
                origins($kind, Scheme::Plain).await
            }

            #[tokio::test]
            async fn keeps_the_origin_policy_and_ends_tls() -> Result<()> {
                origins($kind, Scheme::Tls).await
            }
        }
    )+};
}

proxies! {
    nginx => Kind::Nginx,
    haproxy => Kind::Haproxy,
    apache_as_a_tunnel => Kind::ApacheTunnel,
    apache_with_upgrade => Kind::ApacheUpgrade,
}
