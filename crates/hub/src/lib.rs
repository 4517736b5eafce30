//! The hub: sessions, channels, subscriptions, positions and recovery, as a machine without I/O.
//!
//! - [`Hub`] takes [`Input`]s and gives [`Effect`]s. Time, randomness and storage are handed to it.
//! - [`broker`] is where streams live: the trait, and its implementations in memory and on disk.
//! - [`Namespaces`], [`HubConfig`] and [`Permissions`] say what is allowed, and how much of it.

pub mod broker;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod effect;
mod hub;
mod identity;
mod input;
mod namespace;
mod operation;
#[cfg_attr(
    not(feature = "simulation"),
    allow(unreachable_pub, reason = "seen from outside with the feature alone")
)]
mod random;
#[cfg(feature = "simulation")]
pub mod simulation;
mod stats;

pub use config::HubConfig;
pub use effect::{Effect, Target};
pub use hub::Hub;
pub use identity::{Action, Actions, Identity, Permissions};
pub use input::{Credentials, Denied, Input, InvalidSession, Now, PipeInfo, SessionId, Transport};
pub use namespace::{Access, Durability, Namespace, Namespaces, Policies, Retention, Who};
pub use operation::{Answer, ChannelInfo, ConnectionInfo, Operation, Whom};
pub use stats::{Recoveries, Stats, Subscriptions};
