//! The Autobahn testsuite: Python 2, run by Debian 11's `pypy`.
//!
//! Nothing of it enters the system: Debian's packages are unpacked into the cache, and the suite's
//! own packages are installed next to them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::Recipe;
use crate::command::run;
use crate::debian;

/// The suite's version, as its reports name it.
pub const VERSION: &str = "25.10.1";

const RECIPE: Recipe = Recipe { name: "autobahn", version: "25.10.1 on bullseye's PyPy, recipe 1" };

/// `pypy`, the libraries that Debian has dropped since, and headers: Twisted has a module in C.
const DEBIAN: &[&str] = &["pypy", "pypy-lib", "pypy-dev", "libexpat1", "libffi7", "libssl1.1"];

/// The last pip for Python 2.
const PIP: &str = "pip==20.3.4";

/// What the others need while they are built.
const BUILD_PACKAGES: &[&str] = &["incremental==16.10.1", "setuptools==44.1.1", "wheel==0.37.1"];

/// What the suite imports, in the versions it asks for. Left out: pyOpenSSL and cryptography
/// (see `SSL_STAND_IN`) and wsaccel, which speeds up other Pythons only.
const PACKAGES: &[&str] = &[
    "attrs==20.3.0",
    "autobahn==0.10.9",
    "autobahntestsuite==25.10.1",
    "Automat==0.8.0",
    "constantly==15.1.0",
    "hyperlink==19.0.0",
    "idna==2.10",
    "Jinja2==2.11.3",
    "klein==17.10.0",
    "linecache2==1.0.0",
    "MarkupSafe==1.1.1",
    "PyHamcrest==1.10.1",
    "service_identity==18.1.0",
    "six==1.16.0",
    "traceback2==1.4.0",
    "Twisted==19.10.0",
    "txaio==2.1.0",
    "unittest2==1.1.0",
    "Werkzeug==1.0.1",
    "zope.interface==4.7.1",
];

/// The suite names this class on plain connections too, and never uses it there.
const SSL_STAND_IN: &str = "\
\"\"\"Stands in for Twisted's module, which needs OpenSSL: the suite runs without TLS.\"\"\"


class ClientContextFactory(object):
    pass
";

/// An installed testsuite.
#[derive(Debug, Clone)]
pub struct Autobahn {
    home: PathBuf,
}

impl Autobahn {
    /// Its Python, ready to `import autobahntestsuite`. Output is not buffered.
    #[must_use]
    pub fn python(&self) -> Command {
        let mut python = pypy(&self.home);
        python.arg("-u").env("PYTHONPATH", self.home.join("site"));
        python
    }
}

/// The testsuite, installed if it is missing (a minute or two).
pub fn ensure() -> Result<Autobahn> {
    RECIPE.ensure(install).map(|home| Autobahn { home })
}

/// The testsuite, if it is installed.
pub fn find() -> Result<Autobahn> {
    RECIPE.find().map(|home| Autobahn { home })
}

fn install(home: &Path) -> Result<()> {
    debian::unpack("bullseye", DEBIAN, home)?;

    let wheels = home.join("wheels");
    if run(Command::new("python3").args(["-m", "pip", "--version"])).is_err() {
        debian::ensure(&["python3-pip"])?;
    }
    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(&wheels);
    run(download.arg(PIP)).context("fetching the last pip for Python 2")?;
    // Unpacked, because pip cannot read its certificates from within an archive.
    let wheel = only_entry(&wheels)?;
    run(pypy(home).args(["-m", "zipfile", "-e"]).arg(wheel).arg(home.join("pip")))?;

    let site = home.join("site");
    let pip = |packages: &[&str]| {
        let mut install = pypy(home);
        install.env("PYTHONPATH", &site).arg(home.join("pip/pip"));
        install.args(["install", "--quiet", "--no-compile", "--no-deps"]);
        install.args(["--no-build-isolation", "--upgrade", "--target"]).arg(&site);
        run(install.args(packages)).map(drop)
    };
    pip(BUILD_PACKAGES)?;
    pip(PACKAGES)?;

    // Its wheel counts on a .pth file, which `--target` folders do not honour.
    fs::write(site.join("zope/__init__.py"), "")?;
    fs::write(site.join("twisted/internet/ssl.py"), SSL_STAND_IN)?;
    let probe = "import autobahntestsuite; print(autobahntestsuite.version)";
    let version = run(Autobahn { home: home.to_owned() }.python().args(["-c", probe]))
        .context("the installed suite does not start")?;
    anyhow::ensure!(version.trim() == VERSION, "the installed suite says it is {version}");
    Ok(())
}

fn pypy(home: &Path) -> Command {
    let mut pypy = Command::new(home.join("usr/bin/pypy"));
    // The folder below usr/lib that is named for the machine's architecture.
    let libraries = fs::read_dir(home.join("usr/lib"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.join("libffi.so.7").exists());
    pypy.env("LD_LIBRARY_PATH", libraries.as_deref().map_or(OsStr::new(""), Path::as_os_str));
    // A caller's own Python must not leak in.
    pypy.env_remove("PYTHONHOME").env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1");
    pypy
}

fn only_entry(dir: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(dir)?;
    let first = entries.next().with_context(|| format!("{} is empty", dir.display()))??;
    Ok(first.path())
}
