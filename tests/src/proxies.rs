//! Reverse proxies in front of a server, started with a configuration of the test's own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use longwire_toolbox::proxies::{self, Proxies};
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::peers::{START_LIMIT, Scheme};
use crate::ports;
use crate::processes::Process;

/// The kinds of proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// nginx with the `Upgrade` and `Connection` headers passed on.
    Nginx,
    /// `haproxy` in HTTP mode.
    Haproxy,
    /// Apache httpd with `mod_proxy_wstunnel`, which passes bytes on after the opening handshake.
    ApacheTunnel,
    /// Apache httpd with `mod_proxy_http` and `upgrade=websocket`, its newer way.
    ApacheUpgrade,
}

/// A reverse proxy that is listening. Dropping it ends the process.
#[derive(Debug)]
pub struct ReverseProxy {
    process: Process,
    port: u16,
    scheme: Scheme,
    _folder: TempDir,
}

impl ReverseProxy {
    /// Starts a proxy to the plain server on the port `backend`. With [`Scheme::Tls`] the proxy
    /// ends TLS.
    pub fn start(
        kind: Kind,
        scheme: Scheme,
        certificates: &Certificates,
        backend: u16,
    ) -> Result<Self> {
        let programs = proxies::find()?;
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let setting = Setting { programs: &programs, certificates, scheme, backend };
        let (process, port) = match kind {
            Kind::Haproxy => start_haproxy(&setting, folder.path())?,
            Kind::Nginx => ports::retry(|port| start_nginx(&setting, folder.path(), port))?,
            Kind::ApacheTunnel | Kind::ApacheUpgrade => {
                ports::retry(|port| start_apache(&setting, kind, folder.path(), port))?
            }
        };
        Ok(Self { process, port, scheme, _folder: folder })
    }

    /// The URL of `path` through this proxy.
    pub fn url(&self, path: &str) -> String {
        self.scheme.url(self.port, path)
    }

    /// The proxy's state and log, for failure messages.
    pub fn description(&self) -> String {
        self.process.description()
    }
}

/// What goes into a configuration.
struct Setting<'a> {
    programs: &'a Proxies,
    certificates: &'a Certificates,
    scheme: Scheme,
    backend: u16,
}

/// Starts nginx as one process in the foreground.
fn start_nginx(setting: &Setting<'_>, folder: &Path, port: u16) -> Result<(Process, u16)> {
    let Setting { programs, certificates, scheme, backend } = setting;
    let (ssl, identity) = match scheme {
        Scheme::Plain => ("", String::new()),
        Scheme::Tls => (
            " ssl",
            format!(
                "ssl_certificate {}; ssl_certificate_key {};",
                certificates.certificate().display(),
                certificates.key().display()
            ),
        ),
    };
    let file = folder.join("nginx.conf");
    let configuration = format!(
        r#"
daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port}{ssl};
        {identity}
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"#
    );
    fs::write(&file, configuration)?;
    let mut command = Command::new(&programs.nginx);
    command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    let process = Process::start(command)?;
    // It writes this line after it has opened its ports.
    process.wait_for_error_line(START_LIMIT, "event method")?;
    Ok((process, port))
}

/// Starts `haproxy` as one process in the foreground, on a socket that listens already.
fn start_haproxy(setting: &Setting<'_>, folder: &Path) -> Result<(Process, u16)> {
    let Setting { programs, certificates, scheme, backend } = setting;
    let identity = match scheme {
        Scheme::Plain => String::new(),
        Scheme::Tls => format!(" ssl crt {}", certificates.combined().display()),
    };
    let file = folder.join("haproxy.conf");
    let configuration = format!(
        "
global
    log stderr format raw local0 notice
    maxconn 256
defaults
    mode http
    log global
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    timeout tunnel 60s
frontend entry
    bind fd@0{identity}
    default_backend longwire
backend longwire
    server longwire 127.0.0.1:{backend}
"
    );
    fs::write(&file, configuration)?;
    let mut command = Command::new(&programs.haproxy);
    command.arg("-db").arg("-f").arg(&file);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    Ok((Process::start_on(command, listener)?, port))
}

/// Starts Apache in the foreground with one worker process, which ends when its parent does.
fn start_apache(
    setting: &Setting<'_>,
    kind: Kind,
    folder: &Path,
    port: u16,
) -> Result<(Process, u16)> {
    let Setting { programs, certificates, scheme, backend } = setting;
    let mut modules = vec!["mpm_event", "authz_core", "proxy"];
    let target = if kind == Kind::ApacheTunnel {
        modules.push("proxy_wstunnel");
        format!("\"ws://127.0.0.1:{backend}/\"")
    } else {
        modules.push("proxy_http");
        format!("\"http://127.0.0.1:{backend}/\" upgrade=websocket")
    };
    let identity = match scheme {
        Scheme::Plain => String::new(),
        Scheme::Tls => {
            modules.push("ssl");
            format!(
                "SSLEngine on\nSSLCertificateFile \"{}\"\nSSLCertificateKeyFile \"{}\"",
                certificates.certificate().display(),
                certificates.key().display()
            )
        }
    };
    let load = |name: &&str| {
        format!("LoadModule {name}_module \"{}/mod_{name}.so\"", programs.apache_modules.display())
    };
    let modules = modules.iter().map(load).collect::<Vec<_>>().join("\n");
    let file = folder.join("apache.conf");
    // User and Group count only for root, as whom Apache refuses to serve.
    let configuration = format!(
        r#"
{modules}
PidFile "{folder}/apache.pid"
ErrorLog /dev/stderr
LogLevel notice
User nobody
Group nogroup
ServerName localhost
Listen 127.0.0.1:{port}
StartServers 1
ServerLimit 1
MinSpareThreads 1
ThreadLimit 32
ThreadsPerChild 32
MaxRequestWorkers 32
{identity}
ProxyPreserveHost On
ProxyPass "/" {target}
"#,
        folder = folder.display()
    );
    fs::write(&file, configuration)?;
    let mut command = Command::new(&programs.apache);
    command.arg("-DFOREGROUND").arg("-d").arg(folder).arg("-f").arg(&file);
    let process = Process::start(command)?;
    process.wait_for_error_line(START_LIMIT, "resuming normal operations")?;
    Ok((process, port))
}
