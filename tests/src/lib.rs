//! What the tests in `tests/tests` share.

pub mod autobahn;
pub mod binaries;
pub mod browser;
pub mod certificates;
pub mod console;
pub mod content;
pub mod forms;
pub mod peers;
pub mod ports;
pub mod processes;
pub mod proxies;
pub mod relay;
pub mod soak;
pub mod summary;
pub mod survival;
