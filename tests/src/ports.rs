//! Free ports for programs that cannot choose one by themselves.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;

/// How often [`retry`] tries.
const ATTEMPTS: usize = 5;

/// Runs `start` with a port of 127.0.0.1 that was free a moment ago, and again with another one
/// when the port was taken in between, which the error then says in one of the programs' ways.
pub fn retry<T>(mut start: impl FnMut(u16) -> Result<T>) -> Result<T> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match start(free()?) {
            Err(error) if attempts < ATTEMPTS && says_taken(&format!("{error:#}")) => {}
            outcome => return outcome,
        }
    }
}

fn free() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn says_taken(error: &str) -> bool {
    ["Address already in use", "cannot bind socket"].iter().any(|words| error.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_port_that_was_taken_is_replaced_and_other_errors_are_not_hidden() {
        let mut ports = Vec::new();
        let got = retry(|port| {
            ports.push(port);
            if ports.len() < 3 {
                bail!("bind: Address already in use");
            }
            Ok(port)
        });
        assert_eq!(got.expect("the third port is free"), ports[2]);

        let mut calls = 0;
        let error = retry(|_| -> Result<()> {
            calls += 1;
            bail!("unknown directive")
        });
        assert_eq!(
            (error.expect_err("fails").to_string().as_str(), calls),
            ("unknown directive", 1)
        );
    }
}
