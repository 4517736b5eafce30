//! permessage-deflate with other libraries, both roles: modes, windows, and bytes on the wire.

use std::process::Command;

use anyhow::{Context as _, Result};
use longwire::{Config, Deflate, WindowBits};
use longwire_tests::certificates::Certificates;
use longwire_tests::forms::{EchoServers, Form};
use longwire_tests::peers::{Scheme, Server, run_browser_like_client, run_client};
use longwire_tests::relay::Relay;
use longwire_toolbox::peer::Peer;
use longwire_toolbox::{go, java, node, python};

const TAKEOVER: &[&str] = &["--deflate", "takeover"];
const NO_TAKEOVER: &[&str] = &["--deflate", "no-takeover"];

/// What comes of [`TAKEOVER`] on both sides.
const WITH: &str = "permessage-deflate";
/// What comes of [`NO_TAKEOVER`] on either side.
const WITHOUT: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The script has 4.4 MB of messages, of which 0.16 MB are random. In a window of 9 bits the 1 MiB
/// binary does not shrink: it repeats after 251 bytes, and zlib's windows are shorter by 262.
const UNCOMPRESSED: u64 = 4_000_000;
const COMPRESSED: u64 = 1_000_000;
const COMPRESSED_IN_9_BITS: u64 = 2_000_000;

/// Runs the whole script by `client` with `options` against the server on `port`: `agreed` must be
/// agreed on, and both sides must keep to it.
fn check(client: Command, options: &[&str], port: u16, agreed: &str) -> Result<()> {
    let relay = Relay::start(port)?;
    let certificates = Certificates::generate()?;
    let report = run_client(client, &relay.url("/"), &certificates, options)
        .with_context(|| format!("{options:?}"))?;
    assert!(report.agreed_on(agreed), "{options:?}: {report:?}");
    let bounded = |parameter| agreed.contains(&format!("{parameter}_max_window_bits=9"));
    for (side, sent) in [("client", relay.from_client()), ("server", relay.from_server())] {
        let most = if bounded(side) { COMPRESSED_IN_9_BITS } else { COMPRESSED };
        assert!(sent < most, "{options:?}: {sent} bytes came from the {side}");
    }
    Ok(())
}

