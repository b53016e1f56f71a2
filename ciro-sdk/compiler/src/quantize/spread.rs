//! What errors are held against: by how much the values of an output differ.

use super::calibrate::Range;

/// Values are spread by outliers if all of them are so many times as wide as three quarters are.
const OUTLYING: f64 = 20.0;

/// The same where there are few samples, among which one is far from the others by chance.
const OUTLYING_FEW: f64 = 100.0;

/// An error of ordinary values matters from this part of their magnitude: values that hardly differ
/// from each other are right if they are right as numbers.
const ORDINARY_ERROR: f64 = 0.001;

/// The same where there are few samples.
const ORDINARY_ERROR_FEW: f64 = 0.01;

/// Fewer ordinary samples are few.
const ORDINARY_SAMPLES: usize = 8;

/// The values of a sample, and its greatest error, if that is to count.
pub type Judged = (Range, Option<f64>);

/// What the values of ordinary samples are, where those of others are so far away that an error
/// which is a small part of that distance may be more than ordinary values differ by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ordinary {
    middle: f64,
    reach: f64,
    /// By how much they differ; their magnitude, where they do not.
    pub spread: f64,
    /// Their greatest error.
    pub error: f64,
}

impl Ordinary {
    /// The three quarters of all samples whose values are nearest to the median, if the values of
    /// all, `spread`, are many times as wide. `None` as well if the error is nothing beside the
    /// values.
    ///
    /// Of two samples, the one of the smaller values is ordinary.
    pub fn of(samples: &[Judged], spread: f64) -> Option<Self> {
        let mut samples: Vec<_> =
            samples.iter().filter(|(range, _)| range.hi >= range.lo).collect();
        if samples.len() < 2 {
            return None;
        }
        let ordinary = samples.len() * 3 / 4;
        let few = ordinary < ORDINARY_SAMPLES;
        samples.sort_by(|a, b| center(&a.0).total_cmp(&center(&b.0)));
        let least = || samples.iter().min_by(|a, b| a.0.max_abs().total_cmp(&b.0.max_abs()));
        let median = samples.get(samples.len() / 2).filter(|_| samples.len() > 2).or_else(least)?;
        let middle = center(&median.0);
        samples.sort_by(|a, b| distance(middle, &a.0).total_cmp(&distance(middle, &b.0)));
        samples.truncate(ordinary);
        let range = samples.iter().fold(Range::EMPTY, |all, (range, _)| all.union(*range));
        let near = match range.hi - range.lo {
            width if width > 0.0 || !few => width,
            _ => range.max_abs(),
        };
        let error = samples.iter().filter_map(|(_, worst)| *worst).fold(0.0, f64::max);
        let outlying = near * if few { OUTLYING_FEW } else { OUTLYING };
        let matters = range.max_abs() * if few { ORDINARY_ERROR_FEW } else { ORDINARY_ERROR };
        let reach = distance(middle, &range);
        (near > 0.0 && outlying < spread && error > matters).then_some(Self {
            middle,
            reach,
            spread: near,
            error,
        })
    }

    /// Whether values are those of an ordinary sample.
    pub fn holds(&self, values: &Range) -> bool {
        distance(self.middle, values) <= self.reach
    }
}

fn center(range: &Range) -> f64 {
    range.lo / 2.0 + range.hi / 2.0
}

/// How far from `middle` values are at most.
fn distance(middle: f64, range: &Range) -> f64 {
    (range.hi - middle).max(middle - range.lo)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(x: f64, error: f64) -> Judged {
        (Range { lo: x, hi: x }, Some(error))
    }

    #[test]
    fn outliers_hide_no_error_of_ordinary_values() {
        let mut samples: Vec<Judged> = (0..16).map(|at| sample(f64::from(at), 0.5)).collect();
        assert_eq!(Ordinary::of(&samples, 15.0), None, "nothing is hidden");
        samples[15] = sample(1e4, 50.0);
        let ordinary = Ordinary::of(&samples, 1e4).unwrap();
        assert!(ordinary.spread < 15.0 && (ordinary.error - 0.5).abs() < 1e-12, "{ordinary:?}");
        assert!(ordinary.holds(&samples[8].0) && !ordinary.holds(&samples[15].0));
    }

    #[test]
    fn an_outlier_among_few_hides_no_error_either() {
        for (values, spread) in [
            (&[242.0, 5.9e7][..], 5.9e7),
            (&[-5.9e7, 242.0], 5.9e7),
            (&[153.0, 242.0, 5.9e7], 5.9e7),
            (&[150.0, 160.0, 200.0, 240.0, 5.9e7], 5.9e7),
        ] {
            let samples =
                |error: f64| -> Vec<Judged> { values.iter().map(|&x| sample(x, error)).collect() };
            let ordinary = Ordinary::of(&samples(90.0), spread).unwrap();
            assert!(ordinary.spread <= 242.0, "{values:?}: {ordinary:?}");
            assert_eq!(Ordinary::of(&samples(1.0), spread), None, "{values:?}: right as numbers");
        }
        // What differs by chance is no outlier.
        assert_eq!(Ordinary::of(&[sample(0.1, 0.05), sample(3.0, 0.05)], 2.9), None);
        assert_eq!(Ordinary::of(&[sample(3.0, 3.0)], 0.0), None);
    }
}
