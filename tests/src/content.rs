//! The messages of the script in `tests/peers/README.md`.

use longwire::Message;

/// Characters of one to four bytes.
pub const PATTERN: &str = "añ€🌍";

/// 1,048,576.
pub const MIB: usize = 1 << 20;

/// How many similar texts the script has.
pub const SIMILAR: usize = 60;

/// The lengths of the script's random binaries.
pub const RANDOM_LENGTHS: [usize; 5] = [50, 500, 5000, 50_000, 100_000];

/// Bytes of which the one at `i` is (31 · i) mod 251.
pub fn numbered(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(31 * i % 251).expect("less than 251")).collect()
}

/// The JSON text number `i`: like those before it, and longer.
pub fn similar(i: usize) -> String {
    let items: Vec<_> = (0..=i * i / 2)
        .map(|id| {
            let value = (7 * id * id + 13 * i) % 1000;
            format!(r#"{{"id":{id},"name":"sensor {id}","value":{value},"state":"ok"}}"#)
        })
        .collect();
    format!("[{}]", items.join(","))
}

/// Binaries of the [`RANDOM_LENGTHS`], one after the other from a generator: nothing in them
/// repeats.
pub fn random() -> impl Iterator<Item = Vec<u8>> {
    let mut x: u32 = 1;
    let mut byte = move || {
        x = x.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7FFF_FFFF;
        x.to_le_bytes()[2]
    };
    RANDOM_LENGTHS.into_iter().map(move |length| (0..length).map(|_| byte()).collect())
}

/// Messages of all kinds for a conversation in which compression matters.
pub fn varied() -> Vec<Message> {
    let mut messages = vec![
        "hello".into(),
        "".into(),
        numbered(0).into(),
        numbered(127).into(),
        numbered(65_536).into(),
        (PATTERN.repeat(MIB / PATTERN.len()) + "añ€").into(),
        numbered(MIB).into(),
    ];
    messages.extend((0..100).map(|i| Message::from(format!("burst {i}"))));
    messages.extend((0..SIMILAR).map(|i| Message::from(similar(i))));
    messages.extend(random().map(Message::from));
    messages.extend(["", "", "hello"].map(Message::from));
    messages.extend((0..20).map(|i| Message::from(similar(i))));
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_texts_are_json_of_50_bytes_to_100_kib() {
        assert_eq!(similar(0), r#"[{"id":0,"name":"sensor 0","value":0,"state":"ok"}]"#);
        assert!((95_000..105_000).contains(&similar(SIMILAR - 1).len()));
        serde_json::from_str::<serde_json::Value>(&similar(3)).expect("is JSON");
    }

    /// The peers make the same bytes, so the numbers are part of the script.
    #[test]
    fn random_binaries_are_the_scripts() {
        let all: Vec<_> = random().collect();
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), RANDOM_LENGTHS);
        assert_eq!(all[0][..8], [198, 126, 129, 107, 75, 251, 226, 251]);
    }
}
