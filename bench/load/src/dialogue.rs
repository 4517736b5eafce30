//! One connection's messages: the next one encoded, and what comes back verified.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail, ensure};

use crate::assembly::Assembly;
use crate::codec::Inflater;
use crate::exchange::Exchange;
use crate::frames::{self, BINARY, CLOSE, CONTINUATION, Decoder, PING, PONG, Piece, RSV1, TEXT};

/// Messages on their way to the server and back.
#[derive(Debug)]
pub struct Dialogue {
    decoder: Decoder,
    /// Where the next message starts in the connection's stream.
    place: usize,
    /// Content offsets of the messages on their way, oldest first.
    expected: VecDeque<usize>,
    reply: Reply,
    ping: Vec<u8>,
    /// Only where the server's messages may refer to those before them.
    inflater: Option<Inflater>,
}

/// The reply that is being received.
#[derive(Debug, Default)]
struct Reply {
    assembly: Assembly,
    /// Verified bytes, if it is not compressed.
    verified: usize,
}

impl Dialogue {
    /// The dialogue of connection number `index`, which agreed on the same as the others of the exchange.
    pub fn new(exchange: &Exchange, index: usize) -> Self {
        let agreement = exchange.agreement();
        let inflater = agreement
            .filter(|agreement| !agreement.server_no_context_takeover)
            .map(|_| Inflater::new());
        Self {
            decoder: Decoder::new(agreement.is_some()),
            place: exchange.content.start(index),
            expected: VecDeque::new(),
            reply: Reply::default(),
            ping: Vec::new(),
            inflater,
        }
    }

    /// Appends the frame of a new message to `out`.
    pub fn send(&mut self, exchange: &mut Exchange, out: &mut Vec<u8>) {
        let offset = exchange.content.pick(&mut self.place, &mut exchange.random);
        let key = exchange.random.key();
        let opcode = exchange.content.opcode();
        let before = out.len();
        match exchange.compressed(offset) {
            Some(payload) => frames::encode(out, opcode | RSV1, payload, key),
            None => frames::encode(out, opcode, exchange.content.message(offset), key),
        }
        exchange.wire.sent += (out.len() - before) as u64;
        self.expected.push_back(offset);
    }

    /// Verifies what came and gives the count of replies that became whole. Pings are answered into
    /// `out`.
    pub fn receive(
        &mut self,
        mut input: &[u8],
        exchange: &mut Exchange,
        out: &mut Vec<u8>,
    ) -> Result<usize> {
        exchange.wire.received += input.len() as u64;
        let mut replies = 0;
        while let Some(piece) = self.decoder.next(&mut input)? {
            match piece.opcode {
                TEXT | BINARY | CONTINUATION => {
                    let offset = *self.expected.front().context("an echo that nobody asked for")?;
                    if self.reply.take(&piece, offset, exchange, &mut self.inflater)? {
                        self.expected.pop_front();
                        replies += 1;
                    }
                }
                PING => {
                    self.ping.extend_from_slice(piece.payload);
                    if piece.ends_frame {
                        frames::encode(out, PONG, &self.ping, exchange.random.key());
                        self.ping.clear();
                    }
                }
                PONG => {}
                CLOSE => bail!("the server closed the connection"),
                opcode => bail!("the server sent a frame with opcode {opcode:#x}"),
            }
        }
        Ok(replies)
    }
}

