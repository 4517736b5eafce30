//! Load generator for WebSocket echo servers: one thread, every echoed byte verified.

pub mod closing;
pub mod content;
pub mod echo;
pub mod frames;
pub mod idle;
pub mod opening;
pub mod process;
pub mod report;
