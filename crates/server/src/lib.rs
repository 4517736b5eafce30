//! The Longwire server: durable channels over WebSocket, server-sent events and HTTP.
//!
//! [`Server::start`] takes a [`Config`](config::Config) and serves until [`Running::shutdown`]:
//!
//! ```no_run
//! # async fn run() -> Result<(), longwire_server::StartError> {
//! use longwire_server::{Server, config::Config};
//!
//! let running = Server::start(Config::default()).await?;
//! println!("listening on http://{}", running.local_addr());
//! // ... until somebody asks for the end ...
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! - [`config`] is what can be set, and where from.
//! - [`auth`] is who may come in; [`auth::Authoriser`] is the seam for other ways to tell.
//!
//! Events of `tracing` say what happens; the program installs who listens to them.

mod app;
pub mod auth;
pub mod config;
mod development;
mod error;
mod faces;
mod http;
mod listener;
mod metrics;
mod node;
mod origins;
mod pipe;
mod server;
mod settings;
mod storage;
mod upgrade;

pub use self::{
    error::StartError,
    server::{Ended, Running, Server},
};
