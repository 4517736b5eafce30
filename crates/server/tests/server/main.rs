//! The server over real sockets.

mod access;
mod asking;
mod channels;
mod connections;
mod development;
mod disk;
mod events;
mod limits;
mod misuse;
mod protocol;
mod shutdown;
mod slow;
mod socket;
mod start;
mod support;
