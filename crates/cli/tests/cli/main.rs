//! The built binary, run as its users run it. Every wait has a deadline.

#![cfg(unix)]

mod bench;
mod channel;
mod check;
mod compression;
mod connect;
mod echo;
mod failures;
mod init;
mod json;
mod process;
mod scripted;
mod serve;
mod signals;
#[cfg(target_os = "linux")]
mod terminal;
mod tls;
mod token;
mod usage;