/// The options of a client, and what is to be agreed on.
type Cases<'a> = &'a [(&'a [&'a str], &'a str)];

/// Longwire's client against a peer's server with `options`.
fn our_client(peer: &Peer, options: &[&str], cases: Cases<'_>) -> Result<()> {
    let certificates = Certificates::generate()?;
    let server = Server::peer(peer, Scheme::Plain, &certificates, options)?;
    for (options, agreed) in cases {
        let client = Command::new(env!("CARGO_BIN_EXE_interop_client"));
        check(client, options, server.port, agreed)
            .with_context(|| server.process.description())?;
    }
    Ok(())
}

/// A peer's client against `longwire echo` with `options`.
fn our_server(peer: &Peer, options: &[&str], cases: Cases<'_>) -> Result<()> {
    let certificates = Certificates::generate()?;
    let server = Server::longwire(Scheme::Plain, &certificates, options)?;
    for (options, agreed) in cases {
        check(peer.command(), options, server.port, agreed)?;
    }
    Ok(())
}

mod the_server_of_ws {
    use super::*;

    #[test]
    fn keeps_its_context() -> Result<()> {
        our_client(&node::find()?, TAKEOVER, &[(TAKEOVER, WITH), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn forgets_its_context() -> Result<()> {
        our_client(&node::find()?, NO_TAKEOVER, &[(TAKEOVER, WITHOUT), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn agrees_on_windows() -> Result<()> {
        windows_of_our_client(&node::find()?)
    }
}

mod the_server_of_websockets {
    use super::*;

    #[test]
    fn keeps_its_context() -> Result<()> {
        our_client(&python::find()?, TAKEOVER, &[(TAKEOVER, WITH), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn forgets_its_context() -> Result<()> {
        our_client(&python::find()?, NO_TAKEOVER, &[(TAKEOVER, WITHOUT), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn agrees_on_windows() -> Result<()> {
        windows_of_our_client(&python::find()?)
    }
}

/// It knows no context takeover.
#[test]
fn the_server_of_gorilla_forgets_its_context() -> Result<()> {
    our_client(&go::find()?, NO_TAKEOVER, &[(TAKEOVER, WITHOUT), (NO_TAKEOVER, WITHOUT)])
}

mod the_server_of_jetty {
    use super::*;

    #[test]
    fn keeps_its_context() -> Result<()> {
        our_client(&java::find()?, TAKEOVER, &[(TAKEOVER, WITH), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn forgets_its_context() -> Result<()> {
        our_client(&java::find()?, NO_TAKEOVER, &[(TAKEOVER, WITHOUT), (NO_TAKEOVER, WITHOUT)])
    }
}

mod the_client_of_ws {
    use super::*;

    #[test]
    fn keeps_its_context() -> Result<()> {
        our_server(&node::find()?, TAKEOVER, &[(TAKEOVER, WITH), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn forgets_its_context() -> Result<()> {
        our_server(&node::find()?, NO_TAKEOVER, &[(TAKEOVER, WITHOUT), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn agrees_on_windows() -> Result<()> {
        windows_of_our_server(&node::find()?)
    }
}

mod the_client_of_websockets {
    use super::*;

    #[test]
    fn keeps_its_context() -> Result<()> {
        our_server(&python::find()?, TAKEOVER, &[(TAKEOVER, WITH), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn forgets_its_context() -> Result<()> {
        our_server(&python::find()?, NO_TAKEOVER, &[(TAKEOVER, WITHOUT), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn agrees_on_windows() -> Result<()> {
        windows_of_our_server(&python::find()?)
    }
}

#[test]
fn the_client_of_gorilla_forgets_its_context() -> Result<()> {
    for server in [TAKEOVER, NO_TAKEOVER] {
        our_server(&go::find()?, server, &[(NO_TAKEOVER, WITHOUT)])?;
    }
    Ok(())
}

/// Without a case that it cannot do: it keeps its context although the server's answer says
/// otherwise, unless its own offer did.
mod the_client_of_jetty {
    use super::*;

    #[test]
    fn keeps_its_context() -> Result<()> {
        our_server(&java::find()?, TAKEOVER, &[(TAKEOVER, WITH), (NO_TAKEOVER, WITHOUT)])
    }

    #[test]
    fn forgets_its_context() -> Result<()> {
        our_server(&java::find()?, NO_TAKEOVER, &[(NO_TAKEOVER, WITHOUT)])
    }
}

/// It inflates only, and sends all as it is.
#[test]
fn the_client_of_node_follows_either_mode() -> Result<()> {
    let client = node::find_native()?;
    let certificates = Certificates::generate()?;
    for (mode, agreed) in [(TAKEOVER, WITH), (NO_TAKEOVER, WITHOUT)] {
        let server = Server::longwire(Scheme::Plain, &certificates, mode)?;
        let relay = Relay::start(server.port)?;
        let report = run_browser_like_client(client.command(), &relay.url("/"), &[])?;
        assert!(report.agreed_on(agreed), "{report:?}");
        let (sent, received) = (relay.from_client(), relay.from_server());
        assert!(sent > UNCOMPRESSED && received < COMPRESSED, "{sent} sent, {received} received");
    }
    Ok(())
}

/// Windows of the server and of the client, as options and as agreed on.
const WINDOWS: [(&[&str], &str); 3] = [
    (
        &["--deflate", "takeover", "--server-bits", "9", "--client-bits", "12"],
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12",
    ),
    (
        &["--deflate", "takeover", "--server-bits", "12", "--client-bits", "9"],
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=9",
    ),
    (
        &["--deflate", "no-takeover", "--server-bits", "9", "--client-bits", "9"],
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=9; client_max_window_bits=9",
    ),
];

/// Windows that our client asks for, and those that the peer's server asks for.
fn windows_of_our_client(peer: &Peer) -> Result<()> {
    our_client(peer, TAKEOVER, &WINDOWS)?;
    WINDOWS
        .iter()
        .try_for_each(|(options, agreed)| our_client(peer, options, &[(TAKEOVER, agreed)]))
}

/// Windows that the peer's client asks for, and those that our server asks for.
fn windows_of_our_server(peer: &Peer) -> Result<()> {
    our_server(peer, TAKEOVER, &WINDOWS)?;
    for ((server, client), agreed) in [((9, 12), WINDOWS[0].1), ((12, 9), WINDOWS[1].1)] {
        let mut deflate = Deflate::context_takeover();
        deflate.params.server_max_window_bits = WindowBits::new(server).context("8 to 15")?;
        deflate.params.client_max_window_bits = WindowBits::new(client).context("8 to 15")?;
        let mut config = Config::default();
        config.deflate = Some(deflate);
        let servers = EchoServers::new(&[Form::Ordinary])?;
        check(peer.command(), TAKEOVER, servers.start(config)?, agreed)?;
    }
    Ok(())
}
