//! A server whose files may not grow: for it that is a full disk, and nobody needs a disk of their own for it.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use longwire_tests::{
    binaries,
    survival::{Item, Server, assert_whole, history, request},
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

#[test]
fn a_full_disk_refuses_durable_publications_and_nothing_else_until_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start_with(&deaf(folder.path())?, folder.path(), SETTINGS)?;
    let mut number = 0;
    let mut publish = |server: &Server, channel: &str| {
        let line = format!("POST /v1/channels/{channel}/messages");
        number += 1;
        let item = Item { publisher: 0, number };
        let headers = [("Content-Type", "application/json")];
        let (status, answer) = request(server.address(), &line, &headers, &item.json())?;
        anyhow::Ok((status, answer["error"]["code"].as_str().unwrap_or_default().to_owned()))
    };
    let fine = (200, String::new());
    assert_eq!(publish(&server, "disk:a")?, fine);

    limit_files(&server, Some(0))?;
    for _ in 0..2 {
        assert_eq!(publish(&server, "disk:a")?, (507, "storage_full".to_owned()));
        assert_eq!(publish(&server, "disk:new")?, (507, "storage_full".to_owned()));
        assert_eq!(publish(&server, "memory:a")?, fine);
    }
    assert_eq!(history(server.address(), "disk:a")?.1.len(), 1);
    assert_eq!(history(server.address(), "memory:a")?.1.len(), 2);
    assert_eq!(request(server.address(), "GET /readyz", &[], "")?.0, 200, "clients may come");

    limit_files(&server, None)?;
    // It looks for room from time to time.
    let began = Instant::now();
    while publish(&server, "disk:a")? != fine {
        assert!(began.elapsed() < PATIENCE, "there is room, and nothing is taken");
    }
    for _ in 0..2 {
        assert_eq!(publish(&server, "disk:a")?, fine);
    }
    server.kill_and_start()?;
    assert_eq!(publish(&server, "disk:a")?, fine);
    let (_, seen) = history(server.address(), "disk:a")?;
    assert_whole("history", &seen);
    assert_eq!(seen.len(), 5, "what was refused is not there, what was acknowledged is: {seen:?}");
    Ok(())
}

/// The server without the signal that a limit of a file's size sends: then its writes fail, as on a full disk.
fn deaf(folder: &Path) -> Result<PathBuf> {
    let script = folder.join("longwire");
    let binary = binaries::longwire()?;
    fs::write(&script, format!("#!/bin/sh\ntrap '' XFSZ\nexec '{}' \"$@\"\n", binary.display()))?;
    fs::set_permissions(&script, Permissions::from_mode(0o700))?;
    Ok(script)
}

/// Bounds the length of files that the server writes.
fn limit_files(server: &Server, bytes: Option<u64>) -> Result<()> {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    prlimit(
        Some(pid.context("a process")?),
        Resource::Fsize,
        Rlimit { current: bytes, maximum: None },
    )?;
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(30);

const SETTINGS: &[&str] =
    &["namespaces.disk.durability=disk", "namespaces.memory.durability=memory"];
