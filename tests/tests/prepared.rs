//! Prepared, ordinary and uncompressed messages in turn, from connections of different modes that
//! share what is prepared, to other libraries.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use longwire::proto::Side;
use longwire::{Config, Connect, Deflate, Message, Receiver, Sender, WebSocket, WindowBits};
use longwire_tests::certificates::Certificates;
use longwire_tests::content::varied;
use longwire_tests::forms::{ALL_FORMS, EchoServers, Shared};
use longwire_tests::peers::{Report, Scheme, Server, parts, run_browser_like_client, run_client};
use longwire_tests::relay::Relay;
use longwire_toolbox::peer::Peer;
use longwire_toolbox::{go, java, node, python};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long our clients' messages may take to come back.
const LIMIT: Duration = Duration::from_mins(1);

const WITH: &str = "permessage-deflate";
const WITHOUT: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What one of our ends wishes for.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Off,
    NoTakeover,
    Takeover,
    /// Context takeover, and a window of 9 bits for what we send.
    NineBits,
}

impl Mode {
    fn config(self, side: Side) -> Config {
        let mut deflate = match self {
            Self::Off => return Config::default(),
            Self::NoTakeover => Deflate::no_context_takeover(),
            Self::Takeover | Self::NineBits => Deflate::context_takeover(),
        };
        deflate.threshold = 0;
        if let Self::NineBits = self {
            let ours = match side {
                Side::Server => &mut deflate.params.server_max_window_bits,
                Side::Client => &mut deflate.params.client_max_window_bits,
            };
            *ours = WindowBits::new(9).expect("from 8 to 15");
        }
        let mut config = Config::default();
        config.deflate = Some(deflate);
        config
    }

    /// Bytes from a server in this mode that show that it compressed. A quarter of the script's
    /// 4.4 MB is sent as it is; 1 MiB of it does not shrink in 9 bits.
    fn most_bytes(self) -> u64 {
        match self {
            Self::Off => u64::MAX,
            Self::NoTakeover | Self::Takeover => 1_500_000,
            Self::NineBits => 2_500_000,
        }
    }
}

/// Servers in all modes share what they prepare. To each goes the script of a client at the same
/// time: `run` has the URL and what to offer. The modes come with that, and with what must be agreed
/// on.
fn our_servers<'a>(
    modes: [(Mode, &'a str, &'a str); 4],
    run: impl Fn(&str, &str) -> Result<Report> + Sync,
) -> Result<()> {
    let servers = EchoServers::new(&ALL_FORMS)?;
    let check = |mode: Mode, offer, agreed| -> Result<()> {
        let relay = Relay::start(servers.start(mode.config(Side::Server))?)?;
        let report = run(&relay.url("/"), offer)?;
        ensure!(report.agreed_on(agreed), "not {agreed:?}, but {report:?}");
        let sent = relay.from_server();
        ensure!(sent < mode.most_bytes(), "{sent} bytes came from the server");
        Ok(())
    };
    thread::scope(|scope| {
        let clients = modes.map(|(mode, offer, agreed)| {
            let check = &check;
            scope.spawn(move || check(mode, offer, agreed).with_context(|| format!("{mode:?}")))
        });
        clients.into_iter().try_for_each(|client| client.join().expect("it gives errors"))
    })?;
    let reused = servers.shared.reused();
    assert!(reused > 100, "{reused} times was a prepared message shared");
    Ok(())
}

/// Modes of our server, offers of a client that can do all, and what comes of them.
const SERVERS: [(Mode, &str, &str); 4] = [
    (Mode::Off, "takeover", ""),
    (Mode::NoTakeover, "no-takeover", WITHOUT),
    (Mode::Takeover, "takeover", WITH),
    (Mode::NineBits, "takeover", "permessage-deflate; server_max_window_bits=9"),
];

fn clients_of(peer: &Peer) -> Result<()> {
    let certificates = Certificates::generate()?;
    our_servers(SERVERS, |url, offer| {
        run_client(peer.command(), url, &certificates, &["--deflate", offer])
    })
}

