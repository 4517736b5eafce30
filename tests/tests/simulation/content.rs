//! What is published: each content is of its own, and says which publication it is of.

use bytes::Bytes;
use longwire_channel::{Payload, Token};

/// Of which kind a content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Json,
    Binary,
}

/// The content of a publication, with so many bytes of padding.
pub(crate) fn payload(tag: u32, kind: Kind, padding: usize) -> Payload {
    let padding = "x".repeat(padding);
    match kind {
        Kind::Text => Payload::text(format!("#{tag}# {padding}é\n")),
        Kind::Json => Payload::from_json(&format!(
            r##"{{"of":"#{tag}#","list":[1,-2,null,true],"padding":"{padding}"}}"##
        ))
        .expect("it is JSON"),
        Kind::Binary => Payload::Binary(Bytes::from(
            [format!("#{tag}#").as_bytes(), padding.as_bytes(), &[0, 0xff]].concat(),
        )),
    }
}

/// What a third of the publications have.
pub(crate) fn event(tag: u32) -> Option<Token> {
    tag.is_multiple_of(3).then(|| Token::new("kind").expect("valid"))
}

/// Which publication bytes are of that contain its content.
pub(crate) fn tag_of(bytes: &[u8]) -> Option<u32> {
    let begin = bytes.iter().position(|byte| *byte == b'#')? + 1;
    let length = bytes.get(begin..)?.iter().position(|byte| *byte == b'#')?;
    std::str::from_utf8(&bytes[begin..begin + length]).ok()?.parse().ok()
}
