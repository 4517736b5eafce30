//! Drives the opening handshake of a client over a byte stream.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use longwire_proto::handshake::{Agreement, ClientHandshake, ClientProgress, HandshakeError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// How the server answered.
#[derive(Debug)]
pub(super) enum Answer {
    Accepted { response: Response<()>, agreement: Agreement, leftover: Bytes },
    Refused(Response<Bytes>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    Invalid(HandshakeError),
    TimedOut,
}

impl Answer {
    fn of(progress: ClientProgress) -> Option<Self> {
        match progress {
            ClientProgress::NeedMore => None,
            ClientProgress::Accepted { response, agreement, leftover } => {
                Some(Self::Accepted { response, agreement, leftover })
            }
            ClientProgress::Refused(response) => Some(Self::Refused(response)),
        }
    }
}

/// Sends the request and reads the answer within `limit`.
///
/// A refusal counts as soon as its head is there: if its body then breaks off or does not end in time, it is
/// given as far as it came.
pub(super) async fn perform<T>(
    io: &mut T,
    mut handshake: ClientHandshake,
    limit: Duration,
) -> Result<Answer, Failure>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let start = Instant::now();
    // Beyond the clock's range it is no limit.
    let deadline = start.checked_add(limit).unwrap_or(start + Duration::from_secs(u32::MAX.into()));
    let sent = timeout_at(deadline, async {
        io.write_all(handshake.request()).await?;
        io.flush().await
    });
    // A server may refuse before it has read everything, so a failed write does not end the reading.
    let unsent = sent.await.map_err(|_| Failure::TimedOut)?.err();
    let mut buffer = [0; 4096];
    let failure = loop {
        match timeout_at(deadline, io.read(&mut buffer)).await {
            Ok(Ok(0)) => break unsent.map(Failure::Io),
            Ok(Ok(read)) => {
                let progress = handshake.handle_input(&buffer[..read]).map_err(Failure::Invalid)?;
                if let Some(answer) = Answer::of(progress) {
                    return Ok(answer);
                }
            }
            Ok(Err(error)) => break Some(Failure::Io(unsent.unwrap_or(error))),
            Err(_) => break Some(Failure::TimedOut),
        }
    };
    match handshake.handle_eof() {
        Ok(progress) => Ok(Answer::of(progress).expect("the end of input leaves nothing to await")),
        Err(error) => Err(failure.unwrap_or(Failure::Invalid(error))),
    }
}
