//! Numbers that follow from a seed (SplitMix64): equal seeds give equal runs on every machine.

/// A small generator of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mixed(seed.wrapping_add(0xd134_2543_de82_ef95)))
    }

    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0) % end
    }

    /// Returns a number of about normal distribution around zero, with this deviation: the sum of
    /// twelve even ones (Irwin and Hall).
    pub(crate) const fn around(&mut self, deviation: u32) -> i64 {
        let mut sum = 0;
        let mut count = 0;
        while count < 12 {
            sum += self.below(20_001).cast_signed() - 10_000;
            count += 1;
        }
        // Each has a variance of 10^8 / 3, so twelve have a deviation of 20,000.
        sum * deviation as i64 / 20_000
    }
}

/// The finaliser of SplitMix64.
const fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_as_wide_as_asked_for() {
        let mut dice = Dice::new(7);
        let drawn: Vec<i64> = (0..20_000).map(|_| dice.around(500)).collect();
        let mean = drawn.iter().sum::<i64>() / 20_000;
        let variance = drawn.iter().map(|it| it * it).sum::<i64>() / 20_000;
        assert!(mean.abs() < 15, "{mean}");
        assert!((235_000..265_000).contains(&variance), "{variance}");
    }
}
