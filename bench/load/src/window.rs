//! The measured window: what the server and the load generator used between two readings.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::process::{Cpu, Process, as_f64};
use crate::report::Window;

/// The end of the measured window.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After this many messages.
    Messages(u64),
}

/// The state of things at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    at: Instant,
    messages: u64,
    server: Cpu,
    load: Cpu,
}

impl Reading {
    /// Reads the processes, after `messages` in all.
    pub fn take(server: Process, messages: u64) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            messages,
            server: server.cpu()?,
            load: Process::this().cpu()?,
        })
    }

    /// Whether the window that began here is over, after `messages` in all.
    pub fn is_over(&self, until: Until, messages: u64) -> bool {
        match until {
            Until::Elapsed(time) => self.at.elapsed() >= time,
            Until::Messages(count) => messages - self.messages >= count,
        }
    }

    /// What happened since.
    pub fn window(&self, end: &Self) -> Result<Window> {
        let wall = end.at - self.at;
        let messages = end.messages - self.messages;
        ensure!(messages > 0, "no message came in the measured window; make it longer");
        let cpu = end.server.running.saturating_sub(self.server.running);
        let (server_busy, server_waited) = end.server.shares_since(&self.server, wall);
        let (load_busy, load_waited) = end.load.shares_since(&self.load, wall);
        Ok(Window {
            seconds: wall.as_secs_f64(),
            messages,
            messages_per_second: as_f64(messages) / wall.as_secs_f64(),
            server_cpu_us_per_message: cpu.as_secs_f64() * 1e6 / as_f64(messages),
            server_busy,
            server_waited,
            load_busy,
            load_waited,
        })
    }
}
