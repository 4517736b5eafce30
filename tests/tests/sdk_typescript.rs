//! The TypeScript client: its types, its committed build, and its own tests, some against `longwire serve`.

use std::fs;

use anyhow::{Context as _, Result};
use longwire_tests::binaries;
use longwire_toolbox::command::run;
use longwire_toolbox::sdk_typescript::{Package, source};
use tempfile::TempDir;

/// What is built, committed, and served as `/longwire.js`.
const BUILT: [&str; 2] = ["longwire.js", "longwire.d.ts"];

fn package() -> Result<(TempDir, Package)> {
    let root = tempfile::tempdir()?;
    let package = Package::copy_below(root.path())?;
    Ok((root, package))
}

#[test]
fn the_types_hold() -> Result<()> {
    let (_root, package) = package()?;
    run(&mut package.check()).map(drop)
}

/// So that `cargo run` needs no Node, and nobody has to trust a file that no source explains.
#[test]
fn what_is_committed_is_the_build_of_its_source() -> Result<()> {
    let (root, package) = package()?;
    let out = root.path().join("built");
    fs::create_dir(&out)?;
    run(package.script("scripts/build.js").arg(&out))?;
    for name in BUILT {
        let fresh = fs::read_to_string(out.join(name))?;
        let committed = fs::read_to_string(source().join("dist").join(name))
            .with_context(|| format!("sdk/typescript/dist/{name}"))?;
        assert!(
            fresh == committed,
            "sdk/typescript/dist/{name} is not the build of its source: run `npm run build` there"
        );
    }
    Ok(())
}

#[test]
fn it_behaves_as_specified() -> Result<()> {
    let (_root, package) = package()?;
    run(package.script("scripts/test.js").arg("unit")).map(drop)
}

#[test]
fn it_gets_along_with_the_server() -> Result<()> {
    let server = binaries::longwire()?;
    let (_root, package) = package()?;
    let mut tests = package.script("scripts/test.js");
    run(tests.arg("server").env("LONGWIRE_BIN", server)).map(drop)
}
