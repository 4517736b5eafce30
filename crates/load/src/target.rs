//! The server: its address, what TLS trusts, and a socket on the way to it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs},
    path::Path,
    sync::Arc,
};

use longwire_proto::WsUri;
use mio::net::TcpStream as Socket;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::{Domain, Type};

use crate::{LoadError, Plan, link::Link};

/// Where connections go.
#[derive(Debug)]
pub(crate) struct Target {
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Target {
    /// Resolves the name, and reads the certificates.
    pub(crate) fn new(plan: &Plan) -> Result<Self, LoadError> {
        let uri = &plan.request.uri;
        let address = resolve(plan)?;
        let sources = SOURCES * PER_SOURCE;
        if address.ip().is_loopback() && plan.all_connections() > sources {
            return Err(LoadError::Plan(format!(
                "one machine has ports for {sources} connections to itself; use fewer"
            )));
        }
        let tls = uri.is_secure().then(|| tls(uri, plan.ca.as_deref())).transpose()?;
        Ok(Self { address, tls })
    }

    /// Begins to connect as client number `index`, from 0.
    pub(crate) fn dial(&self, index: usize) -> Result<Link, String> {
        let socket = self.socket(index).map_err(|error| self.unreachable(&error))?;
        let socket = Socket::from_std(socket.into());
        match &self.tls {
            None => Ok(Link::plain(socket)),
            Some((config, name)) => ClientConnection::new(Arc::clone(config), name.clone())
                .map(|session| Link::tls(socket, session))
                .map_err(|error| format!("TLS cannot begin: {error}")),
        }
    }

    fn socket(&self, index: usize) -> io::Result<socket2::Socket> {
        let socket = socket2::Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = self.source(index) {
            socket.bind(&SocketAddr::new(source.into(), 0).into())?;
        }
        match socket.connect(&self.address.into()) {
            // Under way: the socket becomes writable when it is decided.
            Err(error) if !is_under_way(&error) => Err(error),
            _ => Ok(socket),
        }
    }

    /// On loopback every 5,000 clients get a source address of their own, so ports never run out.
    /// Only Linux has all of 127.0.0.0/8.
    fn source(&self, index: usize) -> Option<Ipv4Addr> {
        let loopback = matches!(self.address.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let host = index / PER_SOURCE % SOURCES + 1;
        let host = u8::try_from(host).expect("sources are fewer than 256");
        (cfg!(target_os = "linux") && loopback && host > 1).then(|| Ipv4Addr::new(127, 0, 0, host))
    }

    /// What to say of a connection that fails before it is there.
    pub(crate) fn unreachable(&self, error: &io::Error) -> String {
        let cure = match error.kind() {
            io::ErrorKind::ConnectionRefused => "; start the server, or check the port",
            io::ErrorKind::AddrNotAvailable => {
                "; this machine has no free port left to connect from: use fewer connections"
            }
            _ if error.raw_os_error() == Some(TOO_MANY_FILES) => {
                "; raise the limit of open files by `ulimit -n`, or use fewer connections"
            }
            _ => "",
        };
        format!("no connection to {}: {error}{cure}", self.address)
    }
}

/// The first address that takes a connection, where there is a choice.
fn resolve(plan: &Plan) -> Result<SocketAddr, LoadError> {
    let uri = &plan.request.uri;
    let fail = |fault: String| LoadError::Opening { connection: 0, fault };
    let addresses: Vec<_> = (uri.host(), uri.port())
        .to_socket_addrs()
        .map_err(|error| fail(format!("{} has no address: {error}; check the name", uri.host())))?
        .collect();
    match addresses[..] {
        [] => Err(fail(format!("{} has no address; check the name", uri.host()))),
        [address] => Ok(address),
        [first, ..] => {
            let takes =
                |address: &&SocketAddr| TcpStream::connect_timeout(address, plan.timeout).is_ok();
            // If none does, the first connection tells why.
            Ok(*addresses.iter().find(takes).unwrap_or(&first))
        }
    }
}

fn tls(
    uri: &WsUri,
    ca: Option<&Path>,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), LoadError> {
    let host = uri.host();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        LoadError::Plan(format!("{host:?} cannot be the name in a certificate; use a DNS name"))
    })?;
    let roots = match ca {
        Some(path) => file_roots(path).map_err(|why| {
            LoadError::Machine(format!("{}: the certificates {why}", path.display()))
        })?,
        None => native_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), name))
}

fn file_roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let unreadable = |error| format!("cannot be read: {error}; give a PEM file");
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots.add(certificate).map_err(|error| format!("cannot be trusted as roots: {error}"))?;
    }
    if roots.is_empty() {
        return Err("are missing; give a PEM file with BEGIN CERTIFICATE".to_owned());
    }
    Ok(roots)
}

fn native_roots() -> Result<RootCertStore, LoadError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // A store often holds a few that are not usable.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(LoadError::Machine(
            "the system has no usable store of certificate authorities; install the package \
             ca-certificates, or give a PEM file by Plan::ca"
                .to_owned(),
        ));
    }
    Ok(roots)
}

fn is_under_way(error: &io::Error) -> bool {
    // Windows says the second, others the first.
    error.raw_os_error() == Some(IN_PROGRESS) || error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(unix)]
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
#[cfg(not(unix))]
const IN_PROGRESS: i32 = 10_036;

#[cfg(unix)]
const TOO_MANY_FILES: i32 = rustix::io::Errno::MFILE.raw_os_error();
#[cfg(not(unix))]
const TOO_MANY_FILES: i32 = 10_024;

/// Connections a source address: well below the 28,000 ports that Linux hands out.
const PER_SOURCE: usize = 5000;

/// Source addresses: 127.0.0.1 to 127.0.0.250.
const SOURCES: usize = 250;
