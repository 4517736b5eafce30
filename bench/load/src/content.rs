//! Message content: slices of one random pool, so that content varies and is checked at memory speed.

const OFFSETS: usize = 64 * 1024;

/// A small, fast random generator (splitmix64); its numbers need not be secret here.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose sequence follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number of the sequence.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A masking key.
    pub fn key(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.number().to_ne_bytes();
        [a, b, c, d]
    }
}

/// Random bytes of which every message is a slice.
#[derive(Debug)]
pub struct Content {
    pool: Vec<u8>,
    size: usize,
}

impl Content {
    /// A pool for messages of `size` bytes.
    pub fn new(size: usize, random: &mut Random) -> Self {
        let words = (size + OFFSETS).div_ceil(8);
        Self { pool: (0..words).flat_map(|_| random.number().to_ne_bytes()).collect(), size }
    }

    /// Where in the pool the next message starts.
    pub fn pick(&self, random: &mut Random) -> usize {
        usize::try_from(random.number() % OFFSETS as u64).expect("an offset fits")
    }

    /// The message that starts at `offset`.
    pub fn message(&self, offset: usize) -> &[u8] {
        &self.pool[offset..offset + self.size]
    }
}
