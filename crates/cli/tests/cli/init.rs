//! `longwire init`: a configuration that works as it is, for its owner's eyes alone.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use crate::process::{Ended, Process, longwire};

fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    Process::spawn(longwire(arguments).current_dir(folder)).wait()
}

#[test]
fn it_writes_a_file_for_its_owner_alone_that_check_takes() {
    let folder = TempDir::new().expect("a temporary folder");
    let init = run_in(folder.path(), &["init"]);
    init.assert_quiet_success();
    assert!(init.text().starts_with("wrote longwire.toml\n"), "{}", init.text());
    let file = folder.path().join("longwire.toml");
    let mode = fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let check = run_in(folder.path(), &["check", "--set", "listen=127.0.0.1:0"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(
        check.text().starts_with("ok       file   longwire.toml is valid\n"),
        "{}",
        check.text()
    );
}

#[test]
fn two_files_have_no_key_in_common() {
    let folder = TempDir::new().expect("a temporary folder");
    let keys_of = |name: &str| {
        run_in(folder.path(), &["init", "--prod", name]).assert_quiet_success();
        let text = fs::read_to_string(folder.path().join(name)).expect("it was written");
        let keys = text
            .lines()
            .filter(|line| line.starts_with("hmac_secret = \"") || line.starts_with("key = \""));
        keys.map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, two) = (keys_of("one.toml"), keys_of("two.toml"));
    assert_eq!((one.len(), two.len()), (2, 2));
    assert!(one.iter().all(|key| key.len() > 64 && !two.contains(key)), "{one:?} {two:?}");
}

#[test]
fn it_replaces_nothing_unless_that_is_asked_for() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("longwire.toml");
    fs::write(&file, "# mine\n").expect("it is writable");
    run_in(folder.path(), &["init"]).assert_failed(
        1,
        "longwire.toml is there already and holds keys; name another file, or replace it by --force",
    );
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "# mine\n");
    run_in(folder.path(), &["init", "--force"]).assert_quiet_success();
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    run_in(folder.path(), &["init", "no/such/folder.toml"])
        .assert_failed(1, "no/such/folder.toml cannot be written: make its folder first");
}

#[test]
fn what_it_prints_next_works() {
    let folder = TempDir::new().expect("a temporary folder");
    let init = run_in(folder.path(), &["init", "--prod", "my.toml"]);
    let next = init.text().lines().find_map(|line| line.strip_prefix("token ")).expect("a line");
    let arguments = next.trim().strip_prefix("longwire ").expect("this command").replace('\'', "");
    let token = run_in(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(token.code, Some(0), "{token:?}");
    assert_eq!(token.text().trim_end().split('.').count(), 3, "{token:?}");
}
