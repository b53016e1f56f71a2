//! Which samples calibrate and which judge.

use ciro_model::tensor::Tensor;

/// Fewer samples all calibrate: a third of so few says nothing.
const FEWEST: usize = 12;

/// Samples, one tensor for each input, that were set apart.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// About two thirds, to calibrate with.
    pub calibrate: Vec<Vec<Tensor<f64>>>,
    /// The others, to judge accuracy with; all of them where there are fewer than 12, which then
    /// flatters.
    pub judge: Vec<Vec<Tensor<f64>>>,
    /// Whether no sample is in both.
    pub apart: bool,
}

/// Splits samples by their content, so that the same sample is always on the same side, whatever
/// its neighbours are.
pub fn hold_out(samples: &[Vec<Tensor<f64>>]) -> HeldOut {
    let (judge, calibrate): (Vec<_>, Vec<_>) =
        samples.iter().cloned().partition(|sample| digest(sample).is_multiple_of(3));
    if samples.len() < FEWEST || judge.is_empty() || calibrate.is_empty() {
        return HeldOut { calibrate: samples.to_vec(), judge: samples.to_vec(), apart: false };
    }
    HeldOut { calibrate, judge, apart: true }
}

/// FNV-1a over the numbers, well mixed: equal on every machine.
pub(super) fn digest(sample: &[Tensor<f64>]) -> u64 {
    let numbers = sample.iter().flat_map(|tensor| tensor.data());
    let hash = numbers
        .flat_map(|x| x.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Vec<Vec<Tensor<f64>>> {
        (0..count).map(|at| vec![Tensor::vector(vec![at as f64, (at as f64).sin()])]).collect()
    }

    #[test]
    fn a_third_is_held_out_and_stays_so_in_any_order() {
        let all = samples(300);
        let split = hold_out(&all);
        assert!(split.apart && (70..130).contains(&split.judge.len()), "{}", split.judge.len());
        assert_eq!(split.judge.len() + split.calibrate.len(), 300);
        let mut reversed = all;
        reversed.reverse();
        let again = hold_out(&reversed);
        assert!(split.judge.iter().all(|sample| again.judge.contains(sample)));
    }

    #[test]
    fn few_samples_are_not_split() {
        let split = hold_out(&samples(11));
        assert!(!split.apart && split.calibrate.len() == 11 && split.judge.len() == 11);
    }
}
