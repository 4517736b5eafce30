//! nginx, `haproxy` and Apache httpd, as Debian packages them, without their services.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{find_program, run};
use crate::debian;

/// The reverse proxies' programs. Tests start them with a configuration of their own.
#[derive(Debug, Clone)]
pub struct Proxies {
    /// nginx.
    pub nginx: PathBuf,
    /// `haproxy`.
    pub haproxy: PathBuf,
    /// Apache httpd.
    pub apache: PathBuf,
    /// The folder of Apache's loadable modules (`mod_*.so`).
    pub apache_modules: PathBuf,
}

/// Installs what is missing. A service that an installation would enable stays off.
pub fn ensure() -> Result<Proxies> {
    if let Ok(found) = find() {
        return Ok(found);
    }
    // Debian's `apache2-bin` is Apache without its service.
    debian::ensure(&["apache2-bin"])?;
    for name in ["nginx", "haproxy"] {
        if locate(name).is_err() {
            install_without_service(name)?;
        }
    }
    find()
}

/// The programs, if all are installed.
pub fn find() -> Result<Proxies> {
    let apache_modules = PathBuf::from("/usr/lib/apache2/modules");
    if !apache_modules.join("mod_proxy_wstunnel.so").is_file() {
        bail!("Apache's modules are not in {}: {SETUP}", apache_modules.display());
    }
    Ok(Proxies {
        nginx: locate("nginx")?,
        haproxy: locate("haproxy")?,
        apache: locate("apache2")?,
        apache_modules,
    })
}

const SETUP: &str = "run `cargo xtask setup`";

/// The program on the PATH or where Debian puts daemons, which a user's PATH may leave out.
fn locate(program: &str) -> Result<PathBuf> {
    let debian = Path::new("/usr/sbin").join(program);
    match find_program(program) {
        Some(path) => Ok(path),
        None if debian.is_file() => Ok(debian),
        None => bail!("{program} is not installed: {SETUP}"),
    }
}

/// Installs the package of a daemon whose service has the same name, and leaves the service
/// disabled. It is masked during the installation, which would start it otherwise.
fn install_without_service(name: &str) -> Result<()> {
    let systemctl = |verb: &str| match (find_program("systemctl"), debian::root_prefix()) {
        (Some(program), Some(prefix)) => {
            let mut line: Vec<PathBuf> = prefix.iter().map(PathBuf::from).collect();
            line.extend([program, verb.into(), name.into()]);
            run(Command::new(&line[0]).args(&line[1..])).map(drop)
        }
        _ => Ok(()), // no systemd, nothing to keep off; or no root, and the installation says so
    };
    systemctl("mask")?;
    let installed = debian::ensure(&[name]);
    // Before the mask goes, so that the unit cannot be started in between.
    let disabled = if installed.is_ok() { systemctl("disable") } else { Ok(()) };
    systemctl("unmask")?;
    installed.and(disabled)
}
