//! The protocol in CBOR (RFC 8949): items that were found in a frame, and the writer of messages.
//!
//! What is written has definite lengths and the shortest forms. What is read may have any form that is sound.

use std::borrow::Cow;

use minicbor::{Decoder, Encoder, data::Type, decode::Error};

use super::{
    cbor_value,
    fields::{Fault, Item, MAX_KEYS, Pairs},
    write::Write,
};
use crate::{Epoch, Payload, payload::utf8};

/// The bytes of one item. What is in an array or a map is known to be sound; a frame as a whole is so once `as_list` or
/// `as_object` has taken it apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct CborItem<'a>(&'a [u8]);

impl<'a> CborItem<'a> {
    /// The only item of a frame.
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    /// The item that begins here.
    fn next(decoder: &mut Decoder<'a>) -> Result<Self, Fault> {
        let begin = decoder.position();
        cbor_value::skip(decoder)?;
        Ok(Self(&decoder.input()[begin..decoder.position()]))
    }

    /// Fails if something is left.
    fn end(decoder: &Decoder<'a>) -> Result<(), Fault> {
        if decoder.position() == decoder.input().len() {
            return Ok(());
        }
        Err(Fault::new("the frame goes on behind its item: send several messages as one array"))
    }

    fn read<T>(self, read: impl FnOnce(&mut Decoder<'a>) -> Result<T, Error>) -> Option<T> {
        read(&mut Decoder::new(self.0)).ok()
    }

    fn datatype(self) -> Option<Type> {
        self.read(|decoder| decoder.datatype())
    }
}

impl<'a> Item<'a> for CborItem<'a> {
    const HAS_BASE64: bool = false;

    fn is_null(self) -> bool {
        matches!(self.datatype(), Some(Type::Null | Type::Undefined))
    }

    fn as_uint(self) -> Option<u64> {
        self.read(Decoder::u64)
    }

    fn as_bool(self) -> Option<bool> {
        self.read(Decoder::bool)
    }

    fn as_text(self) -> Option<Cow<'a, str>> {
        self.read(cbor_value::text)
    }

    fn as_list(self) -> Result<Option<Vec<Self>>, Fault> {
        if !matches!(self.datatype(), Some(Type::Array | Type::ArrayIndef)) {
            return Ok(None);
        }
        let mut decoder = Decoder::new(self.0);
        let mut left = cbor_value::Left(decoder.array()?);
        let mut items = Vec::new();
        while left.next(&mut decoder)? {
            items.push(Self::next(&mut decoder)?);
        }
        Self::end(&decoder)?;
        Ok(Some(items))
    }

    fn as_object(self) -> Result<Option<Pairs<'a, Self>>, Fault> {
        if !matches!(self.datatype(), Some(Type::Map | Type::MapIndef)) {
            return Ok(None);
        }
        let mut decoder = Decoder::new(self.0);
        let mut left = cbor_value::Left(decoder.map()?);
        let mut pairs = Vec::with_capacity(8);
        while left.next(&mut decoder)? {
            if pairs.len() == MAX_KEYS {
                return Err(Fault::new(format!(
                    "an object has more than {MAX_KEYS} keys: send what the protocol knows"
                )));
            }
            pairs.push((cbor_value::key(&mut decoder)?, Self::next(&mut decoder)?));
        }
        Self::end(&decoder)?;
        Ok(Some(pairs))
    }

    fn payload(self) -> Result<Payload, Fault> {
        match self.datatype() {
            Some(Type::Bytes | Type::BytesIndef) => {
                let bytes = cbor_value::bytes(&mut Decoder::new(self.0))?;
                Ok(Payload::Binary(bytes.into_owned().into()))
            }
            Some(Type::String | Type::StringIndef) => {
                Ok(Payload::text(cbor_value::text(&mut Decoder::new(self.0))?))
            }
            _ => Ok(Payload::Json(cbor_value::to_json(self.0)?.into())),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(format!("it is no sound CBOR: {error}"))
    }
}

/// Writes a message as one CBOR item.
#[derive(Debug)]
pub(super) struct CborWriter {
    bytes: Vec<u8>,
    /// Where the head of the map is that is open.
    map: usize,
}

impl CborWriter {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, map: 0 }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn encoder(&mut self) -> Encoder<&mut Vec<u8>> {
        Encoder::new(&mut self.bytes)
    }
}

impl Write for CborWriter {
    fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.map, self.bytes.len());
        self.bytes.push(EMPTY_MAP);
        fields(self);
        self.map = outer;
    }

    fn list(&mut self, length: usize, items: impl FnOnce(&mut Self)) {
        self.encoder().array(length as u64).expect("a Vec takes all");
        items(self);
    }

    fn key(&mut self, key: &'static str) {
        self.bytes[self.map] += 1; // fewer than 24 fields: the head is one byte
        self.text_value(key);
    }

    fn uint_value(&mut self, value: u64) {
        self.encoder().u64(value).expect("a Vec takes all");
    }

    fn bool_value(&mut self, value: bool) {
        self.encoder().bool(value).expect("a Vec takes all");
    }

    fn text_value(&mut self, value: &str) {
        self.encoder().str(value).expect("a Vec takes all");
    }

    fn epoch_value(&mut self, value: Epoch) {
        self.text_value(&value.to_string());
    }

    fn payload(&mut self, payload: &Payload) {
        self.key("data");
        match payload {
            Payload::Json(json) => {
                cbor_value::from_json(&utf8(json), &mut self.bytes);
            }
            Payload::Text(text) => self.text_value(&utf8(text)),
            Payload::Binary(bytes) => {
                self.encoder().bytes(bytes).expect("a Vec takes all");
            }
        }
    }
}

/// The head of a map without pairs; each pair adds one.
const EMPTY_MAP: u8 = 0xa0;
