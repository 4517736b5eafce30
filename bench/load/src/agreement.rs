//! permessage-deflate as a client offers it and as a server agrees to it (RFC 7692 section 7.1).

use anyhow::{Context, Result, bail, ensure};

/// What a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// As browsers do: context takeover, and the window as the server wants it.
    Browser,
    /// The same without context takeover, in both directions.
    NoTakeover,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The header's value.
    pub text: String,
    /// Each of the server's messages is compressed by itself.
    pub server_no_context_takeover: bool,
    /// Each of the client's messages is compressed by itself.
    pub client_no_context_takeover: bool,
    /// How far back the client's messages may refer: 9 to 15.
    pub client_max_window_bits: u8,
}

impl Offer {
    /// The value of `Sec-WebSocket-Extensions`.
    pub fn header(self) -> &'static str {
        match self {
            Self::Browser => "permessage-deflate; client_max_window_bits",
            Self::NoTakeover => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 client_max_window_bits"
            }
        }
    }

    /// Reads the answer to this offer.
    pub fn agree(self, answer: Option<&str>) -> Result<Agreement> {
        let text = answer.context("the server did not agree to permessage-deflate")?.trim();
        let agreement =
            Agreement::read(text).with_context(|| format!("the server agreed to {text:?}"))?;
        ensure!(
            self == Self::Browser || agreement.server_no_context_takeover,
            "the server did not grant server_no_context_takeover"
        );
        Ok(agreement)
    }
}

impl Agreement {
    fn read(text: &str) -> Result<Self> {
        ensure!(!text.contains(','), "more than one extension");
        let mut parts = text.split(';').map(str::trim);
        ensure!(parts.next() == Some("permessage-deflate"), "an extension that was not offered");
        let mut agreement = Self {
            text: text.to_owned(),
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            client_max_window_bits: 15,
        };
        for part in parts {
            match part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value))) {
                ("server_no_context_takeover", None) => agreement.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => agreement.client_no_context_takeover = true,
                // Whatever it is, a decompressor for the largest window reads it.
                ("server_max_window_bits", Some(_)) => {}
                ("client_max_window_bits", Some(bits)) => {
                    let bits = bits.trim_matches('"').parse()?;
                    ensure!((9..=15).contains(&bits), "a window that zlib cannot compress for");
                    agreement.client_max_window_bits = bits;
                }
                _ => bail!("the parameter {part:?}"),
            }
        }
        Ok(agreement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let all = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                   server_max_window_bits=12; client_max_window_bits=\"12\"";
        let agreement = Offer::NoTakeover.agree(Some(all)).expect("a valid answer");
        assert!(agreement.server_no_context_takeover && agreement.client_no_context_takeover);
        assert_eq!(agreement.client_max_window_bits, 12);

        let agreement = Offer::Browser.agree(Some(" permessage-deflate ")).expect("a valid answer");
        assert!(!agreement.server_no_context_takeover && !agreement.client_no_context_takeover);
        assert_eq!(agreement.client_max_window_bits, 15);
    }

    #[test]
    fn what_is_no_agreement_is_refused() {
        for answer in [
            None,
            Some(""),
            Some("x-webkit-deflate-frame"),
            Some("permessage-deflate, permessage-deflate"),
            Some("permessage-deflate; client_max_window_bits=8"),
            Some("permessage-deflate; client_max_window_bits"),
            Some("permessage-deflate; what"),
        ] {
            assert!(Offer::Browser.agree(answer).is_err(), "{answer:?}");
        }
        assert!(Offer::NoTakeover.agree(Some("permessage-deflate")).is_err());
    }
}
