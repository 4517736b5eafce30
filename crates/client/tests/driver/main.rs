//! The client's task against a server of the tests' own, over pipes and with a paused clock.

mod cancel_safety;
mod closing;
mod connecting;
mod publishing;
mod subscribing;
mod support;
