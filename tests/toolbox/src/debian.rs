//! Packages of Debian: installed into the system, or unpacked beside it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cache;
use crate::command::{find_program, run};

/// Sees to it that the named packages are installed in the system, by `apt-get` as root or
/// through `sudo -n`. Where neither works, the error has the line to type.
pub fn ensure(packages: &[&str]) -> Result<()> {
    if missing(packages)?.is_empty() {
        return Ok(());
    }
    let _lock = cache::lock("apt")?;
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    let Some(prefix) = root_prefix() else {
        bail!(
            "Debian packages are missing, and this needs root; type: \
             sudo apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
    };
    let apt = |words: &[&str]| {
        let mut line: Vec<&str> = prefix.to_vec();
        line.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
        line.extend(["-o", "DPkg::Lock::Timeout=300"]);
        line.extend(words);
        run(Command::new(line[0]).args(&line[1..])).map(drop)
    };
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    // The lists on a machine may be older than the archive: refresh them only when they fail us.
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    Ok(())
}

/// Fails with the line to type unless all the named packages are installed. Never installs.
pub fn find(packages: &[&str]) -> Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    bail!("Debian packages {} are not installed: run `cargo xtask setup`", missing.join(", "));
}

/// Unpacks `packages` of the release `suite` (say "bullseye"), without what they depend on, into
/// `into`. Needs no root and leaves the system's own package lists alone: apt runs on lists of
/// its own under `into`, with the mirror that this machine already uses.
pub fn unpack(suite: &str, packages: &[&str], into: &Path) -> Result<()> {
    let apt = into.join(".apt");
    let downloads = apt.join("downloads");
    for dir in ["lists/partial", "cache/archives/partial", "downloads"] {
        fs::create_dir_all(apt.join(dir))?;
    }
    let mirror = mirror()?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(apt.join("sources.list"), format!("deb [signed-by={keys}] {mirror} {suite} main\n"))?;
    let path = |name: &str| apt.join(name).display().to_string();
    let options = [
        format!("Dir::Etc::SourceList={}", path("sources.list")),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        "Dir::Etc::Preferences=/dev/null".to_owned(),
        "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
        format!("Dir::State::Lists={}", path("lists")),
        format!("Dir::Cache={}", path("cache")),
        // Else apt would look for the versions that the system has installed.
        "Dir::State::status=/dev/null".to_owned(),
        "Acquire::Languages=none".to_owned(),
        // Old releases are no longer signed anew, and the signature itself is still checked.
        "Acquire::Check-Valid-Until=false".to_owned(),
        // The sandbox user cannot write into a cache that belongs to this user.
        format!("APT::Sandbox::User={}", run(Command::new("id").arg("-un"))?.trim()),
    ];
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.args(options.iter().flat_map(|option| ["-o", option])).current_dir(&downloads);
        command
    };
    run(apt_get().arg("update"))?;
    run(apt_get().arg("download").args(packages))?;
    for entry in fs::read_dir(&downloads)? {
        run(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(into))?;
    }
    fs::remove_dir_all(&apt).context("cannot remove apt's scratch folder")?;
    Ok(())
}

fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    if find_program("dpkg-query").is_none() {
        bail!(
            "this is no Debian; install by hand what its packages {} hold, \
             or run the tests in a Debian container",
            packages.join(", ")
        );
    }
    let installed = |package: &str| {
        let query = Command::new("dpkg-query")
            .args(["--show", "--showformat=${db:Status-Status}", package])
            .stderr(Stdio::null())
            .output();
        query.is_ok_and(|output| output.stdout == b"installed")
    };
    Ok(packages.iter().copied().filter(|package| !installed(package)).collect())
}

/// What to put before `apt-get`, or `None` where this user cannot become root unasked.
pub(crate) fn root_prefix() -> Option<&'static [&'static str]> {
    let succeeds = |program: &str, args: &[&str]| {
        Command::new(program).args(args).output().ok().filter(|output| output.status.success())
    };
    if succeeds("id", &["-u"])?.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    succeeds("sudo", &["-n", "true"]).map(|_| ["sudo", "-n"].as_slice())
}

/// The mirror from which this machine takes its own release.
fn mirror() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no VERSION_CODENAME")?
        .trim_matches('"');
    let targets = run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
        "Created-By: Packages",
    ]))?;
    mirror_of(codename, &targets)
        .with_context(|| format!("apt's sources have no mirror for Debian {codename}"))
}

fn mirror_of(codename: &str, targets: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let mut fields = line.split('|');
        let uri = fields.next()?;
        (fields.next()? == codename && fields.next()? == "main").then(|| uri.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_of_the_release_and_not_of_its_updates_or_of_third_parties() {
        let targets = "http://third/|bookworm|extra\n\
                       http://security/|bookworm-security|main\n\
                       http://mirror/debian/|bookworm|main\n";
        assert_eq!(mirror_of("bookworm", targets).as_deref(), Some("http://mirror/debian/"));
        assert_eq!(mirror_of("trixie", targets), None);
    }
}
