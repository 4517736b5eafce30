//! CBOR items and JSON values: which is which, and from one to the other.
//!
//! These items have a JSON equivalent: integers from -2^63 to 2^64 - 1, finite floats, text, `true`, `false`, `null`,
//! arrays, and maps whose keys are texts and differ. Byte strings, tags, `undefined`, other simple values, NaN and the
//! infinities have none.

use std::borrow::Cow;

use minicbor::{Decoder, Encoder, data::Type, decode::Error};

use super::fields::Fault;
use crate::json::{self, Keys, MAX_DEPTH, Sink};

/// How many items are left of an array, or pairs of a map; `None` until a break.
pub(super) struct Left(pub(super) Option<u64>);

impl Left {
    /// Whether one more begins here.
    pub(super) fn next(&mut self, decoder: &mut Decoder<'_>) -> Result<bool, Error> {
        match &mut self.0 {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if decoder.datatype()? == Type::Break => {
                decoder.set_position(decoder.position() + 1);
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

/// Passes one sound item.
pub(super) fn skip(decoder: &mut Decoder<'_>) -> Result<(), Fault> {
    skip_at(decoder, 0)
}

fn skip_at(decoder: &mut Decoder<'_>, depth: usize) -> Result<(), Fault> {
    match decoder.datatype()? {
        Type::Array | Type::ArrayIndef => {
            check_depth(depth)?;
            let mut left = Left(decoder.array()?);
            while left.next(decoder)? {
                skip_at(decoder, depth + 1)?;
            }
        }
        Type::Map | Type::MapIndef => {
            check_depth(depth)?;
            let mut left = Left(decoder.map()?);
            while left.next(decoder)? {
                skip_at(decoder, depth + 1)?;
                skip_at(decoder, depth + 1)?;
            }
        }
        Type::Tag => {
            check_depth(depth)?;
            decoder.tag()?;
            skip_at(decoder, depth + 1)?;
        }
        Type::String | Type::StringIndef => {
            for piece in decoder.str_iter()? {
                piece?;
            }
        }
        Type::Bytes | Type::BytesIndef => {
            for piece in decoder.bytes_iter()? {
                piece?;
            }
        }
        Type::Bool => drop(decoder.bool()?),
        Type::Null => decoder.null()?,
        Type::Undefined => decoder.undefined()?,
        Type::F16 => drop(decoder.f16()?),
        Type::F32 => drop(decoder.f32()?),
        Type::F64 => drop(decoder.f64()?),
        Type::Simple => drop(decoder.simple()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => drop(decoder.u64()?),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => drop(decoder.int()?),
        Type::Break => return Err(Fault::new("it is no sound CBOR: a break where an item is due")),
        Type::Unknown(byte) => {
            return Err(Fault::new(format!(
                "it is no sound CBOR: no item begins with {byte:#04x}"
            )));
        }
    }
    Ok(())
}

fn check_depth(depth: usize) -> Result<(), Fault> {
    if depth == MAX_ITEM_DEPTH {
        return Err(Fault::new(format!(
            "it is nested more than {MAX_ITEM_DEPTH} deep: make it flatter, or send it as text"
        )));
    }
    Ok(())
}

/// Nesting of a frame: a payload's, and the array, the message, and what is in it, around it.
const MAX_ITEM_DEPTH: usize = MAX_DEPTH + 8;

/// A text, in one piece or in several.
pub(super) fn text<'a>(decoder: &mut Decoder<'a>) -> Result<Cow<'a, str>, Error> {
    let mut pieces = decoder.str_iter()?;
    let mut whole = Cow::Borrowed(pieces.next().transpose()?.unwrap_or_default());
    for piece in pieces {
        whole.to_mut().push_str(piece?);
    }
    Ok(whole)
}

/// Bytes, in one piece or in several.
pub(super) fn bytes<'a>(decoder: &mut Decoder<'a>) -> Result<Cow<'a, [u8]>, Error> {
    let mut pieces = decoder.bytes_iter()?;
    let mut whole = Cow::Borrowed(pieces.next().transpose()?.unwrap_or_default());
    for piece in pieces {
        whole.to_mut().extend_from_slice(piece?);
    }
    Ok(whole)
}

/// The key of a pair.
pub(super) fn key<'a>(decoder: &mut Decoder<'a>) -> Result<Cow<'a, str>, Fault> {
    match decoder.datatype()? {
        Type::String | Type::StringIndef => Ok(text(decoder)?),
        other => Err(Fault::new(format!("a key is of the type {other}: give every key as a text"))),
    }
}

/// The JSON text of an item.
pub(super) fn to_json(item: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut json = JsonText { bytes: Vec::with_capacity(2 * item.len()), keys: Keys::default() };
    json.write_item(&mut Decoder::new(item), 0)?;
    Ok(json.bytes)
}

/// JSON text so far, and the keys of the objects that are open.
struct JsonText<'a> {
    bytes: Vec<u8>,
    keys: Keys<'a>,
}