impl Reply {
    /// Verifies a piece of the reply to the message at `offset`, and says whether it is the last.
    fn take(
        &mut self,
        piece: &Piece<'_>,
        offset: usize,
        exchange: &mut Exchange,
        inflater: &mut Option<Inflater>,
    ) -> Result<bool> {
        if self.assembly.note(piece, exchange.content.opcode())? {
            let Some(payload) = self.assembly.gather(piece) else { return Ok(false) };
            exchange.check_compressed(payload, offset, inflater.as_mut())?;
            return Ok(true);
        }
        let message = exchange.content.message(offset);
        let end = self.verified + piece.payload.len();
        ensure!(
            message.get(self.verified..end) == Some(piece.payload),
            "the echo differs from the message within its bytes {}..{end}",
            self.verified
        );
        let whole = piece.ends_frame && piece.fin;
        ensure!(!whole || end == message.len(), "the echo is short: {end} bytes");
        self.verified = if whole { 0 } else { end };
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::Offer;
    use crate::codec::Deflater;
    use crate::content::Kind;

    const FIN: u8 = 0x80;

    fn exchange(agreed: &str) -> Exchange {
        let offer = Offer::Browser;
        let mut exchange = Exchange::new(Kind::Deflated(offer), 1024, 1);
        exchange.agree(Some(offer.agree(Some(agreed)).expect("an answer"))).expect("the first");
        exchange
    }

    /// A server's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let size = u16::try_from(payload.len()).expect("a short message");
        let mut frame = vec![first, 126];
        frame.extend_from_slice(&size.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    /// The messages that connection 0 sends, and the same compressed by a server.
    fn replies(exchange: &Exchange, takeover: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut deflater = Deflater::new(15);
        let compress = |(message, _): (&[u8], bool)| {
            let mut payload = Vec::new();
            if !takeover {
                deflater.reset();
            }
            deflater.compress(message, &mut payload).expect("compresses");
            (message.to_vec(), payload)
        };
        exchange.content.each().take(40).map(compress).collect()
    }

    #[test]
    fn replies_are_verified_compressed_or_not_and_in_fragments() {
        for (agreed, takeover) in [
            ("permessage-deflate", true),
            ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", false),
        ] {
            let mut exchange = exchange(agreed);
            let mut dialogue = Dialogue::new(&exchange, 0);
            let mut out = Vec::new();
            for (number, (message, payload)) in replies(&exchange, takeover).into_iter().enumerate()
            {
                dialogue.send(&mut exchange, &mut out);
                let (start, rest) = payload.split_at(payload.len() / 3);
                let mut wire = frame(TEXT | RSV1, start);
                wire.extend(frame(FIN | PING, b"between"));
                wire.extend(frame(CONTINUATION, b""));
                wire.extend(frame(FIN | CONTINUATION, rest));
                // What is not compressed is in no window.
                if !takeover && number % 2 == 1 {
                    wire = frame(FIN | TEXT, &message);
                }
                let mut whole = 0;
                for piece in wire.chunks(1 + number * 30) {
                    whole += dialogue.receive(piece, &mut exchange, &mut out).expect("valid");
                }
                assert_eq!(whole, 1);
            }
            assert_eq!(exchange.wire.compressed_replies, if takeover { 40 } else { 20 });
        }
    }

    #[test]
    fn other_replies_are_refused() {
        let mut exchange = exchange("permessage-deflate; client_no_context_takeover");
        let replies = replies(&exchange, false);
        let [(message, payload), (other, other_payload)] = &replies[..2] else { unreachable!() };
        for (wire, good) in [
            (frame(FIN | TEXT | RSV1, payload), true),
            (frame(FIN | TEXT, message), true),
            (frame(FIN | BINARY | RSV1, payload), false),
            (frame(FIN | CONTINUATION, payload), false),
            (frame(FIN | TEXT | RSV1, other_payload), false),
            (frame(FIN | TEXT | RSV1, &payload[..100]), false),
            (frame(FIN | TEXT | RSV1, message), false),
            (frame(FIN | TEXT, payload), false),
            (frame(FIN | TEXT, other), false),
            (frame(FIN | TEXT, &message[..100]), false),
            (frame(FIN | CLOSE, &[]), false),
        ] {
            let mut dialogue = Dialogue::new(&exchange, 0);
            let mut out = Vec::new();
            dialogue.send(&mut exchange, &mut out);
            let result = dialogue.receive(&wire, &mut exchange, &mut out);
            assert_eq!(result.is_ok(), good, "{:x?}", &wire[..8]);
            let again = dialogue.receive(&frame(FIN | TEXT, message), &mut exchange, &mut out);
            assert!(!good || again.is_err(), "nobody asked for it");
        }
    }
}
