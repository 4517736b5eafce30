//! How keys and values look on disk.
//!
//! Numbers in keys are big-endian, so that keys are in the order of their numbers. Each value begins with a checksum of its
//! key and of what follows: bytes that are not what was written, or not where, are found whatever the engine checks.

use crate::Retention;

/// The newest format that this version knows, and the one that it writes.
pub(crate) const FORMAT: u64 = 1;

/// Meta: the random bits from which epochs are made.
pub(crate) const SALT: &[u8] = b"salt";
/// Meta: how many streams of a bucket have been deleted.
pub(crate) fn deletions_key(bucket: u16) -> Vec<u8> {
    [b"deletions".as_slice(), &bucket.to_be_bytes()].concat()
}

/// States and garbage: a stream's row.
pub(crate) fn epoch_key(epoch: u64) -> Vec<u8> {
    epoch.to_be_bytes().to_vec()
}

/// Records: a record's row.
pub(crate) fn record_key(epoch: u64, seq: u64) -> Vec<u8> {
    [epoch.to_be_bytes(), seq.to_be_bytes()].concat()
}

/// The `seq` in a record's key, or in that of an [`order_key`].
pub(crate) fn seq_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

/// Keys: the row of an idempotency key.
pub(crate) fn idempotency_key(epoch: u64, key: &[u8]) -> Vec<u8> {
    [&epoch.to_be_bytes(), [KEY].as_slice(), key].concat()
}

/// Keys: the row of a producer's record.
pub(crate) fn producer_record_key(epoch: u64, id: &[u8], life: u64, number: u64) -> Vec<u8> {
    [&epoch.to_be_bytes(), [PRODUCED].as_slice(), &life.to_be_bytes(), &number.to_be_bytes(), id]
        .concat()
}

/// Keys: the row that tells which of the rows above belongs to a record.
pub(crate) fn order_key(epoch: u64, seq: u64) -> Vec<u8> {
    [&epoch.to_be_bytes(), [ORDER].as_slice(), &seq.to_be_bytes()].concat()
}

/// Keys: a producer's row.
pub(crate) fn producer_key(epoch: u64, id: &[u8]) -> Vec<u8> {
    [&epoch.to_be_bytes(), [PRODUCER].as_slice(), id].concat()
}

/// Keys: the row that tells which producer appended a record last.
pub(crate) fn producer_order_key(epoch: u64, seq: u64) -> Vec<u8> {
    [&epoch.to_be_bytes(), [PRODUCER_ORDER].as_slice(), &seq.to_be_bytes()].concat()
}

/// Puts the checksum before a value.
pub(crate) fn seal(key: &[u8], value: &[&[u8]]) -> Vec<u8> {
    let length = 4 + value.iter().map(|part| part.len()).sum::<usize>();
    let mut sealed = Vec::with_capacity(length);
    sealed.extend_from_slice(&[0; 4]);
    for part in value {
        sealed.extend_from_slice(part);
    }
    seal_in_place(key, sealed)
}

/// Puts the checksum into the first four bytes, which stand before a value.
fn seal_in_place(key: &[u8], mut sealed: Vec<u8>) -> Vec<u8> {
    let sum = checksum(key, &sealed[4..]);
    sealed[..4].copy_from_slice(&sum.to_be_bytes());
    sealed
}

/// Takes the checksum off a value; none if it is not that of this key and this value.
pub(crate) fn open<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, value) = sealed.split_first_chunk()?;
    (u32::from_be_bytes(*sum) == checksum(key, value)).then_some(value)
}

/// A row of one number.
pub(crate) fn read_number(key: &[u8], sealed: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(open(key, sealed)?.try_into().ok()?))
}

/// A record's row: time, body.
pub(crate) fn write_record(key: &[u8], time_ms: u64, body: &[u8]) -> Vec<u8> {
    seal(key, &[&time_ms.to_be_bytes(), body])
}

/// A record's time and body.
pub(crate) fn read_record<'a>(key: &[u8], sealed: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (time_ms, body) = open(key, sealed)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*time_ms), body))
}

/// A record's place, in the rows that remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
    /// When it is forgotten.
    pub(crate) until_ms: u64,
}

impl Remembered {
    pub(crate) fn write(self, key: &[u8]) -> Vec<u8> {
        seal(key, &[&numbers(&[self.seq, self.time_ms, self.until_ms])])
    }

    pub(crate) fn read(key: &[u8], sealed: &[u8]) -> Option<Self> {
        let ([seq, time_ms, until_ms], _) = split_numbers(open(key, sealed)?)?;
        Some(Self { seq, time_ms, until_ms })
    }
}

/// An order row: when the key is forgotten, and the key.
pub(crate) fn write_order(key: &[u8], until_ms: u64, remembered: &[u8]) -> Vec<u8> {
    seal(key, &[&until_ms.to_be_bytes(), remembered])
}

/// When the key of an order row is forgotten, and that key.
pub(crate) fn read_order<'a>(key: &[u8], sealed: &'a [u8]) -> Option<(u64, &'a [u8])> {
    read_record(key, sealed)
}

/// Where a producer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producing {
    /// Its newest epoch.
    pub(crate) life: u64,
    /// Its last number in that.
    pub(crate) number: u64,
    /// The record that it appended last.
    pub(crate) seq: u64,
}