/// The modes of our clients, which all connect to `peer` in the mode `option`, and what must be
/// agreed on. They share what they prepare.
async fn our_clients(peer: &Peer, option: &str, modes: [(Mode, &str); 4]) -> Result<()> {
    let certificates = Certificates::generate()?;
    let server = Server::peer(peer, Scheme::Plain, &certificates, &["--deflate", option])?;
    let shared = Shared::default();
    let mut clients = JoinSet::new();
    for (mode, agreed) in modes {
        let socket = Connect::new(&server.url("/")).config(mode.config(Side::Client)).await?;
        let got = socket.deflate().map_or_else(String::new, |agreed| agreed.to_string());
        ensure!(parts(&got) == parts(agreed), "{mode:?}: not {agreed:?}, but {got:?}");
        let talk = timeout(LIMIT, exchange(socket, shared.clone()));
        clients.spawn(async move { talk.await?.with_context(|| format!("{mode:?}")) });
    }
    while let Some(client) = clients.join_next().await {
        client?.with_context(|| server.process.description())?;
    }
    let reused = shared.reused();
    assert!(reused > 100, "{reused} times was a prepared message shared");
    Ok(())
}

/// Sends all messages, in all forms in turn, and expects them back.
async fn exchange(socket: WebSocket, shared: Shared) -> Result<()> {
    let messages = varied();
    let (mut sender, mut receiver) = socket.split();
    tokio::try_join!(
        send_all(&mut sender, &messages, &shared),
        expect_all(&mut receiver, &messages),
    )?;
    let closed = sender.close(longwire::CloseCode::NORMAL_CLOSURE).await;
    ensure!(closed.is_clean(), "{closed}");
    Ok(())
}

async fn send_all(sender: &mut Sender, messages: &[Message], shared: &Shared) -> Result<()> {
    for (message, form) in messages.iter().zip(ALL_FORMS.iter().cycle()) {
        shared.send(sender, message.clone(), *form).await?;
    }
    Ok(())
}

async fn expect_all(receiver: &mut Receiver, messages: &[Message]) -> Result<()> {
    for (i, message) in messages.iter().enumerate() {
        let got = receiver.recv().await?.context("the server closed")?;
        ensure!(got == *message, "message {i} of {} bytes: {} came back", message.len(), got.len());
    }
    Ok(())
}

/// Modes of our clients at a server that can do all.
const CLIENTS: [(Mode, &str); 4] = [
    (Mode::Off, ""),
    (Mode::NoTakeover, WITHOUT),
    (Mode::Takeover, WITH),
    (Mode::NineBits, "permessage-deflate; client_max_window_bits=9"),
];

mod arrive_at_the_client_of {
    use super::*;

    #[test]
    fn ws() -> Result<()> {
        clients_of(&node::find()?)
    }

    #[test]
    fn websockets() -> Result<()> {
        clients_of(&python::find()?)
    }

    #[test]
    fn jetty() -> Result<()> {
        clients_of(&java::find()?)
    }

    /// It knows no context takeover.
    #[test]
    fn gorilla() -> Result<()> {
        let peer = go::find()?;
        let certificates = Certificates::generate()?;
        let with_9_bits = [WITHOUT, "; server_max_window_bits=9"].concat();
        let modes = [
            (Mode::Off, "no-takeover", ""),
            (Mode::NoTakeover, "no-takeover", WITHOUT),
            (Mode::Takeover, "no-takeover", WITHOUT),
            (Mode::NineBits, "no-takeover", &*with_9_bits),
        ];
        our_servers(modes, |url, offer| {
            run_client(peer.command(), url, &certificates, &["--deflate", offer])
        })
    }

    /// It offers all by itself.
    #[test]
    fn node() -> Result<()> {
        let client = node::find_native()?;
        our_servers(SERVERS, |url, _| run_browser_like_client(client.command(), url, &[]))
    }
}

mod arrive_at_the_server_of {
    use super::*;

    #[tokio::test]
    async fn ws() -> Result<()> {
        our_clients(&node::find()?, "takeover", CLIENTS).await
    }

    #[tokio::test]
    async fn websockets() -> Result<()> {
        our_clients(&python::find()?, "takeover", CLIENTS).await
    }

    #[tokio::test]
    async fn jetty() -> Result<()> {
        our_clients(&java::find()?, "takeover", CLIENTS).await
    }

    #[tokio::test]
    async fn gorilla() -> Result<()> {
        let with_9_bits = [WITHOUT, "; client_max_window_bits=9"].concat();
        let modes = [
            (Mode::Off, ""),
            (Mode::NoTakeover, WITHOUT),
            (Mode::Takeover, WITHOUT),
            (Mode::NineBits, &*with_9_bits),
        ];
        our_clients(&go::find()?, "no-takeover", modes).await
    }
}
