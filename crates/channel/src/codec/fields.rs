//! A message's fields, found in their frame before they are understood, in whichever codec.

use std::{borrow::Cow, fmt};

use base64::{
    alphabet,
    engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    ChannelName, Epoch, Payload, Position, Token, json::key_twice, position::InvalidEpoch,
};

/// A value of a frame, in its codec's form.
pub(super) trait Item<'a>: Copy {
    /// Whether binary content is a text with the key `base64`.
    const HAS_BASE64: bool;

    /// Whether it stands for nothing.
    fn is_null(self) -> bool;
    fn as_uint(self) -> Option<u64>;
    fn as_bool(self) -> Option<bool>;
    fn as_text(self) -> Option<Cow<'a, str>>;
    /// Its items, if it is an array.
    fn as_list(self) -> Result<Option<Vec<Self>>, Fault>;
    /// Its keys and values, if it is an object. More than `MAX_KEYS` are a fault.
    fn as_object(self) -> Result<Option<Pairs<'a, Self>>, Fault>;
    /// What `data` means.
    fn payload(self) -> Result<Payload, Fault>;
}

/// The keys and values of an object, in their order.
pub(super) type Pairs<'a, I> = Vec<(Cow<'a, str>, I)>;

/// Keys of the largest object of a message. The protocol's own have far fewer; payloads are not meant.
pub(super) const MAX_KEYS: usize = 64;

/// The largest integer of the protocol: JavaScript has all up to it exactly.
pub(super) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// What is wrong with a message, and the cure.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

impl Fault {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// The same, of the value of this key.
    pub(super) fn at(self, key: &str) -> Self {
        Self(format!("`{key}`: {self}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fields of an object.
pub(super) struct Fields<'a, I>(Pairs<'a, I>);

impl<'a, I: Item<'a>> Fields<'a, I> {
    /// The fields, which may have a key twice: see `check_keys`.
    pub(super) fn new(item: I) -> Result<Self, Fault> {
        match item.as_object()? {
            Some(fields) => Ok(Self(fields)),
            None => Err(Fault::new("an object is needed")),
        }
    }

    /// Fails if a key is there twice.
    pub(super) fn check_keys(&self) -> Result<(), Fault> {
        for (index, (key, _)) in self.0.iter().enumerate() {
            if self.0[..index].iter().any(|(before, _)| before == key) {
                return Err(Fault(key_twice(key)));
            }
        }
        Ok(())
    }

    /// The number of a command, if there is exactly one.
    pub(super) fn id(&self) -> Option<u64> {
        let mut ids = self.0.iter().filter(|(key, _)| key == "id");
        let id = ids.next().and_then(|(_, item)| u64::read(*item).ok());
        id.filter(|_| ids.next().is_none())
    }

    /// Whether the key is there and stands for something.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some_and(|item| !item.is_null())
    }

    pub(super) fn optional<T: Value<'a, I>>(&self, key: &str) -> Result<Option<T>, Fault> {
        match self.find(key) {
            Some(item) if !item.is_null() => T::read(item).map(Some).map_err(|fault| fault.at(key)),
            _ => Ok(None),
        }
    }

    pub(super) fn required<T: Value<'a, I>>(&self, key: &str) -> Result<T, Fault> {
        self.optional(key)?.ok_or_else(|| Fault::new(format!("`{key}` is missing: add it")))
    }

    /// The place that `epoch` and `seq` name.
    pub(super) fn position(&self) -> Result<Position, Fault> {
        Ok(Position { epoch: self.required("epoch")?, seq: self.required("seq")? })
    }

    /// The content: `data`, or `base64` where the codec has it. Null is a content.
    pub(super) fn payload(&self) -> Result<Payload, Fault> {
        let binary = if I::HAS_BASE64 { self.optional::<Base64>("base64")? } else { None };
        match (self.find("data"), binary) {
            (Some(item), None) => item.payload().map_err(|fault| fault.at("data")),
            (None, Some(Base64(bytes))) => Ok(Payload::Binary(bytes.into())),
            (Some(_), Some(_)) => {
                Err(Fault::new("there are both `data` and `base64`: send one of them"))
            }
            (None, None) if I::HAS_BASE64 => {
                Err(Fault::new("there is no content: add `data`, or `base64` for binary content"))
            }
            (None, None) => Err(Fault::new("there is no content: add `data`")),
        }
    }

    fn find(&self, key: &str) -> Option<I> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, item)| *item)
    }
}

/// What a field can be.
pub(super) trait Value<'a, I>: Sized {
    fn read(item: I) -> Result<Self, Fault>;
}

impl<'a, I: Item<'a>> Value<'a, I> for u64 {
    fn read(item: I) -> Result<Self, Fault> {
        uint(item, MAX_INTEGER)
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for u32 {
    fn read(item: I) -> Result<Self, Fault> {
        Ok(Self::try_from(uint(item, Self::MAX.into())?).expect("it is at most the largest"))
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for u16 {
    fn read(item: I) -> Result<Self, Fault> {
        Ok(Self::try_from(uint(item, Self::MAX.into())?).expect("it is at most the largest"))
    }
}

fn uint<'a>(item: impl Item<'a>, max: u64) -> Result<u64, Fault> {
    item.as_uint()
        .filter(|number| *number <= max)
        .ok_or_else(|| Fault::new(format!("a whole number from 0 to {max} is needed")))
}

impl<'a, I: Item<'a>> Value<'a, I> for bool {
    fn read(item: I) -> Result<Self, Fault> {
        item.as_bool().ok_or_else(|| Fault::new("true or false is needed"))
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for Cow<'a, str> {
    fn read(item: I) -> Result<Self, Fault> {
        item.as_text().ok_or_else(|| Fault::new("a text is needed"))
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for String {
    fn read(item: I) -> Result<Self, Fault> {
        Cow::read(item).map(Cow::into_owned)
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for Token {
    fn read(item: I) -> Result<Self, Fault> {
        Self::new(&Cow::read(item)?).map_err(|error| Fault::new(error.to_string()))
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for ChannelName {
    fn read(item: I) -> Result<Self, Fault> {
        Self::new(&Cow::read(item)?).map_err(|error| Fault::new(error.to_string()))
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for Epoch {
    fn read(item: I) -> Result<Self, Fault> {
        Cow::read(item)?.parse().map_err(|error: InvalidEpoch| Fault::new(error.to_string()))
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for Position {
    fn read(item: I) -> Result<Self, Fault> {
        Fields::read(item)?.position()
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for Fields<'a, I> {
    fn read(item: I) -> Result<Self, Fault> {
        let fields = Self::new(item)?;
        fields.check_keys()?;
        Ok(fields)
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for Vec<I> {
    fn read(item: I) -> Result<Self, Fault> {
        item.as_list()?.ok_or_else(|| Fault::new("an array is needed"))
    }
}

/// Bytes that stand as base64.
struct Base64(Vec<u8>);

impl<'a, I: Item<'a>> Value<'a, I> for Base64 {
    fn read(item: I) -> Result<Self, Fault> {
        BASE64.decode(&*Cow::read(item)?).map(Self).map_err(|error| {
            Fault::new(format!("it is no base64 of the alphabet with + and /: {error}"))
        })
    }
}

/// The standard alphabet; written with padding, read with or without.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