impl Producing {
    pub(crate) fn write(self, key: &[u8]) -> Vec<u8> {
        seal(key, &[&numbers(&[self.life, self.number, self.seq])])
    }

    pub(crate) fn read(key: &[u8], sealed: &[u8]) -> Option<Self> {
        let ([life, number, seq], _) = split_numbers(open(key, sealed)?)?;
        Some(Self { life, number, seq })
    }
}

/// A stream's state, as it is in its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) ended: bool,
    /// The oldest record; `last + 1` where there is none.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) first_time_ms: u64,
    pub(crate) last_time_ms: u64,
    pub(crate) bytes: u64,
    /// Keys and producers' records that are remembered.
    pub(crate) keys: u64,
    /// No order row is before this `seq`.
    pub(crate) keys_from: u64,
    /// When the oldest of them is forgotten.
    pub(crate) keys_until_ms: u64,
    pub(crate) producers: u64,
    pub(crate) retention: Retention,
    pub(crate) name: String,
}

impl State {
    /// How many records there are.
    pub(crate) fn kept(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }

    pub(crate) fn new(name: &str) -> Self {
        Self {
            ended: false,
            first: 1,
            last: 0,
            first_time_ms: 0,
            last_time_ms: 0,
            bytes: 0,
            keys: 0,
            keys_from: 1,
            keys_until_ms: u64::MAX,
            producers: 0,
            retention: Retention::UNLIMITED,
            name: name.to_owned(),
        }
    }

    pub(crate) fn write(&self, key: &[u8]) -> Vec<u8> {
        let fields = [
            u64::from(self.ended),
            self.first,
            self.last,
            self.first_time_ms,
            self.last_time_ms,
            self.bytes,
            self.keys,
            self.keys_from,
            self.keys_until_ms,
            self.producers,
            self.retention.count,
            self.retention.bytes,
            self.retention.age_ms,
        ];
        let mut sealed = Vec::with_capacity(4 + fields.len() * 6 + self.name.len());
        sealed.extend_from_slice(&[0; 4]);
        push_numbers(&mut sealed, &fields);
        sealed.extend_from_slice(self.name.as_bytes());
        seal_in_place(key, sealed)
    }

    pub(crate) fn read(key: &[u8], sealed: &[u8]) -> Option<Self> {
        let (fields, name) = split_numbers(open(key, sealed)?)?;
        let [
            ended,
            first,
            last,
            first_time_ms,
            last_time_ms,
            bytes,
            keys,
            keys_from,
            keys_until_ms,
            producers,
            count,
            kept_bytes,
            age_ms,
        ] = fields;
        Some(Self {
            ended: ended != 0,
            first,
            last,
            first_time_ms,
            last_time_ms,
            bytes,
            keys,
            keys_from,
            keys_until_ms,
            producers,
            retention: Retention { count, bytes: kept_bytes, age_ms },
            name: std::str::from_utf8(name).ok()?.to_owned(),
        })
    }
}

/// Numbers, seven bits a byte, the lowest first; the highest bit says that more come. Each is one larger than it is, so that
/// the largest, which stands for no limit, is short.
fn push_numbers(into: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        let mut rest = number.wrapping_add(1);
        while rest > 0x7f {
            into.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        into.push(rest.to_le_bytes()[0]);
    }
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(numbers.len() * 6);
    push_numbers(&mut bytes, numbers);
    bytes
}

fn split_numbers<const N: usize>(bytes: &[u8]) -> Option<([u64; N], &[u8])> {
    let mut numbers = [0; N];
    let mut rest = bytes;
    for number in &mut numbers {
        let mut shift = 0;
        loop {
            let (&byte, behind) = rest.split_first()?;
            rest = behind;
            *number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        *number = number.wrapping_sub(1);
    }
    Some((numbers, rest))
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

// What the rows of the table `Keys` are, behind their epoch.
const KEY: u8 = 1;
const PRODUCED: u8 = 2;
const ORDER: u8 = 3;
const PRODUCER: u8 = 4;
const PRODUCER_ORDER: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let key = epoch_key(7);
        let state = State { last: 9, bytes: 1 << 40, ..State::new("chat:1") };
        assert_eq!(State::read(&key, &state.write(&key)), Some(state));
        let key = record_key(7, 3);
        assert_eq!(seq_of(&key), Some(3));
        let row = write_record(&key, 12, b"body");
        assert_eq!(read_record(&key, &row), Some((12, b"body".as_slice())));
    }

    #[test]
    fn numbers_of_any_size_are_read_as_they_were_written() {
        let some = [0, 1, 126, 127, 128, 1 << 35, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
        let bytes = [numbers(&some), b"rest".to_vec()].concat();
        assert_eq!(split_numbers(&bytes), Some((some, b"rest".as_slice())));
        assert_eq!(numbers(&[u64::MAX]), [0]);
        for length in 0..bytes.len() - 4 {
            assert_eq!(split_numbers::<10>(&bytes[..length]), None);
        }
    }

    #[test]
    fn any_changed_bit_is_found() {
        let key = record_key(7, 3);
        let row = write_record(&key, 12, b"body");
        for bit in 0..row.len() * 8 {
            let mut changed = row.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_record(&key, &changed), None, "bit {bit}");
        }
        assert_eq!(read_record(&record_key(7, 4), &row), None, "a row in another's place");
        for length in 0..row.len() {
            assert_eq!(read_record(&key, &row[..length]), None, "cut to {length}");
        }
    }
}
