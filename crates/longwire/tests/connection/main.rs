//! The connection's task and its handles, over transports of the tests' own and a paused clock.

mod closing;
mod closing_faults;
mod drop;
mod ends;
mod pipe;
mod support;
