//! Data that follows from a seed. It stays as it is: another byte would be another scenario.

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn key(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.next().to_le_bytes();
        [a, b, c, d]
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.next() % choices.len() as u64;
        choices[usize::try_from(index).expect("below a length")]
    }
}

/// Bytes that do not compress.
pub(crate) fn bytes(size: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(1);
    let words = std::iter::repeat_with(|| numbers.next().to_le_bytes());
    words.flatten().take(size).collect()
}

/// What a text is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Ascii,
    /// Mostly ASCII, with a letter of two bytes now and then.
    Latin,
    /// Three bytes each.
    Cjk,
    /// Four bytes each.
    Emoji,
    /// A little of everything.
    Mixed,
}

/// Text of exactly `size` bytes, filled up with spaces where no more characters fit.
pub(crate) fn text(kind: Kind, size: usize) -> String {
    let mut numbers = Numbers::new(2);
    let mut text = String::with_capacity(size);
    loop {
        let next = kind.character(&mut numbers);
        if text.len() + next.len_utf8() > size {
            text.extend(std::iter::repeat_n(' ', size - text.len()));
            return text;
        }
        text.push(next);
    }
}

impl Kind {
    fn character(self, numbers: &mut Numbers) -> char {
        match self {
            Self::Latin if numbers.next().is_multiple_of(8) => {
                numbers.pick(&['ä', 'é', 'ñ', 'ø', 'ß', 'ç'])
            }
            Self::Ascii | Self::Latin => numbers.pick(&ASCII),
            Self::Cjk => numbers.pick(&['中', '文', '字', '日', '本', '語', '한', '국']),
            Self::Emoji => numbers.pick(&['😀', '🚀', '🎉', '🐍', '🌍', '🔥']),
            Self::Mixed => {
                let kind = numbers.pick(&[Self::Ascii, Self::Latin, Self::Cjk, Self::Emoji]);
                kind.character(numbers)
            }
        }
    }
}

/// A JSON text of exactly 1 KiB, with ids and numbers that vary by `seed`.
pub(crate) fn json(seed: u64) -> String {
    const SIZE: usize = 1024;
    let mut numbers = Numbers::new(seed);
    let mut text = format!(r#"{{"type":"orders","seq":{seed},"data":["#);
    loop {
        let order = format!(
            r#"{{"id":"{:016x}","symbol":"{}","side":"{}","price":{}.{:02},"quantity":{},"status":"{}"}},"#,
            numbers.next(),
            numbers.pick(&["AAPL", "MSFT", "SAP", "SIE", "EURUSD", "XAUUSD"]),
            numbers.pick(&["buy", "sell"]),
            5 + numbers.next() % 900,
            numbers.next() % 100,
            10 * (1 + numbers.next() % 500),
            numbers.pick(&["new", "partially_filled", "filled", "cancelled"]),
        );
        if text.len() + order.len() + END.len() > SIZE {
            let (before, after) = END.split_at(END.len() - 2);
            let note = "-".repeat(SIZE - text.len() - END.len());
            return text + before + &note + after;
        }
        text += &order;
    }
}

const ASCII: [char; 16] =
    ['a', 'e', 'i', 'o', 'n', 't', 's', 'r', 'h', 'l', 'd', ' ', ' ', ',', '.', '4'];

const END: &str = r#"{}],"note":""}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_exactly_its_size() {
        for size in [0, 1, 7, 64, 4096] {
            assert_eq!(bytes(size).len(), size);
            for kind in [Kind::Ascii, Kind::Latin, Kind::Cjk, Kind::Emoji, Kind::Mixed] {
                assert_eq!(text(kind, size).len(), size, "{kind:?}");
            }
        }
    }

    #[test]
    fn json_is_json_of_one_kibibyte_and_varies() {
        for seed in 0..1000 {
            let text = json(seed);
            assert_eq!(text.len(), 1024);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
        assert_ne!(json(1), json(2));
    }
}
