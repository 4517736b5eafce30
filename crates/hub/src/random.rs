//! Random numbers from a seed.

/// The generator `SplitMix64`: good enough to spread clients over time and to tell lives of streams apart, and of no use
/// for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("64 bits are left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_below_their_bound_and_differ() {
        let mut random = Random::new(1);
        let numbers: Vec<_> = (0..1000).map(|_| random.below(10)).collect();
        for number in 0..10 {
            let count = numbers.iter().filter(|it| **it == number).count();
            assert!((50..200).contains(&count), "{number} came {count} times");
        }
        assert_eq!(random.below(0), 0);
        assert_ne!(Random::new(1).bits(), Random::new(2).bits());
    }
}
