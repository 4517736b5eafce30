//! The grammar of `Sec-WebSocket-Extensions` (§9.1): names, parameters and quoted values.

use std::fmt;

use crate::handshake::tokens::{self, Cursor};

/// One extension, as it is offered by a client or agreed to by a server (§9.1).
///
/// Names and values are tokens. This type does not know what they mean: `permessage-deflate`, for
/// one, gives its own rules to its own parameters. Order and repetition are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extension {
    /// The extension's registered name, such as `permessage-deflate`.
    pub name: String,
    /// Its parameters, in order; a parameter without `=` has no value.
    pub params: Vec<(String, Option<String>)>,
}

impl Extension {
    /// Reads a list of extensions, as one `Sec-WebSocket-Extensions` line has it.
    ///
    /// A quoted value is unquoted; what is left must be a token. Empty elements are skipped, but
    /// the list must hold one extension at least. The cost is linear in the length of `list`.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, InvalidExtension> {
        from_lines([list.as_bytes()]).ok_or_else(|| InvalidExtension(list.to_owned()))
    }

    /// Writes a list of extensions, as one `Sec-WebSocket-Extensions` line has it.
    ///
    /// Fails if a name or a value is not a token, which would change the meaning of the line.
    pub fn format_list(extensions: &[Self]) -> Result<String, InvalidExtension> {
        if let Some(wrong) = extensions.iter().find(|extension| !extension.is_valid()) {
            return Err(InvalidExtension(wrong.to_string()));
        }
        let extensions: Vec<_> = extensions.iter().map(Self::to_string).collect();
        Ok(extensions.join(", "))
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let name = cursor.token()?.to_owned();
        let mut params = Vec::new();
        loop {
            cursor.skip_whitespace();
            if !cursor.eat(b';') {
                return Some(Self { name, params });
            }
            cursor.skip_whitespace();
            let param = cursor.token()?.to_owned();
            cursor.skip_whitespace();
            let value = if cursor.eat(b'=') {
                cursor.skip_whitespace();
                Some(cursor.token_or_quoted()?)
            } else {
                None
            };
            params.push((param, value));
        }
    }

    fn is_valid(&self) -> bool {
        tokens::is_token(self.name.as_bytes())
            && self.params.iter().all(|(param, value)| {
                tokens::is_token(param.as_bytes())
                    && value.as_ref().is_none_or(|value| tokens::is_token(value.as_bytes()))
            })
    }
}

/// Writes the extension as a header has it: `name; param; param=value`.
impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (param, value) in &self.params {
            write!(f, "; {param}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// Text that is not a list of extensions, or an extension that is not made of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidExtension(String);

impl InvalidExtension {
    /// The text that is wrong.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvalidExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a list of extensions; write name; param; param=value, separated by commas, \
             where names and values are tokens",
            self.0
        )
    }
}

impl std::error::Error for InvalidExtension {}

/// Reads the extensions of all lines of the header, in order; `None` if one breaks the grammar.
pub(crate) fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<Extension>> {
    tokens::list(lines, Extension::read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extension(name: &str, params: &[(&str, Option<&str>)]) -> Extension {
        let own =
            |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
        Extension { name: name.to_owned(), params: params.iter().map(own).collect() }
    }

    #[test]
    fn offers_keep_their_order_and_their_parameters() {
        let list = "permessage-deflate; client_max_window_bits;server_max_window_bits=10 , \
                    permessage-deflate,x-y;a=1;a=2";
        assert_eq!(
            Extension::parse_list(list).expect("a list"),
            [
                extension(
                    "permessage-deflate",
                    &[("client_max_window_bits", None), ("server_max_window_bits", Some("10"))]
                ),
                extension("permessage-deflate", &[]),
                extension("x-y", &[("a", Some("1")), ("a", Some("2"))]),
            ]
        );
    }

    #[test]
    fn a_quoted_value_equals_the_plain_one() {
        let plain = Extension::parse_list("a; b=10");
        assert_eq!(Extension::parse_list("a; b=\"10\""), plain);
        assert_eq!(Extension::parse_list("a; b=\"1\\0\""), plain);
        assert_eq!(Extension::parse_list(", a ;\tb = \"10\",,"), plain);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for wrong in [
            "",
            ",",
            "a;",
            "a; ;b",
            "a;=1",
            "a; b=",
            "a; b=\"\"",
            "a; b=\"1",
            "a; b=\"1\\",
            "a; b=\"1,2\"",
            "a; b=\"1 2\"",
            "a; b=1 2",
            "a b",
            "a=1",
            "a; b=1=2",
            "\"a\"",
            "a; \"b\"",
            "a/b",
            "\u{e9}",
            "a; b=\u{e9}",
            "a; b=\"\u{e9}\"",
            "a, b;",
        ] {
            assert!(Extension::parse_list(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_a_token_is_never_written() {
        for wrong in [
            extension("", &[]),
            extension("a, b", &[]),
            extension("a", &[("b\r\nc: d", None)]),
            extension("a", &[("b", Some(""))]),
            extension("a", &[("b", Some("1; c"))]),
        ] {
            assert!(Extension::format_list(&[extension("ok", &[]), wrong]).is_err());
        }
    }

    fn token() -> impl Strategy<Value = String> {
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}"
    }

    fn extensions() -> impl Strategy<Value = Vec<Extension>> {
        let params = prop::collection::vec((token(), prop::option::of(token())), 0..5);
        let one = (token(), params).prop_map(|(name, params)| Extension { name, params });
        prop::collection::vec(one, 1..5)
    }

    /// The same list in another spelling: white space, empty elements, quoted and escaped values.
    fn respell(extensions: &[Extension]) -> String {
        let escape = |value: &str| value.chars().flat_map(|c| ['\\', c]).collect::<String>();
        let mut text = String::from(" ,");
        for extension in extensions {
            text.extend(["\t", &extension.name]);
            for (param, value) in &extension.params {
                text.extend([" ;\t", param, " "]);
                if let Some(value) = value {
                    text.extend(["= \"", &escape(value), "\""]);
                }
            }
            text.push_str(" ,, ");
        }
        text
    }

    proptest! {
        #[test]
        fn lists_survive_a_round_trip(extensions in extensions()) {
            let text = Extension::format_list(&extensions).expect("tokens");
            prop_assert_eq!(Extension::parse_list(&text).expect("a list"), extensions);
        }

        #[test]
        fn spelling_does_not_change_a_list(extensions in extensions()) {
            let text = respell(&extensions);
            prop_assert_eq!(Extension::parse_list(&text).expect("a list"), extensions);
        }

        #[test]
        fn any_text_is_refused_or_can_be_written_again(text in "[ -~]{0,40}") {
            if let Ok(extensions) = Extension::parse_list(&text) {
                let again = Extension::format_list(&extensions).expect("tokens");
                prop_assert_eq!(Extension::parse_list(&again).expect("a list"), extensions);
            }
        }
    }
}
