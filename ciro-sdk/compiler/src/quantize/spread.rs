//! What errors are held against: by how much the values of an output differ.

use super::calibrate::Range;

/// Values are spread by outliers if all of them are so many times as wide as three quarters are.
const OUTLYING: f64 = 20.0;

/// An error of ordinary values matters from this part of their magnitude: values that hardly differ
/// from each other are right if they are right as numbers.
const ORDINARY_ERROR: f64 = 0.001;

/// The fewest samples that say what ordinary values are.
const ORDINARY_SAMPLES: usize = 8;

/// The values of a sample, and its greatest error, if that is to count.
pub(super) type Judged = (Range, Option<f64>);

/// Spread and greatest error of the three quarters of all samples whose values are nearest to the
/// median, if the values of all, `spread`, are more than [`OUTLYING`] times as wide: what is a
/// small part of the distance to an outlier may be more than ordinary values differ by. `None` as
/// well if the error is below [`ORDINARY_ERROR`].
pub(super) fn ordinary(samples: &[Judged], spread: f64) -> Option<(f64, f64)> {
    let mut samples: Vec<_> = samples.iter().filter(|(range, _)| range.hi >= range.lo).collect();
    let ordinary = samples.len() * 3 / 4;
    if ordinary < ORDINARY_SAMPLES {
        return None;
    }
    let middle = |range: &Range| range.lo / 2.0 + range.hi / 2.0;
    samples.sort_by(|a, b| middle(&a.0).total_cmp(&middle(&b.0)));
    let median = middle(&samples[samples.len() / 2].0);
    let distance = |range: &Range| (range.hi - median).max(median - range.lo);
    samples.sort_by(|a, b| distance(&a.0).total_cmp(&distance(&b.0)));
    samples.truncate(ordinary);
    let range = samples.iter().fold(Range::EMPTY, |all, (range, _)| all.union(*range));
    let near = range.hi - range.lo;
    let error = samples.iter().filter_map(|(_, worst)| *worst).fold(0.0, f64::max);
    let outlying = near > 0.0 && near * OUTLYING < spread;
    (outlying && error > ORDINARY_ERROR * range.max_abs()).then_some((near, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_hide_no_error_of_ordinary_values() {
        let sample = |x: f64, error: f64| (Range { lo: x, hi: x }, Some(error));
        let mut samples: Vec<Judged> = (0..16).map(|at| sample(f64::from(at), 0.5)).collect();
        assert_eq!(ordinary(&samples, 15.0), None, "nothing is hidden");
        samples[15] = sample(1e4, 50.0);
        let (near, error) = ordinary(&samples, 1e4).unwrap();
        assert!(near < 15.0 && (error - 0.5).abs() < 1e-12, "{near} {error}");
        assert_eq!(ordinary(&samples[..10], 1e4), None, "so few say nothing");
    }
}
