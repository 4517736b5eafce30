//! Header fields of the handshake: tokens, quoted strings and lists (RFC 9110 §5.6), each read in one pass.

use http::{HeaderMap, HeaderName};

/// Whether `bytes` is a token: one or more `tchar` (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Whether a list header holds `token`, in any case and on any of its lines.
pub(crate) fn contains_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .any(|element| trim(element).eq_ignore_ascii_case(token.as_bytes()))
}

/// The value of a header that may appear once, without the white space around it.
pub(crate) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h [u8]>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| trim(value.as_bytes()))),
        (_, Some(_)) => Err(Repeated),
    }
}

/// A header that may appear once appears again.
#[derive(Debug)]
pub(crate) struct Repeated;

/// Reads the elements of a list header (`1#element`), all lines in order (RFC 9110 §5.6.1).
///
/// Empty elements are skipped. `None` means that the list breaks the grammar, or that the header
/// is there and holds no element; a header that is not there gives an empty list.
pub(crate) fn list<'a, T>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    mut element: impl FnMut(&mut Cursor<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut elements = Vec::new();
    let mut present = false;
    for line in lines {
        present = true;
        let mut cursor = Cursor::new(line);
        loop {
            cursor.skip_whitespace();
            if cursor.is_empty() {
                break;
            }
            if cursor.eat(b',') {
                continue;
            }
            elements.push(element(&mut cursor)?);
            cursor.skip_whitespace();
            if !cursor.is_empty() && !cursor.eat(b',') {
                return None;
            }
        }
    }
    (!present || !elements.is_empty()).then_some(elements)
}

/// Reads a header value from left to right, and never goes back.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// Takes `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn skip_whitespace(&mut self) {
        self.rest = trim_start(self.rest);
    }

    /// Takes the longest token that is next.
    pub(crate) fn token(&mut self) -> Option<&'a str> {
        let length = self.rest.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        if token.is_empty() { None } else { std::str::from_utf8(token).ok() }
    }

    /// Takes a token, or a quoted string that is a token once its escapes are undone (§9.1).
    pub(crate) fn token_or_quoted(&mut self) -> Option<String> {
        if !self.eat(b'"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let byte = match byte {
                b'"' => return (!value.is_empty()).then_some(value),
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    escaped
                }
                byte => byte,
            };
            if !is_token_byte(byte) {
                return None;
            }
            value.push(char::from(byte));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Without the optional white space (SP, HTAB) at both ends (RFC 9110 §5.6.3).
fn trim(bytes: &[u8]) -> &[u8] {
    let bytes = trim_start(bytes);
    let end = bytes.iter().rposition(|&byte| !is_whitespace(byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_whitespace(byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

const fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(lines: &[&str]) -> Option<Vec<String>> {
        list(lines.iter().map(|line| line.as_bytes()), |cursor| cursor.token().map(str::to_owned))
    }

    fn quoted(value: &str) -> Option<String> {
        let mut cursor = Cursor::new(value.as_bytes());
        cursor.token_or_quoted().filter(|_| cursor.is_empty())
    }

    #[test]
    fn token_bytes_are_visible_ascii_without_separators() {
        for byte in 0..=u8::MAX {
            let separator = br#"()<>@,;:\"/[]?={}"#.contains(&byte);
            assert_eq!(is_token_byte(byte), byte.is_ascii_graphic() && !separator, "{byte:#04x}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn lists_span_lines_and_skip_empty_elements() {
        assert_eq!(tokens(&["a, b", ",,c ,\t, d,"]).expect("a list"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn an_absent_list_is_empty_and_a_present_one_is_not() {
        assert_eq!(tokens(&[]), Some(vec![]));
        assert_eq!(tokens(&[""]), None);
        assert_eq!(tokens(&[" , ,", "\t"]), None);
    }

    #[test]
    fn list_elements_need_a_comma_between_them() {
        assert_eq!(tokens(&["a b"]), None);
        assert_eq!(tokens(&["a;b"]), None);
        assert_eq!(tokens(&["a, \u{e9}"]), None);
    }

    #[test]
    fn quoted_strings_lose_their_escapes_and_must_be_tokens() {
        assert_eq!(quoted("plain").as_deref(), Some("plain"));
        assert_eq!(quoted(r#""1\0\x""#).as_deref(), Some("10x"));
        for wrong in [r#""""#, r#""a b""#, r#""a,b""#, r#""open"#, r#""open\"#, r#""\"""#, ""] {
            assert_eq!(quoted(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn token_search_ignores_case_and_matches_whole_elements() {
        let name = http::header::CONNECTION;
        let mut headers = HeaderMap::new();
        headers.append(&name, "keep-alive".parse().expect("a value"));
        headers.append(&name, "foo ,\tUpGrAdE".parse().expect("a value"));
        assert!(contains_token(&headers, &name, "upgrade"));
        assert!(!contains_token(&headers, &name, "up"));
        headers.insert(&name, "not-upgrade, upgrades".parse().expect("a value"));
        assert!(!contains_token(&headers, &name, "upgrade"));
    }
}
