//! Client of Longwire's channels.

mod error;
mod event;
pub mod machine;

pub use longwire_channel as channel;

pub use error::{Cause, HistoryError, PublishError, SubscribeError, TokenError, Unanswered};
pub use event::{ConnectionState, Event, Lost, Message, Session, Stats, SubscriptionState};
