//! The hub by hand, with virtual time, over the broker in memory.

mod beginning;
mod connecting;
mod ends;
mod history;
mod lifetime;
mod limits;
mod policies;
mod publishing;
mod rates;
mod reader;
mod recovery;
mod requests;
mod support;
