//! Clients of other libraries against `longwire echo`, with and without TLS.

use std::time::Duration;

use anyhow::Result;
use longwire_tests::certificates::Certificates;
use longwire_tests::peers::{Report, Scheme, Server, run_client};
use longwire_toolbox::peer::Peer;
use longwire_toolbox::{go, java, node, python};

/// The clients offer compression, and the server declines it.
fn check(client: &Peer, scheme: Scheme) -> Result<()> {
    let certificates = Certificates::generate()?;
    // The server's order is not the client's, and the client's counts (RFC 6455 section 4.1).
    let known = ["--subprotocol", "notes", "--subprotocol", "chat"];
    let server = Server::longwire(scheme, &certificates, &known)?;
    let run = |subprotocols: &[&str]| -> Result<Report> {
        let options = [&["--deflate", "no-takeover"], subprotocols].concat();
        let report = run_client(client.command(), &server.url("/"), &certificates, &options)?;
        assert!(report.agreed_on(""), "{report:?}");
        Ok(report)
    };
    let report = run(&["--subprotocol", "chat", "--subprotocol", "notes"])?;
    assert_eq!(report.subprotocol.as_deref(), Some("chat"), "{report:?}");
    let report = run(&[])?;
    assert_eq!(report.subprotocol, None, "{report:?}");

    server.process.terminate()?;
    let status = server.process.wait(Duration::from_secs(20))?;
    assert!(status.success(), "{}", server.process.description());
    Ok(())
}

macro_rules! clients {
    ($($name:ident => $tool:ident),+ $(,)?) => {$(
        mod $name {
            use super::*;

            #[test]
            fn agrees_on_the_whole_script() -> Result<()> {
                check(&$tool::find()?, Scheme::Plain)
            }

            #[test]
            fn agrees_on_the_whole_script_over_tls() -> Result<()> {
                check(&$tool::find()?, Scheme::Tls)
            }
        }
    )+};
}

clients! {
    the_client_of_ws => node,
    the_client_of_websockets => python,
    the_client_of_gorilla => go,
    the_client_of_jetty => java,
}
