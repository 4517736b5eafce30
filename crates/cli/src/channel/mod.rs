//! The commands that are clients of a server of channels.

mod publish;
mod shown;
mod tail;
mod target;

pub(crate) use self::{
    publish::{PublishArgs, run as publish},
    tail::{TailArgs, run as tail},
};
