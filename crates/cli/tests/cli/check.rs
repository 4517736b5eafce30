//! `longwire check`: one line for each thing, and an exit code that scripts can use.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use crate::process::{Ended, Process, longwire};

fn check(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = longwire(&["check"]);
    Process::spawn(command.args(arguments).current_dir(folder)).wait()
}

/// The line about this.
fn line<'a>(ended: &'a Ended, subject: &str) -> &'a str {
    let mut lines = ended.text().lines();
    let found = lines.find(|line| line.get(9..).is_some_and(|rest| rest.starts_with(subject)));
    found.unwrap_or_else(|| panic!("no line {subject}: {ended:?}"))
}

#[test]
fn a_folder_without_a_file_is_fine_and_stays_empty() {
    let folder = TempDir::new().expect("a temporary folder");
    let ended = check(folder.path(), &["--set", "listen=127.0.0.1:0"]);
    ended.assert_quiet_success();
    assert!(line(&ended, "file").contains("there is no longwire.toml"), "{ended:?}");
    assert!(line(&ended, "auth").contains("development mode"), "{ended:?}");
    assert!(line(&ended, "fsync").contains("at the median"), "{ended:?}");
    assert!(line(&ended, "clock").starts_with("ok "), "{ended:?}");
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn what_keeps_a_server_from_serving_is_an_error() {
    let folder = TempDir::new().expect("a temporary folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = format!("listen={}", listener.local_addr().expect("it is bound"));
    fs::write(folder.path().join("file"), "").expect("it is writable");
    let ended = check(folder.path(), &["--set", &listen, "--set", "data=file"]);
    ended.assert_failed(1, "there are 2 errors: the server would not serve");
    assert!(line(&ended, "port").contains("another program listens there"), "{ended:?}");
    assert!(line(&ended, "data").starts_with("error "), "{ended:?}");
    let ended = check(folder.path(), &["--set", "listen=0.0.0.0:0"]);
    ended.assert_failed(1, "there is an error: the server would not serve");
    assert!(line(&ended, "auth").starts_with("error "), "{ended:?}");
}

#[test]
fn a_wrong_file_is_an_error_that_names_the_place() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("a.toml");
    fs::write(&file, "listen = \"127.0.0.1:0\"\nlimits = [\n").expect("it is writable");
    let ended = check(folder.path(), &["a.toml"]);
    assert_eq!(ended.code, Some(1));
    let found = line(&ended, "file");
    assert!(found.starts_with("error ") && found.contains("a.toml"), "{ended:?}");
    let ended = check(folder.path(), &["missing.toml"]);
    assert_eq!(ended.code, Some(1));
    assert!(line(&ended, "file").contains("missing.toml cannot be read"), "{ended:?}");
}

#[test]
fn what_will_hurt_later_is_a_warning() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("longwire.toml");
    let secret = "s".repeat(32);
    let text = format!("listen = \"127.0.0.1:0\"\nauth.hmac_secret = \"{secret}\"\n");
    fs::write(&file, text).expect("it is writable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let ended = check(folder.path(), &["--set", "limits.connections=4000000000"]);
    ended.assert_quiet_success();
    assert!(ended.text().contains("chmod o= longwire.toml"), "{ended:?}");
    assert!(!ended.text().contains(&secret), "{ended:?}");
    assert!(line(&ended, "files").starts_with("warning "), "{ended:?}");
}
