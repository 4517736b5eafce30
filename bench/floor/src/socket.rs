//! A non-blocking socket, or TLS over one: rustls directly, without a copy of its own.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustls::{ServerConfig, ServerConnection};

pub(crate) struct Socket {
    fd: OwnedFd,
    tls: Option<Box<ServerConnection>>,
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd, tls: Option<&Arc<ServerConfig>>) -> Result<Self> {
        let tls = tls.map(|config| ServerConnection::new(config.clone())).transpose()?;
        Ok(Self { fd, tls: tls.map(Box::new) })
    }

    /// Reads into the spare capacity of `buffer`, and says whether the peer may send more.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<bool> {
        if let Some(tls) = &mut self.tls {
            return read_tls(tls, &self.fd, buffer);
        }
        match rustix::io::read(&self.fd, spare_capacity(buffer)) {
            Ok(0) | Err(Errno::CONNRESET | Errno::PIPE) => Ok(false),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(true),
            Err(error) => Err(error).context("read failed"),
        }
    }

    /// Writes once, and says how many bytes are done; `None` when the peer has gone.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        if let Some(tls) = &mut self.tls {
            return write_tls(tls, &self.fd, bytes);
        }
        match rustix::io::write(&self.fd, bytes) {
            Ok(written) => Ok(Some(written)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Some(0)),
            Err(Errno::CONNRESET | Errno::PIPE) => Ok(None),
            Err(error) => Err(error).context("write failed"),
        }
    }

    /// Whether records of TLS wait for the socket, behind bytes that are done.
    pub(crate) fn is_full(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes records while there are any and their text fits, for nothing tells of text that stays in rustls.
fn read_tls(tls: &mut ServerConnection, fd: &OwnedFd, buffer: &mut Vec<u8>) -> Result<bool> {
    buffer.reserve(MAX_RECORD);
    while buffer.capacity() - buffer.len() >= MAX_RECORD {
        match tls.read_tls(&mut Raw(fd)) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_gone(&error) => return Ok(false),
            Err(error) => return Err(error).context("read failed"),
        }
        let text = tls.process_new_packets()?.plaintext_bytes_to_read();
        let length = buffer.len();
        buffer.resize(length + text, 0);
        tls.reader().read_exact(&mut buffer[length..])?;
    }
    // The handshake's own records, which always fit an empty socket buffer.
    while tls.wants_write() {
        match tls.write_tls(&mut Raw(fd)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_gone(&error) => return Ok(false),
            Err(error) => return Err(error).context("write failed"),
        }
    }
    Ok(true)
}

fn write_tls(tls: &mut ServerConnection, fd: &OwnedFd, bytes: &[u8]) -> Result<Option<usize>> {
    let mut done = 0;
    while done < bytes.len() || tls.wants_write() {
        done += tls.writer().write(&bytes[done..])?;
        match tls.write_tls(&mut Raw(fd)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error).context("write failed"),
        }
    }
    Ok(Some(done))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// The socket below rustls.
struct Raw<'a>(&'a OwnedFd);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0, buffer)?)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self.0, slices)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of text that one call of `read_tls` may bring: what rustls reads at once is about one record.
const MAX_RECORD: usize = 32 * 1024;
