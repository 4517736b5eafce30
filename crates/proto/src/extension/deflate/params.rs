//! The four parameters and how they are agreed on (RFC 7692 §5, §7.1).

use std::fmt;

use crate::Extension;

/// The name in `Sec-WebSocket-Extensions`.
pub(crate) const NAME: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The parameters of permessage-deflate (RFC 7692 §7.1): as wished for, in [`Deflate`](super::Deflate),
/// or as agreed on.
///
/// As a wish they bound the agreement: what this end asks for or gives by itself. An agreement may
/// have less, since the peer has wishes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "RFC 7692 has four parameters")]
pub struct DeflateParams {
    /// Whether the server compresses each message by itself (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// Whether the client compresses each message by itself (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// How far back the server's messages refer (§7.1.2.1).
    pub server_max_window_bits: WindowBits,
    /// How far back the client's messages refer (§7.1.2.2).
    ///
    /// A server can only ask for less than 15 of a client that offers the parameter; from others it
    /// takes 15.
    pub client_max_window_bits: WindowBits,
}

/// The base-2 logarithm of the LZ77 sliding window's size in bytes (RFC 7692 §7.1.2): 8 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8, a window of 256 bytes. Only a peer can ask for it, and it is then not compressed for, since
    /// deflate libraries refuse it. In settings it counts as 9.
    pub const MIN: Self = Self(8);
    /// 15, a window of 32 KiB: what holds where nothing else is agreed on.
    pub const MAX: Self = Self(15);

    /// `None` unless `bits` is 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Bytes of the window.
    #[must_use]
    pub const fn window_size(self) -> usize {
        1 << self.0
    }

    /// Whether there is a compressor for it.
    pub(crate) const fn can_compress(self) -> bool {
        self.0 >= Self::LEAST_COMPRESSED.0
    }

    pub(crate) const LEAST_COMPRESSED: Self = Self(9);

    /// In its only form: decimal, without leading zeros (§7.1.2).
    fn parse(value: &str) -> Option<Self> {
        (8..=15).find(|bits: &u8| bits.to_string() == value).map(Self)
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl DeflateParams {
    /// Every message by itself, in both directions, in windows of 32 KiB.
    pub const NO_CONTEXT_TAKEOVER: Self = Self {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        ..Self::CONTEXT_TAKEOVER
    };

    /// Messages refer to those before them, in both directions, in windows of 32 KiB.
    pub const CONTEXT_TAKEOVER: Self = Self {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    };

    /// As settings: without the window that nobody can compress for.
    fn as_wish(self) -> Self {
        Self {
            server_max_window_bits: self.server_max_window_bits.max(WindowBits::LEAST_COMPRESSED),
            client_max_window_bits: self.client_max_window_bits.max(WindowBits::LEAST_COMPRESSED),
            ..self
        }
    }

    /// A client's offer of what it wishes for. It always says that it can bound its window.
    pub(crate) fn offer(self) -> Extension {
        let wish = self.as_wish();
        let bits = |bits: WindowBits| (bits < WindowBits::MAX).then_some(bits);
        Written {
            server_no_context_takeover: wish.server_no_context_takeover,
            client_no_context_takeover: wish.client_no_context_takeover,
            server_max_window_bits: bits(wish.server_max_window_bits).map(Some),
            client_max_window_bits: Some(bits(wish.client_max_window_bits)),
        }
        .into_extension()
    }

    /// A server's answer: the first offer that it can serve, and what that comes to; `None` declines
    /// them all (§5).
    pub(crate) fn answer(self, offers: &[Extension]) -> Option<(Self, Extension)> {
        let offers = offers.iter().filter(|offer| offer.name == NAME);
        offers.filter_map(|offer| Written::read(offer).ok()).find_map(|offer| self.serve(offer))
    }

    fn serve(self, offer: Written) -> Option<(Self, Extension)> {
        let wish = self.as_wish();
        let asked = match offer.server_max_window_bits {
            None => WindowBits::MAX,
            Some(bits) => bits.filter(|bits| bits.can_compress())?,
        };
        let promised = offer
            .client_max_window_bits
            .map(|bits| bits.unwrap_or(WindowBits::MAX).min(wish.client_max_window_bits));
        let agreed = Self {
            server_no_context_takeover: wish.server_no_context_takeover
                || offer.server_no_context_takeover,
            client_no_context_takeover: wish.client_no_context_takeover
                || offer.client_no_context_takeover,
            server_max_window_bits: wish.server_max_window_bits.min(asked),
            client_max_window_bits: promised.unwrap_or(WindowBits::MAX),
        };
        let server_bits = Some(agreed.server_max_window_bits)
            .filter(|bits| offer.server_max_window_bits.is_some() || *bits < WindowBits::MAX);
        let client_bits = promised.filter(|bits| *bits < WindowBits::MAX);
        let answer = Written {
            server_no_context_takeover: agreed.server_no_context_takeover,
            client_no_context_takeover: agreed.client_no_context_takeover,
            server_max_window_bits: server_bits.map(Some),
            client_max_window_bits: client_bits.map(Some),
        };
        Some((agreed, answer.into_extension()))
    }

    /// What a server's answer to [`Self::offer`] comes to.
    pub(crate) fn check_answer(self, answer: &Extension) -> Result<Self, InvalidDeflate> {
        let wish = self.as_wish();
        let answer = Written::read(answer)?;
        if wish.server_no_context_takeover && !answer.server_no_context_takeover {
            return Err(InvalidDeflate::NotGranted(SERVER_NO_CONTEXT_TAKEOVER));
        }
        let server_max_window_bits = match answer.server_max_window_bits {
            Some(Some(bits)) if bits <= wish.server_max_window_bits => bits,
            None if wish.server_max_window_bits == WindowBits::MAX => WindowBits::MAX,
            Some(None) => return Err(InvalidDeflate::ValueMissing(SERVER_MAX_WINDOW_BITS)),
            Some(Some(_)) | None => {
                return Err(InvalidDeflate::NotGranted(SERVER_MAX_WINDOW_BITS));
            }
        };
        let client_max_window_bits = match answer.client_max_window_bits {
            Some(Some(bits)) if bits <= wish.client_max_window_bits => bits,
            None => wish.client_max_window_bits,
            Some(None) => return Err(InvalidDeflate::ValueMissing(CLIENT_MAX_WINDOW_BITS)),
            Some(Some(_)) => return Err(InvalidDeflate::NotOffered(CLIENT_MAX_WINDOW_BITS)),
        };
        Ok(Self {
            server_no_context_takeover: answer.server_no_context_takeover,
            client_no_context_takeover: wish.client_no_context_takeover
                || answer.client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
        })
    }
}

/// Writes the agreement as an answer has it, without what holds anyway.
impl fmt::Display for DeflateParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = |bits: WindowBits| (bits < WindowBits::MAX).then_some(Some(bits));
        Written {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: bits(self.server_max_window_bits),
            client_max_window_bits: bits(self.client_max_window_bits),
        }
        .into_extension()
        .fmt(f)
    }
}

