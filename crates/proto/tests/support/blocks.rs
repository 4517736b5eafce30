//! DEFLATE written by hand, block by block: what no compressor would write, and what is known to the
//! bit (RFC 1951 §3.2).

/// Blocks of DEFLATE, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not in use.
    free: usize,
}

/// What a compressed block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    Byte(u8),
    /// `len` bytes, 3 to 258, from `distance` bytes ago.
    Copy {
        len: usize,
        distance: usize,
    },
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A block without compression (§3.2.4). `last` sets BFINAL.
    pub(crate) fn stored(mut self, last: bool, data: &[u8]) -> Self {
        self.put(usize::from(last), 3);
        self.free = 0;
        let len = u16::try_from(data.len()).expect("a stored block is short");
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(&(!len).to_le_bytes());
        self.bytes.extend_from_slice(data);
        self
    }

    /// A block with fixed codes (§3.2.6).
    pub(crate) fn fixed(mut self, last: bool, symbols: &[Symbol]) -> Self {
        self.put(usize::from(last) | 0b010, 3);
        for symbol in symbols {
            match *symbol {
                Symbol::Byte(byte) => self.literal(byte.into()),
                Symbol::Copy { len, distance } => {
                    let code = LENGTHS.iter().rposition(|base| *base <= len).expect("3 or more");
                    self.literal(257 + code);
                    let extra = if code < 8 || code == 28 { 0 } else { code / 4 - 1 };
                    self.put(len - LENGTHS[code], extra);
                    let code = distance_code(distance);
                    self.put_code(code, 5);
                    self.put(distance - distance_base(code), distance_extra(code));
                }
            }
        }
        self.literal(256);
        self
    }

    /// Zeros up to the next byte: what follows a block with BFINAL begins there.
    pub(crate) fn aligned(mut self) -> Self {
        self.free = 0;
        self
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.free = 0;
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The end of a message: an empty stored block without its tail (RFC 7692 §7.2.1).
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.put(0, 3);
        self.bytes
    }

    /// What was written, with the last byte filled up with zeros.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A code of the literals' and lengths' alphabet.
    fn literal(&mut self, symbol: usize) {
        match symbol {
            0..144 => self.put_code(0b0011_0000 + symbol, 8),
            144..256 => self.put_code(0b1_1001_0000 + symbol - 144, 9),
            256..280 => self.put_code(symbol - 256, 7),
            _ => self.put_code(0b1100_0000 + symbol - 280, 8),
        }
    }

    /// Codes begin with their most significant bit.
    fn put_code(&mut self, code: usize, count: usize) {
        for bit in (0..count).rev() {
            self.put(code >> bit & 1, 1);
        }
    }

    /// All else begins with its least significant bit.
    fn put(&mut self, value: usize, count: usize) {
        for bit in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let last = self.bytes.last_mut().expect("pushed above");
            *last |= u8::from(value >> bit & 1 == 1) << (8 - self.free);
            self.free -= 1;
        }
    }
}

/// The same byte again and again, as a compressor says it.
pub(crate) fn run_of(byte: u8, count: usize) -> Vec<Symbol> {
    let mut left = count.checked_sub(1).expect("one byte or more");
    let mut symbols = vec![Symbol::Byte(byte)];
    while left >= 3 {
        let len = left.min(258);
        symbols.push(Symbol::Copy { len, distance: 1 });
        left -= len;
    }
    symbols.extend([Symbol::Byte(byte)].repeat(left));
    symbols
}

/// `data` said by the longest copies that begin at most `window` bytes ago, in `history` or in `data`.
pub(crate) fn copies(history: &[u8], data: &[u8], window: usize) -> Vec<Symbol> {
    let all = [history, data].concat();
    let mut at = history.len();
    let mut symbols = Vec::new();
    while at < all.len() {
        let longest = (at.saturating_sub(window)..at)
            .map(|start| {
                let same = all[start..].iter().zip(&all[at..]).take_while(|(a, b)| a == b);
                (same.take(258).count(), at - start)
            })
            .max_by_key(|(len, _)| *len);
        if let Some((len @ 3.., distance)) = longest {
            symbols.push(Symbol::Copy { len, distance });
            at += len;
        } else {
            symbols.push(Symbol::Byte(all[at]));
            at += 1;
        }
    }
    symbols
}

/// The shortest length of each length code, from 257 on (§3.2.5).
const LENGTHS: [usize; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];

fn distance_extra(code: usize) -> usize {
    (code / 2).saturating_sub(1)
}

fn distance_base(code: usize) -> usize {
    if code < 2 { code + 1 } else { ((code & 1 | 2) << distance_extra(code)) + 1 }
}

fn distance_code(distance: usize) -> usize {
    (0..30).rfind(|code| distance_base(*code) <= distance).expect("one or more")
}
