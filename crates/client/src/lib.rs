//! A client of Longwire's channels that survives lost connections: each record once, in order, and every loss told.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use longwire_client::{Client, Event, channel::{Payload, Start}};
//!
//! let client = Client::connect("ws://localhost:8000/v1/connect");
//! let position = client.publish("news", Payload::text("hello")).await?;
//! let mut news = client.subscribe("news").start(Start::Beginning).await?;
//! while let Some(event) = news.recv().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {:?}", message.record.seq, message.record.payload);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! While the process lives, over any number of lost connections and restarts of the server:
//!
//! - a [`Subscription`] gives each record once, in the order of its channel. What cannot be had any more is told, as
//!   [`Event::Lost`] or [`Event::Reset`];
//! - a publication is answered once: with its position, with the server's refusal, as
//!   [`NotSent`](PublishError::NotSent), or as [`Unknown`](PublishError::Unknown). It is stored once however often it is
//!   sent, within the namespace's window of idempotency;
//! - memory is bounded. An application that does not read pauses its own subscription and no other.
//!
//! `specs/client.md` has every state and transition; the SDK for TypeScript follows the same page.
//!
//! # Structure
//!
//! [`machine::Machine`] is all of the behaviour, without I/O. A task drives it, one a client, over a
//! [`longwire::WebSocket`]. [`Client`] and [`Subscription`] are handles of that task.

mod client;
mod driver;
mod error;
mod event;
mod history;
mod inbox;
pub mod machine;
mod opening;
mod publish;
mod shared;
mod subscription;

pub use longwire_channel as channel;

pub use client::{Builder, Client, States};
pub use error::{Cause, HistoryError, PublishError, SubscribeError, TokenError, Unanswered};
pub use event::{ConnectionState, Event, Lost, Message, Session, Stats, SubscriptionState};
pub use history::{AskHistory, Page};
pub use publish::{Answer, Publishing};
pub use subscription::{Subscribing, Subscription};
