//! The machine by hand, with virtual time: each row of the tables of `specs/client.md` has a test named for it.

mod close;
mod connection;
mod model;
mod outcomes;
mod publications;
mod slow;
mod subscriptions;
mod support;
mod tokens;
mod verdicts;
