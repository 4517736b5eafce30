//! One connection from its first packet to its last: connecting, TLS, opening handshake, messages.

use std::{io, sync::Arc, time::Instant};

use bytes::Bytes;
use longwire_proto::{
    Agreement, Config, Connection, Event, Input, State, Transmit,
    handshake::{ClientHandshake, ClientProgress, ClientRequest, HandshakeLimits},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{dialogue::Dialogue, frames::Watch, link::Link, target::Target};

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its number, from 0.
    pub(crate) number: usize,
    pub(crate) link: Link,
    pub(crate) stage: Stage,
    /// When connecting began.
    pub(crate) started: u64,
    pub(crate) dialogue: Dialogue,
    /// When it last brought a part of a message, or began to owe an answer; while it opens, when it came to this
    /// stage.
    pub(crate) quiet_since: u64,
    /// The transport took less than there was.
    pub(crate) blocked: bool,
    /// Only where compression is agreed on.
    pub(crate) watch: Option<Watch>,
    /// We began the closing handshake.
    pub(crate) closing: bool,
}

/// How far a connection is.
#[derive(Debug)]
pub(crate) enum Stage {
    Connecting,
    Securing,
    Asking { handshake: Box<ClientHandshake>, written: usize },
    Open(Box<Connection>),
    Over,
}

/// What a connection opened with.
pub(crate) struct Opened {
    pub(crate) agreement: Agreement,
    /// Bytes that came right behind the handshake.
    pub(crate) leftover: Bytes,
}

impl Client {
    /// Begins to connect.
    pub(crate) fn dial(
        number: usize,
        index: usize,
        speaker: usize,
        target: &Target,
        now: u64,
    ) -> Result<Self, String> {
        Ok(Self {
            number,
            link: target.dial(index)?,
            stage: Stage::Connecting,
            started: now,
            dialogue: Dialogue::new(speaker),
            quiet_since: now,
            blocked: false,
            watch: None,
            closing: false,
        })
    }

    /// What it is doing, for a message to a person.
    pub(crate) fn doing(&self) -> &'static str {
        match self.stage {
            Stage::Connecting => "connecting",
            Stage::Securing => "the TLS handshake",
            Stage::Asking { .. } => "the opening handshake",
            Stage::Open(_) | Stage::Over => "the closing handshake",
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Goes on opening as far as it can. `None` while it waits for the server.
    pub(crate) fn open(
        &mut self,
        request: &ClientRequest,
        target: &Target,
        buffer: &mut [u8],
        now: u64,
    ) -> Result<Option<Opened>, String> {
        if matches!(self.stage, Stage::Connecting) {
            if !self.link.is_connected().map_err(|error| target.unreachable(&error))? {
                return Ok(None);
            }
            self.stage = Stage::Securing;
        }
        if matches!(self.stage, Stage::Securing) {
            if !self.link.is_secured().map_err(|error| no_tls(&error))? {
                return Ok(None);
            }
            let nonce = rand::random();
            let handshake =
                ClientHandshake::new(request.clone(), nonce, HandshakeLimits::default())
                    .map_err(|error| error.to_string())?;
            self.stage = Stage::Asking { handshake: Box::new(handshake), written: 0 };
            self.quiet_since = now;
        }
        let Stage::Asking { handshake, written } = &mut self.stage else { return Ok(None) };
        ask(&mut self.link, handshake, written, buffer)
    }

    /// The connection behind the opening handshake.
    pub(crate) fn establish(&mut self, agreement: &Agreement, config: &Arc<Config>) {
        let mut random = SmallRng::from_rng(&mut rand::rng());
        let keys = Box::new(move || random.next_u32().to_ne_bytes());
        let mut connection = Connection::client(Arc::clone(config), keys, Instant::now());
        if let Some(agreed) = agreement.deflate {
            connection = connection.with_deflate(agreed);
            self.watch = Some(Watch::default());
        }
        self.stage = Stage::Open(Box::new(connection));
    }

    /// Writes what is queued, as far as the transport takes it. Gives the bytes written.
    pub(crate) fn flush(&mut self, now: Instant) -> Result<u64, String> {
        let Stage::Open(connection) = &mut self.stage else { return Ok(0) };
        let mut written = 0;
        while let Some(transmit) = connection.poll_transmit() {
            if transmit != Transmit::Bytes {
                self.link.shutdown();
                continue;
            }
            match self.link.write(connection.outgoing()) {
                Ok(count) => {
                    written += count as u64;
                    connection.handle_written(count, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(written);
                }
                Err(_) if connection.state() != State::Open => {
                    connection.handle_lost();
                    return Ok(written);
                }
                Err(error) => return Err(format!("the connection was lost: {error}")),
            }
        }
        self.blocked = !self.link.flush().unwrap_or(true);
        Ok(written)
    }

    /// The transport is over. The last event says how.
    pub(crate) fn end(&mut self, lost: bool, now: Instant) -> Option<Event> {
        let Stage::Open(connection) = &mut self.stage else { return None };
        if lost {
            connection.handle_lost();
        } else {
            connection.handle_eof(now);
            // After both Close frames it still has to end its own direction.
            while let Some(transmit) = connection.poll_transmit() {
                if transmit == Transmit::Bytes {
                    connection.handle_lost();
                }
            }
        }
        connection.poll_event(&mut Input::new(&mut []), now)
    }
}

/// Sends the request and reads the answer.
fn ask(
    link: &mut Link,
    handshake: &mut ClientHandshake,
    written: &mut usize,
    buffer: &mut [u8],
) -> Result<Option<Opened>, String> {
    let lost =
        |error: io::Error| format!("the connection was lost in the opening handshake: {error}");
    while *written < handshake.request().len() {
        match link.write(&&handshake.request()[*written..]) {
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(lost(error)),
        }
    }
    link.flush().map_err(lost)?;
    loop {
        let progress = match link.read(buffer) {
            Ok(0) => handshake.handle_eof(),
            Ok(count) => handshake.handle_input(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(lost(error)),
        };
        match progress.map_err(|error| error.to_string())? {
            ClientProgress::NeedMore => {}
            ClientProgress::Accepted { agreement, leftover, .. } => {
                return Ok(Some(Opened { agreement, leftover }));
            }
            ClientProgress::Refused(response) => {
                let status = response.status();
                let cure = match status.as_u16() {
                    401 | 403 => "; it may want credentials or another Origin",
                    404 => "; check the URL's path",
                    503 => "; it may have a limit of connections",
                    _ => "",
                };
                return Err(format!(
                    "the server refused the opening handshake with {status}{cure}"
                ));
            }
        }
    }
}

fn no_tls(error: &io::Error) -> String {
    let text = error.to_string();
    let cure = if error.kind() == io::ErrorKind::UnexpectedEof {
        "; the server ended the connection, does it speak TLS on this port?"
    } else if text.contains("UnknownIssuer") {
        "; trust its certificate authority, as by Plan::ca"
    } else if text.contains("InvalidContentType") || text.contains("corrupt message") {
        "; does the server speak TLS on this port at all?"
    } else {
        ""
    };
    format!("no TLS with the server: {text}{cure}")
}
