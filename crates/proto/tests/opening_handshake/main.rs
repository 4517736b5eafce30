//! The opening handshake (§4): each clause, each fault, in any chunking.

mod client;
mod deflate;
mod server;
mod together;

use std::fmt::Debug;

use longwire_proto::Subprotocol;

/// Runs `run` on the input whole, cut in two at every byte, and byte by byte; all must be the same.
fn in_any_chunking<T: Debug + PartialEq>(input: &[u8], run: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = run(&[input]);
    for split in 0..=input.len() {
        let (first, second) = input.split_at(split);
        assert_eq!(run(&[first, second]), whole, "cut at {split}");
    }
    let bytes: Vec<_> = input.chunks(1).collect();
    assert_eq!(run(&bytes), whole, "byte by byte");
    whole
}

/// A message head whose lines a test changes.
#[derive(Clone)]
struct Head {
    start: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn new(start: &str, headers: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { start: start.to_owned(), headers: headers.iter().map(own).collect() }
    }

    fn start(mut self, start: &str) -> Self {
        start.clone_into(&mut self.start);
        self
    }

    /// Adds a line.
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        let before = self.headers.len();
        self.headers.retain(|(other, _)| other != name);
        assert!(self.headers.len() < before, "{name} is there to be removed");
        self
    }

    fn replace(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

fn subprotocols<const N: usize>(names: [&str; N]) -> Vec<Subprotocol> {
    names.map(|name| name.parse().expect("a token")).to_vec()
}

/// The nonce, the key and the answer that the RFC has as its example (§1.3).
const SAMPLE_NONCE: [u8; 16] = *b"the sample nonce";
const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SAMPLE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
