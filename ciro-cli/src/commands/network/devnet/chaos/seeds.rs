//! What a seed decides: SplitMix64 (Steele, Lea, Flood 2014), so that a run can be asked for again.

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub(super) struct Seeds(u64);

impl Seeds {
    /// Begins; the name keeps what is drawn for one purpose apart from what is drawn for others.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let mut seeds = Self(seed);
        for byte in purpose.bytes() {
            seeds.0 = seeds.next() ^ u64::from(byte);
        }
        seeds
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, which is not zero. The bias of the remainder does not matter here.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % if bound == 0 { 1 } else { bound }
    }

    /// Whether something happens that happens once in so many times.
    pub(super) const fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub(super) fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_purposes_differ() {
        let draw = |purpose| {
            let mut seeds = Seeds::new(7, purpose);
            [seeds.next(), seeds.next(), seeds.below(10)]
        };
        assert_eq!(draw("fire"), draw("fire"));
        assert_ne!(draw("fire"), draw("load"));
        assert_eq!(Seeds::new(7, "").choose::<u8>(&[]), None);
    }
}
