//! The outside programs that the tests need: where they are, and how they are installed.
//!
//! One module a tool. Each has `ensure()`, which installs the tool if it is missing and is instant
//! when it is there, and `find()`, which never installs and whose error says what to do. Programs
//! come from Debian ([`debian`]) or from a language's package registry, by name and version; what
//! is not part of the system lives in the cache ([`cache`]).

pub mod autobahn;
pub mod bench;
pub mod cache;
pub mod chromium;
pub mod command;
pub mod debian;
pub mod go;
pub mod java;
pub mod node;
pub mod peer;
pub mod playwright;
pub mod proxies;
pub mod python;
pub mod sdk_typescript;
pub mod valgrind;
