//! A load generator for WebSocket servers.
//!
//! [`run`] carries out a [`Plan`] and gives a [`Report`]: connections that send messages in a closed
//! or an open loop, broadcasts, opening handshakes, or idle connections and their memory. Every byte
//! that comes back is compared with what was sent, latencies go into HDR histograms, and in an open
//! loop they count from the instant at which a message was due, so that a server that stops for a
//! while cannot hide it.
//!
//! It drives the core of `longwire-proto` by threads of their own, each with one poll over its share
//! of the connections. The command `longwire bench` is a thin layer over it.
//!
//! ```no_run
//! use longwire_load::{Pace, Plan, Stop, Workload, run};
//! use longwire_proto::{WsUri, handshake::ClientRequest};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = ClientRequest::new(WsUri::parse("ws://127.0.0.1:9001")?);
//! let mut plan = Plan::new(request);
//! plan.workload = Workload::Echo(Pace::Rate(10_000.0));
//! let report = run(&plan, &Stop::default(), None)?;
//! println!("{:?}", report.latency_us);
//! # Ok(())
//! # }
//! ```

mod client;
mod content;
mod crew;
mod dialogue;
mod error;
mod frames;
pub mod json;
mod latency;
mod link;
mod plan;
pub mod process;
pub mod random;
mod report;
mod run;
mod schedule;
mod shared;
mod slice;
mod target;
mod worker;

pub use self::{
    content::Kind,
    crew::Stop,
    error::LoadError,
    latency::Latency,
    plan::{Pace, Plan, Until, Workload},
    report::{Compression, Load, Memory, Report, Server},
    run::{Progress, Stage, run},
    slice::Point,
};
