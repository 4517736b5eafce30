//! Extensions (RFC 6455 §9): how they are named and agreed on, and which owns which reserved bit.

pub(crate) mod deflate;
mod params;
mod reserved;

pub use self::params::{Extension, InvalidExtension};
pub(crate) use self::{
    params::from_lines,
    reserved::{RSV1, ReservedBits},
};
