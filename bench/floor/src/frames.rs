//! Replies to whole client frames, in place (RFC 6455 section 5.2): each is built in the bytes it came in.

use anyhow::{Result, bail, ensure};
use bench_common::apply_mask;

const MAX_FRAME: usize = 64 << 20;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What one pass over a buffer did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Where in the buffer the replies lie.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Bytes of the buffer that were whole frames.
    pub(crate) consumed: usize,
    /// Size of the unfinished frame behind them, as far as it is known.
    pub(crate) unfinished: usize,
    /// The frames are control frames, if they were to be alike.
    pub(crate) control: bool,
    /// A Close was among the frames and its answer among the replies.
    pub(crate) closed: bool,
}

/// Which frames one pass may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// All that are whole.
    All,
    /// Data frames alone, or one control frame.
    Alike,
}

struct Header {
    first: u8,
    size: usize,
    payload: usize,
}

/// Turns whole frames at the start of `buffer` into their replies.
///
/// A server's header is four bytes shorter than the client's, so replies never overtake what is unread.
pub(crate) fn answer_in_place(buffer: &mut [u8], take: Take) -> Result<Pass> {
    let mut pass =
        Pass { start: 0, end: 0, consumed: 0, unfinished: 0, control: false, closed: false };
    while !pass.closed
        && let Some(header) = parse(&buffer[pass.consumed..])?
    {
        let from = pass.consumed + header.size;
        let upto = from + header.payload;
        if upto > buffer.len() {
            pass.unfinished = header.size + header.payload;
            break;
        }
        let opcode = header.first & 0x0f;
        if take == Take::Alike {
            let control = opcode >= CLOSE;
            if pass.consumed > 0 && (control || pass.control) {
                break;
            }
            pass.control = control;
        }
        pass.consumed = upto;
        if opcode == PONG {
            continue;
        }
        pass.closed = opcode == CLOSE;

        let reply_header = header.size - 4;
        if pass.end == 0 {
            pass.start = from - reply_header;
            pass.end = pass.start;
        }
        let key = [buffer[from - 4], buffer[from - 3], buffer[from - 2], buffer[from - 1]];
        let to = pass.end + reply_header;
        if to != from {
            buffer.copy_within(from..upto, to);
        }
        apply_mask(&mut buffer[to..to + header.payload], key);
        let first = if opcode == PING { 0x80 | PONG } else { header.first };
        write_header(&mut buffer[pass.end..to], first, header.payload);
        pass.end = to + header.payload;
    }
    Ok(pass)
}

/// The header at the start of `bytes`, or `None` while it is not all there.
fn parse(bytes: &[u8]) -> Result<Option<Header>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    ensure!(second & 0x80 != 0, "the client sent an unmasked frame");
    ensure!(first & 0x70 == 0, "the client set a reserved bit");
    let (length_size, payload) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(length) => (2, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (8, usize::try_from(u64::from_be_bytes(*length))?),
            None => return Ok(None),
        },
        short => (0, usize::from(short)),
    };
    if payload > MAX_FRAME {
        bail!("the client sent a frame of {payload} bytes, over the limit of {MAX_FRAME}");
    }
    let size = 2 + length_size + 4;
    Ok((bytes.len() >= size).then_some(Header { first: *first, size, payload }))
}

/// Fills `header`, whose size says which length form the client used, with an unmasked one.
fn write_header(header: &mut [u8], first: u8, payload: usize) {
    let length = (payload as u64).to_be_bytes();
    header[0] = first;
    match header.len() {
        2 => header[1] = length[7],
        4 => {
            header[1] = 126;
            header[2..].copy_from_slice(&length[6..]);
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            n @ 0..126 => frame.push(0x80 | u8::try_from(n).expect("below 126")),
            n @ 126..65536 => {
                frame.push(0xfe);
                frame.extend(u16::try_from(n).expect("below 65536").to_be_bytes());
            }
            n => {
                frame.push(0xff);
                frame.extend((n as u64).to_be_bytes());
            }
        }
        let key = [1, 2, 3, 4];
        frame.extend(key);
        let from = frame.len();
        frame.extend(payload);
        apply_mask(&mut frame[from..], key);
        frame
    }

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![
            0;
            if payload.len() < 126 {
                2
            } else if payload.len() < 65536 {
                4
            } else {
                10
            }
        ];
        write_header(&mut frame, first, payload.len());
        frame.extend(payload);
        frame
    }

    #[test]
    fn frames_of_every_length_form_come_back_in_order() {
        let sizes = [0, 1, 125, 126, 65535, 65536, 70000, 3];
        let mut buffer = Vec::new();
        let mut expected = Vec::new();
        for (n, size) in sizes.into_iter().enumerate() {
            let payload = vec![u8::try_from(n).expect("few"); size];
            buffer.extend(client_frame(0x82, &payload));
            expected.extend(server_frame(0x82, &payload));
        }
        let whole = buffer.len();
        buffer.extend(&client_frame(0x82, &[9; 300])[..100]);
        let pass = answer_in_place(&mut buffer, Take::All).expect("valid frames");
        assert_eq!(buffer[pass.start..pass.end], expected);
        assert_eq!((pass.consumed, pass.unfinished, pass.closed), (whole, 308, false));
    }

    #[test]
    fn ping_becomes_pong_and_pong_is_dropped_and_close_ends_the_pass() {
        let mut buffer = client_frame(0x8a, b"stray");
        buffer.extend(client_frame(0x89, b"ping"));
        buffer.extend(client_frame(0x88, &[3, 232]));
        buffer.extend(client_frame(0x82, b"too late"));
        let pass = answer_in_place(&mut buffer, Take::All).expect("valid frames");
        let mut expected = server_frame(0x8a, b"ping");
        expected.extend(server_frame(0x88, &[3, 232]));
        assert_eq!(buffer[pass.start..pass.end], expected);
        assert!(pass.closed);
    }

    #[test]
    fn unmasked_reserved_and_oversized_frames_are_refused() {
        for mut bytes in [
            vec![0x82, 0x01, 0],
            vec![0xc2, 0x81, 0, 0, 0, 0, 0],
            vec![0x82, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(answer_in_place(&mut bytes, Take::All).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn frames_that_are_to_be_alike_are_data_or_one_control_frame() {
        let mut buffer = client_frame(0x82, b"one");
        buffer.extend(client_frame(0x82, b"two"));
        buffer.extend(client_frame(0x89, b"ping"));
        buffer.extend(client_frame(0x88, &[3, 232]));
        let mut done = 0;
        let mut seen = Vec::new();
        loop {
            let rest = &mut buffer[done..];
            let pass = answer_in_place(rest, Take::Alike).expect("valid frames");
            if pass.consumed == 0 {
                break;
            }
            seen.push((rest[pass.start..pass.end].to_vec(), pass.control, pass.closed));
            done += pass.consumed;
        }
        let data = [server_frame(0x82, b"one"), server_frame(0x82, b"two")].concat();
        assert_eq!(
            seen,
            [
                (data, false, false),
                (server_frame(0x8a, b"ping"), true, false),
                (server_frame(0x88, &[3, 232]), true, true),
            ]
        );
    }
}
