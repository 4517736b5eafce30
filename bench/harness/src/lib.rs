//! What the programs that measure have in common: building and starting what is measured, the machine, medians.

pub mod build;
pub mod cores;
pub mod disk;
pub mod machine;
pub mod server;
pub mod statistics;
pub mod times;

pub use server::Server;