impl<'a> JsonText<'a> {
    fn write_item(&mut self, decoder: &mut Decoder<'a>, depth: usize) -> Result<(), Fault> {
        match decoder.datatype()? {
            Type::Array | Type::ArrayIndef => self.write_array(decoder, depth)?,
            Type::Map | Type::MapIndef => self.write_map(decoder, depth)?,
            Type::String | Type::StringIndef => self.write(&*text(decoder)?),
            Type::Bool => self.write(&decoder.bool()?),
            Type::Null => {
                decoder.null()?;
                self.write(&());
            }
            Type::F16 | Type::F32 | Type::F64 => {
                let number = decoder.f64()?;
                if !number.is_finite() {
                    return Err(no_equivalent(&format!("the number {number}")));
                }
                self.write(&number);
            }
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => self.write(&decoder.u64()?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => self.write(&decoder.i64()?),
            Type::Int => return Err(no_equivalent("an integer below -2^63")),
            Type::Bytes | Type::BytesIndef => {
                return Err(no_equivalent("a byte string within a value"));
            }
            Type::Tag => {
                return Err(no_equivalent(&format!("the tag {}", decoder.tag()?.as_u64())));
            }
            other => return Err(no_equivalent(&format!("the type {other}"))),
        }
        Ok(())
    }

    fn write_array(&mut self, decoder: &mut Decoder<'a>, depth: usize) -> Result<(), Fault> {
        json::check_depth(depth).map_err(Fault)?;
        let mut left = Left(decoder.array()?);
        let mut separator = None;
        self.bytes.push(b'[');
        while left.next(decoder)? {
            self.bytes.extend(separator.replace(b','));
            self.write_item(decoder, depth + 1)?;
        }
        self.bytes.push(b']');
        Ok(())
    }

    fn write_map(&mut self, decoder: &mut Decoder<'a>, depth: usize) -> Result<(), Fault> {
        json::check_depth(depth).map_err(Fault)?;
        let mut left = Left(decoder.map()?);
        let begin = self.keys.begin();
        let mut separator = None;
        self.bytes.push(b'{');
        while left.next(decoder)? {
            self.bytes.extend(separator.replace(b','));
            let key = key(decoder)?;
            self.write(&*key);
            self.keys.push(key);
            self.bytes.push(b':');
            self.write_item(decoder, depth + 1)?;
        }
        self.bytes.push(b'}');
        self.keys.end(begin).map_err(Fault)
    }

    fn write<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        serde_json::to_writer(&mut self.bytes, value).expect("a Vec takes all");
    }
}

fn no_equivalent(what: &str) -> Fault {
    Fault(format!(
        "{what} has no equivalent in JSON: send maps with text keys, arrays, texts, finite numbers, booleans and null; as the whole content also a byte string"
    ))
}

/// Writes the item of a JSON text. One that is no JSON, against the invariant of its payload, is written as null.
pub(super) fn from_json(json: &str, bytes: &mut Vec<u8>) {
    let begin = bytes.len();
    if json::walk(json, &mut Items(bytes)).is_err() {
        debug_assert!(false, "a payload that is no JSON: {json}");
        bytes.truncate(begin);
        bytes.push(NULL);
    }
}

const NULL: u8 = 0xf6;

/// Writes the parts of a JSON value as items.
struct Items<'b>(&'b mut Vec<u8>);

impl Items<'_> {
    fn encoder(&mut self) -> Encoder<&mut Vec<u8>> {
        Encoder::new(self.0)
    }

    /// Puts the head before the items, once their number is known.
    fn put_head(&mut self, begin: usize, major: u8, length: usize) {
        let mut head = Encoder::new(minicbor::encode::write::Cursor::new([0; 9]));
        head.u64(length as u64).expect("a head has at most nine bytes");
        let cursor = head.into_writer();
        let size = cursor.position();
        let mut head = cursor.into_inner();
        head[0] |= major;
        self.0.splice(begin..begin, head[..size].iter().copied());
    }
}

const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;

impl<'de> Sink<'de> for Items<'_> {
    fn null(&mut self) {
        self.0.push(NULL);
    }

    fn boolean(&mut self, value: bool) {
        self.encoder().bool(value).expect("a Vec takes all");
    }

    fn unsigned(&mut self, value: u64) {
        self.encoder().u64(value).expect("a Vec takes all");
    }

    fn signed(&mut self, value: i64) {
        self.encoder().i64(value).expect("a Vec takes all");
    }

    /// Writes the shortest float that has the value.
    fn float(&mut self, value: f64) {
        #[allow(clippy::cast_possible_truncation, reason = "the comparison tells what is lost")]
        let single = value as f32;
        if f64::from(single).to_bits() != value.to_bits() {
            self.encoder().f64(value).expect("a Vec takes all");
            return;
        }
        let begin = self.0.len();
        self.encoder().f16(single).expect("a Vec takes all");
        let half = Decoder::new(&self.0[begin..]).f16().expect("it was written just now");
        if half.to_bits() != single.to_bits() {
            self.0.truncate(begin);
            self.encoder().f32(single).expect("a Vec takes all");
        }
    }

    fn text(&mut self, value: &str) {
        self.encoder().str(value).expect("a Vec takes all");
    }

    fn key(&mut self, key: Cow<'de, str>) {
        Sink::text(self, &key);
    }

    fn begin(&mut self) -> usize {
        self.0.len()
    }

    fn end_array(&mut self, begin: usize, length: usize) {
        self.put_head(begin, ARRAY, length);
    }

    /// Keys differ: the payload was checked as it came.
    fn end_object(&mut self, begin: usize, length: usize) -> Result<(), String> {
        self.put_head(begin, MAP, length);
        Ok(())
    }
}
