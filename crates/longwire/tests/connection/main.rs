//! The connection's task and its handles, over transports of the tests' own and a paused clock.

mod backpressure;
mod closing;
mod closing_faults;
mod drop;
mod ends;
mod keepalive;
mod ping;
mod pipe;
mod support;