/// The parameters as a header has them: a window that is not there, there without a value, or there.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::option_option, reason = "absent, without a value, with a value")]
struct Written {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<Option<WindowBits>>,
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Written {
    /// Each parameter at most once, and none but these (§7.1). Only an offer of
    /// `client_max_window_bits` may leave out its value, so `server_max_window_bits` without one is
    /// refused in an offer by whoever finds no window there.
    fn read(extension: &Extension) -> Result<Self, InvalidDeflate> {
        let mut read = Self::default();
        for (name, value) in &extension.params {
            let repeated = match name.as_str() {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    flag(&mut read.server_no_context_takeover, name, value.as_deref())?
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    flag(&mut read.client_no_context_takeover, name, value.as_deref())?
                }
                SERVER_MAX_WINDOW_BITS => {
                    window(&mut read.server_max_window_bits, name, value.as_deref())?
                }
                CLIENT_MAX_WINDOW_BITS => {
                    window(&mut read.client_max_window_bits, name, value.as_deref())?
                }
                _ => return Err(InvalidDeflate::Unknown(name.clone())),
            };
            if repeated {
                return Err(InvalidDeflate::Repeated(name.clone()));
            }
        }
        Ok(read)
    }

    fn into_extension(self) -> Extension {
        let mut params = Vec::new();
        let mut write = |name: &str, value: Option<WindowBits>| {
            params.push((name.to_owned(), value.map(|bits| bits.to_string())));
        };
        if self.server_no_context_takeover {
            write(SERVER_NO_CONTEXT_TAKEOVER, None);
        }
        if self.client_no_context_takeover {
            write(CLIENT_NO_CONTEXT_TAKEOVER, None);
        }
        if let Some(bits) = self.server_max_window_bits {
            write(SERVER_MAX_WINDOW_BITS, bits);
        }
        if let Some(bits) = self.client_max_window_bits {
            write(CLIENT_MAX_WINDOW_BITS, bits);
        }
        Extension { name: NAME.to_owned(), params }
    }
}

/// Sets a parameter that has no value. Says whether it was set before.
fn flag(set: &mut bool, name: &str, value: Option<&str>) -> Result<bool, InvalidDeflate> {
    match value {
        None => Ok(std::mem::replace(set, true)),
        Some(value) => Err(InvalidDeflate::value(name, value)),
    }
}

/// Sets a parameter that is a window. Says whether it was set before.
#[allow(clippy::option_option, reason = "absent, without a value, with a value")]
fn window(
    set: &mut Option<Option<WindowBits>>,
    name: &str,
    value: Option<&str>,
) -> Result<bool, InvalidDeflate> {
    let bits = match value {
        None => None,
        Some(value) => {
            Some(WindowBits::parse(value).ok_or_else(|| InvalidDeflate::value(name, value))?)
        }
    };
    Ok(set.replace(bits).is_some())
}

/// What is wrong with a server's answer to the offer of permessage-deflate (RFC 7692 §5, §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidDeflate {
    /// A parameter, given here, that was asked for is not granted.
    NotGranted(&'static str),
    /// A parameter, given here, goes beyond what was offered.
    NotOffered(&'static str),
    /// A parameter, given here, is there twice, or the extension itself is.
    Repeated(String),
    /// A parameter, given here, that RFC 7692 does not have.
    Unknown(String),
    /// A parameter has a value that it may not have.
    Value {
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
    },
    /// A parameter, given here, lacks its value.
    ValueMissing(&'static str),
}

impl InvalidDeflate {
    fn value(name: &str, value: &str) -> Self {
        Self::Value { name: name.to_owned(), value: value.to_owned() }
    }
}

impl fmt::Display for InvalidDeflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted(name) => write!(f, "{name}, which was asked for, is not granted"),
            Self::NotOffered(name) => write!(f, "{name} is beyond what was offered"),
            Self::Repeated(name) => write!(f, "{name} is there twice"),
            Self::Unknown(name) => write!(f, "{name:?} is not a parameter of it"),
            Self::Value { name, value } => write!(f, "{name} cannot be {value:?}"),
            Self::ValueMissing(name) => write!(f, "{name} lacks its value"),
        }
    }
}

impl std::error::Error for InvalidDeflate {}
