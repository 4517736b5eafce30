//! The peers against each other, without Longwire: what fails here is the harness or a peer.

use anyhow::Result;
use longwire_tests::certificates::Certificates;
use longwire_tests::peers::{Report, SUBPROTOCOL, Scheme, Server, run_client};
use longwire_toolbox::peer::Peer;
use longwire_toolbox::{go, java, node, python};

fn check(client: &Peer, server: &Peer) -> Result<()> {
    let certificates = Certificates::generate()?;
    let run = |scheme, deflate: &[&str]| -> Result<Report> {
        let server = Server::peer(server, scheme, &certificates, deflate)?;
        let options = [&["--subprotocol", SUBPROTOCOL], deflate].concat();
        let report = run_client(client.command(), &server.url("/"), &certificates, &options)?;
        assert_eq!(report.subprotocol.as_deref(), Some(SUBPROTOCOL), "{report:?}");
        Ok(report)
    };
    let report = run(Scheme::Plain, &["--deflate", "no-takeover"])?;
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert!(report.agreed_on(both), "{report:?}");
    let report = run(Scheme::Tls, &[])?;
    assert!(report.agreed_on(""), "{report:?}");
    Ok(())
}

#[test]
fn the_client_of_ws_agrees_with_the_server_of_websockets() -> Result<()> {
    check(&node::find()?, &python::find()?)
}

#[test]
fn the_client_of_websockets_agrees_with_the_server_of_gorilla() -> Result<()> {
    check(&python::find()?, &go::find()?)
}

#[test]
fn the_client_of_gorilla_agrees_with_the_server_of_jetty() -> Result<()> {
    check(&go::find()?, &java::find()?)
}

#[test]
fn the_client_of_jetty_agrees_with_the_server_of_ws() -> Result<()> {
    check(&java::find()?, &node::find()?)
}
