//! The cache outside the tree: one folder a tool, installed once under a file lock.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

const STAMP: &str = ".recipe";

/// The cache folder, made if it is missing: `LONGWIRE_CACHE`, else `longwire` under
/// `XDG_CACHE_HOME`, else `~/.cache/longwire`.
pub fn dir() -> Result<PathBuf> {
    let dir = locate(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
        .context("no place for the cache: set LONGWIRE_CACHE to a folder, or HOME")?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot make the cache {}", dir.display()))?;
    Ok(dir)
}

fn locate(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("LONGWIRE_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("longwire")))
        .or_else(|| Some(variable("HOME")?.join(".cache/longwire")))
}

/// Something that is installed into a folder of the cache.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// The folder's name.
    pub name: &'static str,
    /// What the folder holds. Change it whenever the steps or a version in them change: a folder
    /// stamped with another version is thrown away and installed again.
    pub version: &'static str,
}

impl Recipe {
    /// The folder, if it is installed in this version. Never installs.
    pub fn find(&self) -> Result<PathBuf> {
        let dir = dir()?.join(self.name);
        if !self.is_stamped(&dir) {
            bail!("{} {} is not installed: run `cargo xtask setup`", self.name, self.version);
        }
        Ok(dir)
    }

    /// The folder, installed by `install` if it is missing or of another version.
    ///
    /// `install` gets the folder, empty, under its final path. A second process that wants the
    /// same recipe waits for the first.
    pub fn ensure(&self, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        self.ensure_in(&dir()?, install)
    }

    fn ensure_in(&self, root: &Path, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let dir = root.join(self.name);
        if self.is_stamped(&dir) {
            return Ok(dir);
        }
        let _lock = lock_in(root, self.name)?;
        if self.is_stamped(&dir) {
            return Ok(dir);
        }
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot clear {}", dir.display()))?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        install(&dir).with_context(|| format!("installing {} {}", self.name, self.version))?;
        // Last of all, so that an interrupted installation starts again.
        fs::write(dir.join(STAMP), self.version)
            .with_context(|| format!("cannot write the stamp in {}", dir.display()))?;
        Ok(dir)
    }

    fn is_stamped(&self, dir: &Path) -> bool {
        fs::read_to_string(dir.join(STAMP)).is_ok_and(|stamp| stamp == self.version)
    }
}

/// Waits for and takes the machine-wide lock `name`; dropping the file gives it back.
pub fn lock(name: &str) -> Result<File> {
    lock_in(&dir()?, name)
}

fn lock_in(root: &Path, name: &str) -> Result<File> {
    let path = root.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = env::temp_dir().join(format!("longwire-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("the temporary folder is writable");
        dir
    }

    #[test]
    fn the_most_specific_variable_names_the_cache() {
        let with = |names: &'static [&'static str]| {
            locate(move |name| names.contains(&name).then(|| Path::new("/x").join(name)))
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&["HOME"]), Some("/x/HOME/.cache/longwire".into()));
        assert_eq!(with(&["HOME", "XDG_CACHE_HOME"]), Some("/x/XDG_CACHE_HOME/longwire".into()));
        assert_eq!(
            with(&["HOME", "XDG_CACHE_HOME", "LONGWIRE_CACHE"]),
            Some("/x/LONGWIRE_CACHE".into())
        );
    }

    #[test]
    fn installs_once_a_version_and_again_after_a_failure() {
        let root = scratch("recipe");
        let one = Recipe { name: "tool", version: "1" };
        one.ensure_in(&root, |_| bail!("no network")).expect_err("the installer failed");
        let dir = one.ensure_in(&root, |dir| Ok(fs::write(dir.join("a"), "1")?)).expect("installs");
        one.ensure_in(&root, |_| panic!("installed already")).expect("is there");

        let two = Recipe { name: "tool", version: "2" };
        two.ensure_in(&root, |dir| {
            assert!(!dir.join("a").exists(), "the old version must be gone");
            Ok(())
        })
        .expect("installs the new version");
        assert!(!dir.join("a").exists());
        fs::remove_dir_all(&root).expect("the scratch folder goes");
    }
}
