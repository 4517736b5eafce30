//! The built binary, run as its users run it. Every wait has a deadline.

#![cfg(unix)]

mod bench;
mod compression;
mod connect;
mod echo;
mod failures;
mod json;
mod process;
mod scripted;
mod signals;
#[cfg(target_os = "linux")]
mod terminal;
mod tls;
mod usage;
