//! Load generator for WebSocket servers: one thread, every byte that comes back verified.

pub mod agreement;
pub mod assembly;
pub mod broadcast;
pub mod closing;
pub mod codec;
pub mod content;
pub mod dialogue;
pub mod echo;
pub mod exchange;
pub mod frames;
pub mod idle;
pub mod opening;
pub mod process;
pub mod report;
pub mod round;
pub mod window;
