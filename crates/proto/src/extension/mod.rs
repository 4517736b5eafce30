//! Extensions (RFC 6455 §9): which owns which reserved bit.

mod reserved;

pub(crate) use self::reserved::ReservedBits;
