//! The core without async: a blocking echo server and a client of it, over `std::net` alone.
//!
//! `longwire::proto` has no sockets, clocks or randomness; this file lends it the standard library's.
//! Run it with `cargo run -p longwire --example sans_io`.

use std::{
    error::Error,
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    ops::Range,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Buf;
use longwire::{
    CloseCode, Closed, Config, Message, SendError,
    proto::{
        Connection, Event, Input, Transmit, WsUri,
        handshake::{
            Answer, ClientHandshake, ClientProgress, ClientRequest, HandshakeLimits,
            ServerHandshake, encode_acceptance, encode_response,
        },
    },
};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || serve(listener.accept()?.0));

    let mut socket = connect(&format!("ws://{address}/echo"))?;
    socket.send("Hello, echo".into())?;
    while let Some(message) = socket.recv()? {
        println!("client: received {:?}", message.as_text());
        socket.connection.close(CloseCode::NORMAL_CLOSURE.into(), Instant::now());
    }
    println!("client: {}", socket.closed.expect("nothing more to receive"));
    println!("server: {}", server.join().expect("the server does not panic")?);
    Ok(())
}

/// Echoes until the connection is over, and says how it ended.
fn serve(stream: TcpStream) -> Result<Closed, Box<dyn Error + Send + Sync>> {
    let mut socket = accept(stream)?;
    while let Some(message) = socket.recv()? {
        if let Err(error) = socket.send(message) {
            println!("server: {error}");
        }
    }
    Ok(socket.closed.expect("nothing more to receive"))
}

fn connect(url: &str) -> Result<Socket, Box<dyn Error + Send + Sync>> {
    let uri = WsUri::parse(url)?;
    let mut stream = TcpStream::connect((uri.host(), uri.port()))?;
    let request = ClientRequest::new(uri);
    let mut handshake = ClientHandshake::new(request, rand::random(), HandshakeLimits::default())?;
    stream.write_all(handshake.request())?;
    let mut buffer = vec![0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        let progress = match count {
            0 => handshake.handle_eof()?,
            count => handshake.handle_input(&buffer[..count])?,
        };
        match progress {
            ClientProgress::NeedMore => {}
            ClientProgress::Accepted { leftover, .. } => {
                let keys = Box::new(rand::random::<[u8; 4]>);
                let connection = Connection::client(Arc::default(), keys, Instant::now());
                return Ok(Socket::new(stream, connection, &leftover));
            }
            ClientProgress::Refused(response) => return Err(response.status().to_string().into()),
        }
    }
}

fn accept(mut stream: TcpStream) -> Result<Socket, Box<dyn Error + Send + Sync>> {
    let mut handshake = ServerHandshake::new(HandshakeLimits::default());
    let mut buffer = vec![0; 4096];
    loop {
        let result = match stream.read(&mut buffer)? {
            0 => return Err(handshake.handle_eof().into()),
            count => handshake.handle_input(&buffer[..count]),
        };
        match result {
            Ok(None) => {}
            Ok(Some(mut opening)) => {
                let (response, _) = opening.accept(Answer::default())?;
                stream.write_all(&encode_acceptance(&response))?;
                let connection = Connection::server(Arc::new(Config::default()), Instant::now());
                return Ok(Socket::new(stream, connection, &opening.take_leftover()));
            }
            Err(error) => {
                if let Some(response) = error.response() {
                    stream.write_all(&encode_response(&response))?;
                }
                return Err(error.into());
            }
        }
    }
}

/// A connection and the transport, the clock and the buffer that it is driven with.
struct Socket {
    stream: TcpStream,
    connection: Connection,
    buffer: Vec<u8>,
    /// What of `buffer` was read and not parsed yet.
    unread: Range<usize>,
    closed: Option<Closed>,
}

impl Socket {
    /// `leftover` is what came behind the handshake.
    fn new(stream: TcpStream, connection: Connection, leftover: &[u8]) -> Self {
        let mut buffer = vec![0; 16 * 1024];
        buffer[..leftover.len()].copy_from_slice(leftover);
        Self { stream, connection, buffer, unread: 0..leftover.len(), closed: None }
    }

    /// The next message; `None` once the connection is over.
    ///
    /// The loop of every driver: take events until there is none, write until there is nothing to
    /// write, and only then wait.
    fn recv(&mut self) -> io::Result<Option<Message>> {
        loop {
            let mut input = Input::new(&mut self.buffer[self.unread.clone()]);
            let event = self.connection.poll_event(&mut input, Instant::now());
            self.unread.start = self.unread.end - input.len();
            match event {
                Some(Event::Message(message)) => return Ok(Some(message)),
                Some(Event::Closed(closed)) => self.closed = Some(*closed),
                // Pongs and the answer to a Close are queued by themselves.
                Some(_) => {}
                None if self.closed.is_some() => return Ok(None),
                None => match self.connection.poll_transmit() {
                    Some(transmit) => self.transmit(transmit),
                    None => self.read()?,
                },
            }
        }
    }

    /// Queues a message, and first writes what is queued if that is too much already.
    fn send(&mut self, mut message: Message) -> Result<(), SendError> {
        loop {
            match self.connection.send(message, Instant::now()) {
                Err(SendError::Full(back)) => message = back.into_message(),
                result => return result,
            }
            while let Some(transmit) = self.connection.poll_transmit() {
                self.transmit(transmit);
            }
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        let result = match transmit {
            Transmit::Bytes => self.stream.write(self.connection.outgoing().chunk()),
            _ => self.stream.shutdown(std::net::Shutdown::Write).map(|()| 0),
        };
        match result {
            Ok(count) => self.connection.handle_written(count, Instant::now()),
            Err(_) => self.connection.handle_lost(),
        }
    }

    /// Waits for bytes, or for the instant at which something must be done without them.
    fn read(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let wait = self.connection.poll_timeout().map(|instant| instant.duration_since(now));
        // The standard library refuses a timeout of zero.
        self.stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        match self.stream.read(&mut self.buffer) {
            Ok(0) => self.connection.handle_eof(Instant::now()),
            Ok(count) => self.unread = 0..count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                self.connection.handle_timeout(Instant::now());
            }
            Err(_) => self.connection.handle_lost(),
        }
        Ok(())
    }
}
