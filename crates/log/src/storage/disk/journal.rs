//! fjall's journals, read as fjall writes them.
//!
//! fjall cuts a journal at the first thing in it that is no entry, and says nothing; where a checksum is wrong it does not
//! open at all. So the journals are looked through before: where one is not whole, and whether there is more behind that.
//!
//! A batch is `1`, its items' number (u32) and its own (u64); the items; `3`, their XXH3 (u64) and four letters. An item is
//! `2`, its kind, its compression, its table (u64), the lengths of key (u16) and value (u32, twice), key, value. Numbers are
//! little-endian. Behind the last batch a journal is zeros, as it has its length from the beginning.
//!
//! Each batch of the log begins with the same item: its key, a number, and the log's seal, random bits that nobody knows who
//! publishes. So the next batch behind damage is found by its seal, and bytes in a record that look like a batch are none.

use std::io::{self, BufRead, ErrorKind, Read};

use xxhash_rust::xxh3::Xxh3;

/// A batch of a journal.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) items: Vec<Item>,
}

/// A write of a batch.
#[derive(Debug)]
pub(super) struct Item {
    /// fjall's number of the table.
    pub(super) table: u64,
    pub(super) key: Vec<u8>,
    /// None: it is removed.
    pub(super) value: Option<Vec<u8>>,
}

/// What is at a place of a journal.
#[derive(Debug)]
pub(super) enum Step {
    Batch(Entry),
    /// No batch.
    Bad,
    /// The end of the file.
    End,
}

/// Walks a journal from a place on.
#[derive(Debug)]
pub(super) struct Walk<R> {
    reader: R,
    /// Where the next step begins.
    pub(super) at: u64,
    scratch: Vec<u8>,
}

impl<R: BufRead> Walk<R> {
    pub(super) fn new(reader: R, at: u64) -> Self {
        Self { reader, at, scratch: Vec::new() }
    }

    /// The next batch, with its items if they are wanted. Behind a bad one there is no next.
    pub(super) fn step(&mut self, with_items: bool) -> io::Result<Step> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(Step::End);
        }
        let mut length = 0;
        match self.batch(with_items, &mut length) {
            Ok(Some(batch)) => {
                self.at += length;
                Ok(Step::Batch(batch))
            }
            Ok(None) => Ok(Step::Bad),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Step::Bad),
            Err(error) => Err(error),
        }
    }

    fn batch(&mut self, with_items: bool, length: &mut u64) -> io::Result<Option<Entry>> {
        let [START, ref head @ ..] = self.take::<13>(length)? else { return Ok(None) };
        let Some((number, items)) = read_head(head) else { return Ok(None) };
        let mut batch = Entry { number, items: Vec::new() };
        let mut sum = Xxh3::new();
        for _ in 0..items {
            let into = with_items.then_some(&mut batch.items);
            if !self.item(into, length, &mut sum)? {
                return Ok(None);
            }
        }
        let end = self.take::<13>(length)?;
        let expected = [[END].as_slice(), &sum.digest().to_le_bytes(), TRAILER].concat();
        Ok((end.as_slice() == expected).then_some(batch))
    }

    /// An item. False: it is bad.
    fn item(
        &mut self,
        into: Option<&mut Vec<Item>>,
        length: &mut u64,
        sum: &mut Xxh3,
    ) -> io::Result<bool> {
        let head = self.take::<21>(length)?;
        let [ITEM, kind @ (VALUE | REMOVAL), 0, rest @ ..] = head else { return Ok(false) };
        let (table, rest) = rest.split_first_chunk().expect("18 bytes are left");
        let (key_length, rest) = rest.split_first_chunk().expect("10 bytes are left");
        let (value_length, stored) = rest.split_first_chunk().expect("8 bytes are left");
        let key_length = usize::from(u16::from_le_bytes(*key_length));
        if stored != value_length {
            return Ok(false);
        }
        let value_length = u32::from_le_bytes(*value_length) as usize;
        if value_length > MAX_VALUE {
            return Ok(false);
        }
        sum.update(&head);
        self.scratch.resize(key_length + value_length, 0);
        self.reader.read_exact(&mut self.scratch)?;
        *length += self.scratch.len() as u64;
        sum.update(&self.scratch);
        if let Some(items) = into {
            let (key, value) = self.scratch.split_at(key_length);
            let value = (kind == VALUE).then(|| value.to_vec());
            items.push(Item { table: u64::from_le_bytes(*table), key: key.to_vec(), value });
        }
        Ok(true)
    }

    fn take<const N: usize>(&mut self, length: &mut u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        *length += N as u64;
        Ok(bytes)
    }
}

/// What each batch of a log begins with.
pub(super) type Seal = [u8; 16];

/// The key of the item that each batch begins with. Its value is the number of the batch (u64) and the seal.
pub(super) const NUMBER: &[u8] = b"number";

/// Where the next whole batch of this seal begins in these bytes, behind the first of them.
pub(super) fn next_batch(bytes: &[u8], seal: &Seal) -> Option<usize> {
    let mut sealed = bytes.windows(seal.len()).enumerate().filter(|(_, window)| window == seal);
    sealed.find_map(|(at, _)| {
        let at = at.checked_sub(BEFORE_SEAL).filter(|&at| at > 0)?;
        let is_batch = matches!(Walk::new(&bytes[at..], 0).step(false), Ok(Step::Batch(_)));
        is_batch.then_some(at)
    })
}

/// How many bytes there are up to the last that is not zero.
pub(super) fn used(mut reader: impl Read) -> io::Result<u64> {
    let (mut used, mut at) = (0, 0);
    let mut block = vec![0; 64 << 10];
    let zeros = block.clone();
    loop {
        let length = reader.read(&mut block)?;
        if length == 0 {
            return Ok(used);
        }
        // Most of a journal is zeros: those are compared many at a time.
        if block[..length] != zeros[..length]
            && let Some(last) = block[..length].iter().rposition(|&byte| byte != 0)
        {
            used = at + last as u64 + 1;
        }
        at += length as u64;
    }
}

fn read_head(head: &[u8]) -> Option<(u64, u32)> {
    let (items, number) = head.split_first_chunk()?;
    let items = u32::from_le_bytes(*items);
    let number = u64::from_le_bytes(number.try_into().ok()?);
    (items > 0).then_some((number, items))
}

/// Bytes of a batch before its seal: its head, an item's head, the key, the number.
const BEFORE_SEAL: usize = 13 + 21 + NUMBER.len() + 8;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const TRAILER: &[u8] = b"FJL\x03";

// Kinds of items.
const VALUE: u8 = 0;
const REMOVAL: u8 = 1;

/// No value is longer: a record and what is written with it. A damaged length reserves no more.
const MAX_VALUE: usize = crate::Append::MAX_BODY + 1_024;
