//! The connection's task and its handles, over transports of the tests' own and a paused clock.

mod attended;
mod attended_wakes;
mod backpressure;
mod cancel_safety;
mod closing;
mod closing_faults;
mod compression;
mod computing;
mod drop;
mod ends;
mod flushing;
mod keepalive;
mod large_messages;
mod ordering;
mod ping;
mod pipe;
mod sink_and_stream;
mod split;
mod streaming;
mod support;
mod transports;
