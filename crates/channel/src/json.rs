//! JSON values, walked once from end to end: whether they may be a payload, and what they are made of.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Takes the parts of a JSON value, in their order.
pub(crate) trait Sink<'de> {
    fn null(&mut self);
    fn boolean(&mut self, value: bool);
    fn unsigned(&mut self, value: u64);
    fn signed(&mut self, value: i64);
    fn float(&mut self, value: f64);
    fn text(&mut self, value: &str);
    fn key(&mut self, key: Cow<'de, str>);
    /// An array or an object begins; what is given back comes back with its end.
    fn begin(&mut self) -> usize;
    /// An array of so many items ends.
    fn end_array(&mut self, begin: usize, length: usize);
    /// An object of so many pairs of key and value ends. The words of a failure are told to whoever walks.
    fn end_object(&mut self, begin: usize, length: usize) -> Result<(), String>;
}

/// Gives every part of the value to `sink`, or says what is wrong with it.
pub(crate) fn walk<'de>(
    text: &'de str,
    sink: &mut impl Sink<'de>,
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit(); // `Walk` has one
    Walk { sink, depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Checks that the value may be a payload.
pub(crate) fn check(text: &str) -> Result<(), serde_json::Error> {
    walk(text, &mut Check(Keys::default()))
}

/// Fails for an array or an object within so many others.
pub(crate) fn check_depth(depth: usize) -> Result<(), String> {
    if depth < MAX_DEPTH {
        return Ok(());
    }
    Err(format!("it is nested more than {MAX_DEPTH} deep (make it flatter, or send it as text)"))
}

/// How deep arrays and objects may be nested in a payload. Whoever reads one needs a stack for it.
pub(crate) const MAX_DEPTH: usize = 128;

/// The keys of all objects that are open, the inner ones behind the outer.
#[derive(Debug, Default)]
pub(crate) struct Keys<'de>(Vec<Cow<'de, str>>);

impl<'de> Keys<'de> {
    /// An object begins.
    pub(crate) fn begin(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, key: Cow<'de, str>) {
        self.0.push(key);
    }

    /// The object that began there ends. Fails if it has a key twice.
    pub(crate) fn end(&mut self, begin: usize) -> Result<(), String> {
        let keys = &mut self.0[begin..];
        keys.sort_unstable();
        if let Some([twice, _]) = keys.array_windows().find(|[one, next]| one == next) {
            return Err(key_twice(twice));
        }
        self.0.truncate(begin);
        Ok(())
    }
}

/// The words for a key that an object has twice.
pub(crate) fn key_twice(key: &str) -> String {
    format!("the key {} is there twice (name each key of an object once)", quoted(key))
}

/// A text of a peer's in words of ours: cut, so that no answer is as long as what it answers.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

const MAX_QUOTED: usize = 40;

/// Wants no parts but the keys.
struct Check<'de>(Keys<'de>);

impl<'de> Sink<'de> for Check<'de> {
    fn null(&mut self) {}
    fn boolean(&mut self, _: bool) {}
    fn unsigned(&mut self, _: u64) {}
    fn signed(&mut self, _: i64) {}
    fn float(&mut self, _: f64) {}
    fn text(&mut self, _: &str) {}
    fn key(&mut self, key: Cow<'de, str>) {
        self.0.push(key);
    }
    fn begin(&mut self) -> usize {
        self.0.begin()
    }
    fn end_array(&mut self, _: usize, _: usize) {}
    fn end_object(&mut self, begin: usize, _: usize) -> Result<(), String> {
        self.0.end(begin)
    }
}

/// A value at this depth.
struct Walk<'s, S> {
    sink: &'s mut S,
    depth: usize,
}

impl<S> Walk<'_, S> {
    fn below(&mut self) -> Walk<'_, S> {
        Walk { sink: self.sink, depth: self.depth + 1 }
    }
}

impl<'de, S: Sink<'de>> DeserializeSeed<'de> for Walk<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink<'de>> Visitor<'de> for Walk<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.sink.null();
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.sink.boolean(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.sink.unsigned(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.sink.signed(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.sink.float(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.sink.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        check_depth(self.depth).map_err(A::Error::custom)?;
        let begin = self.sink.begin();
        let mut length = 0;
        while items.next_element_seed(self.below())?.is_some() {
            length += 1;
        }
        self.sink.end_array(begin, length);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut pairs: A) -> Result<(), A::Error> {
        check_depth(self.depth).map_err(A::Error::custom)?;
        let begin = self.sink.begin();
        let mut length = 0;
        while let Some(key) = pairs.next_key_seed(Key)? {
            self.sink.key(key);
            pairs.next_value_seed(self.below())?;
            length += 1;
        }
        self.sink.end_object(begin, length).map_err(A::Error::custom)
    }
}

/// A key of an object, borrowed where it has no escapes.
pub(crate) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
