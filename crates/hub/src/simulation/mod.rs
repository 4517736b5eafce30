//! A node and its clients without I/O, under virtual time: parts of simulations and tests.

mod chance;
mod clock;
mod node;
mod reader;
mod shuffled;

pub use crate::hub::Contents;
pub use chance::Chance;
pub use clock::Clock;
pub use node::{Node, Pipe, sized};
pub use reader::{Fault, Reader};
pub use shuffled::Shuffled;
