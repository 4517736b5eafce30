//! Longwire's client against servers of other libraries, with and without TLS.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use longwire::tls::ClientTls;
use longwire::{Connect, ConnectError, Message, WebSocket};
use longwire_tests::certificates::Certificates;
use longwire_tests::peers::{SUBPROTOCOL, Scheme, Server, run_client};
use longwire_toolbox::peer::Peer;
use longwire_toolbox::{go, java, node, python};
use tokio::time::timeout;

/// How long one short conversation may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A peer's server on one scheme, and how to reach it.
struct Fixture {
    server: Server,
    scheme: Scheme,
    certificates: Certificates,
}

impl Fixture {
    fn start(peer: &Peer, scheme: Scheme) -> Result<Self> {
        let certificates = Certificates::generate()?;
        // Compression is on, and not offered.
        let deflate = ["--deflate", "no-takeover"];
        let server = Server::peer(peer, scheme, &certificates, &deflate)?;
        Ok(Self { server, scheme, certificates })
    }

    async fn connect(&self, path: &str) -> Result<Result<WebSocket, ConnectError>> {
        let mut connect = Connect::new(&self.server.url(path));
        if self.scheme == Scheme::Tls {
            connect = connect.tls(ClientTls::with_ca_file(self.certificates.authority())?);
        }
        Ok(connect.await)
    }
}

fn whole_script(peer: &Peer, scheme: Scheme) -> Result<()> {
    let fixture = Fixture::start(peer, scheme)?;
    let client = || Command::new(env!("CARGO_BIN_EXE_interop_client"));
    let url = fixture.server.url("/");
    let offers = ["--subprotocol", SUBPROTOCOL, "--subprotocol", "other"];
    let report = run_client(client(), &url, &fixture.certificates, &offers)?;
    assert_eq!(report.subprotocol.as_deref(), Some(SUBPROTOCOL), "{report:?}");
    assert!(report.agreed_on(""), "{report:?}");
    let report = run_client(client(), &url, &fixture.certificates, &[])?;
    assert_eq!(report.subprotocol, None, "{report:?}");
    Ok(())
}

/// What servers do on paths of their own (`tests/peers/README.md`).
async fn server_paths(peer: &Peer, scheme: Scheme) -> Result<()> {
    let fixture = Fixture::start(peer, scheme)?;
    let limited = timeout(LIMIT, async {
        server_closes(&fixture).await.context("/close")?;
        server_pings(&fixture).await.context("/ping")?;
        server_sends_fragments(&fixture).await.context("/fragments")?;
        server_drops(&fixture).await.context("/drop")?;
        server_refuses(&fixture).await.context("/refuse")
    });
    limited.await?.with_context(|| fixture.server.process.description())
}

async fn server_closes(fixture: &Fixture) -> Result<()> {
    let mut socket = fixture.connect("/close").await??;
    assert_eq!(socket.recv().await?, None);
    let closed = socket.closed().context("the connection has ended")?;
    assert_eq!((closed.code().get(), closed.reason()), (4002, "bye ☂"), "{closed}");
    assert!(closed.is_clean() && closed.peer_first, "{closed}");
    Ok(())
}

async fn server_pings(fixture: &Fixture) -> Result<()> {
    let mut socket = fixture.connect("/ping").await??;
    assert_eq!(socket.recv().await?, Some(Message::from("pong: are you there?")));
    assert!(socket.close(longwire::CloseCode::NORMAL_CLOSURE).await.is_clean());
    Ok(())
}

async fn server_sends_fragments(fixture: &Fixture) -> Result<()> {
    let mut socket = fixture.connect("/fragments").await??;
    assert_eq!(socket.recv().await?, Some(Message::from("one, zwei, ☂")));
    assert!(socket.close(longwire::CloseCode::NORMAL_CLOSURE).await.is_clean());
    Ok(())
}

async fn server_drops(fixture: &Fixture) -> Result<()> {
    let mut socket = fixture.connect("/drop").await??;
    let error = socket.recv().await.expect_err("no Close frame came");
    assert_eq!(error.closed().code().get(), 1006, "{error}");
    Ok(())
}

async fn server_refuses(fixture: &Fixture) -> Result<()> {
    match fixture.connect("/refuse").await? {
        Err(ConnectError::Refused(response)) => {
            assert_eq!(response.status(), 403);
            // Some servers end the line.
            assert_eq!(response.body().trim_ascii_end(), b"refused by the application");
            Ok(())
        }
        Err(other) => Err(other.into()),
        Ok(_) => anyhow::bail!("the handshake was accepted"),
    }
}

macro_rules! servers {
    ($($name:ident => $tool:ident),+ $(,)?) => {$(
        mod $name {
            use super::*;

            #[test]
            fn agrees_on_the_whole_script() -> Result<()> {
                whole_script(&$tool::find()?, Scheme::Plain)
            }

            #[test]
            fn agrees_on_the_whole_script_over_tls() -> Result<()> {
                whole_script(&$tool::find()?, Scheme::Tls)
            }

            #[tokio::test]
            async fn closes_pings_fragments_drops_and_refuses() -> Result<()> {
                server_paths(&$tool::find()?, Scheme::Plain).await
            }

            #[tokio::test]
            async fn closes_pings_fragments_drops_and_refuses_over_tls() -> Result<()> {
                server_paths(&$tool::find()?, Scheme::Tls).await
            }
        }
    )+};
}

servers! {
    the_server_of_ws => node,
    the_server_of_websockets => python,
    the_server_of_gorilla => go,
    the_server_of_jetty => java,
}
