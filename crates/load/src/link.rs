//! The byte stream of a connection: a non-blocking socket, under TLS at will.

use std::{
    io::{self, IoSlice, Read, Write},
    net::Shutdown,
};

use bytes::Buf;
use mio::net::TcpStream;
use rustls::ClientConnection;

/// A socket, and TLS over it.
#[derive(Debug)]
pub(crate) struct Link {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Link {
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    pub(crate) fn tls(socket: TcpStream, session: ClientConnection) -> Self {
        Self { socket, tls: Some(Box::new(session)) }
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether TCP's connecting is over; an error if it failed.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes on with the TLS handshake. Whether it is over; always, without TLS.
    pub(crate) fn is_secured(&mut self) -> io::Result<bool> {
        let Some(session) = &mut self.tls else { return Ok(true) };
        while session.is_handshaking() {
            if !push(session, &mut self.socket)? {
                return Ok(false);
            }
            if session.is_handshaking() && !pull(session, &mut self.socket)? {
                return Ok(false);
            }
        }
        push(session, &mut self.socket)?;
        Ok(true)
    }

    /// Reads what is there; 0 is the end. `WouldBlock` if there is nothing.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.tls else { return retry(|| self.socket.read(buffer)) };
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end without TLS's own closing is for the WebSocket to judge.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            if !pull(session, &mut self.socket)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    /// Whether a read of `count` bytes into `room` has taken all that there was.
    pub(crate) fn is_drained(&self, count: usize, room: usize) -> bool {
        self.tls.is_none() && count < room
    }

    /// Writes what it can. `WouldBlock` if that is nothing.
    pub(crate) fn write(&mut self, bytes: &impl Buf) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = bytes.chunks_vectored(&mut slices);
        let slices = &slices[..count];
        let Some(session) = &mut self.tls else {
            return match slices {
                [one] => retry(|| self.socket.write(one)),
                many => retry(|| self.socket.write_vectored(many)),
            };
        };
        push(session, &mut self.socket)?;
        let count = session.writer().write_vectored(slices)?;
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        push(session, &mut self.socket)?;
        Ok(count)
    }

    /// Hands on what TLS still holds. Whether that is all.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        match &mut self.tls {
            Some(session) => push(session, &mut self.socket),
            None => Ok(true),
        }
    }

    /// Ends our direction.
    pub(crate) fn shutdown(&mut self) {
        if let Some(session) = &mut self.tls {
            session.send_close_notify();
            let _ = push(session, &mut self.socket);
        }
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

/// Writes TLS records. Whether all went out.
fn push(session: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<bool> {
    while session.wants_write() {
        match retry(|| session.write_tls(socket)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Reads TLS records. Whether there was anything, the end included.
fn pull(session: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<bool> {
    match retry(|| session.read_tls(socket)) {
        Ok(0) if session.is_handshaking() => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(error),
    }
    match session.process_new_packets() {
        Ok(_) => Ok(true),
        Err(error) => {
            // The server is told why.
            let _ = push(session, socket);
            Err(io::Error::new(io::ErrorKind::InvalidData, error))
        }
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Slices of one vectored write.
const SLICES: usize = 16;
