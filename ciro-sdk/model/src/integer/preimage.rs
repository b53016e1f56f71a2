//! Which real numbers an integer of an input stands for: the inverse of [`Encoding::encode`].
//!
//! Every encoding is a monotone function of the real number, so the float64 numbers that it maps to
//! one integer are an interval. Integer tensors that are derived from one ONNX input are about one
//! real input exactly where the intervals of their elements meet.

use super::Encoding;
use super::encoding::{MISSING_IMAGE, float32, ordered_image};

/// One element of an input as one encoding sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'e> {
    encoding: &'e Encoding,
    /// Position along the last axis.
    column: usize,
    /// The integer, or the image that two limbs make up.
    integer: i64,
}

/// A closed interval of float64 numbers.
#[derive(Clone, Copy, Debug)]
struct Reals {
    lo: f64,
    hi: f64,
}

/// A real number that is encoded as every one of these elements; `None` if there is none.
///
/// A float32 that trees compare is given back as it is; otherwise the number is in the middle of
/// the rounding interval where the encodings allow it.
///
/// Where no number is, a missing value (NaN) may be that all of them stand for.
pub(super) fn common_real<'e>(elements: impl Iterator<Item = Element<'e>> + Clone) -> Option<f64> {
    let mut all = elements.clone().peekable();
    let missing = all.peek().is_some() && all.all(Element::is_missing);
    number(elements).or(missing.then_some(f64::NAN))
}

/// A finite number that is encoded as every one of these elements; `None` if there is none.
fn number<'e>(elements: impl Iterator<Item = Element<'e>> + Clone) -> Option<f64> {
    let finest = elements.clone().min_by(|a, b| a.coarseness().total_cmp(&b.coarseness()))?;
    let middle = finest.middle();
    if elements.clone().all(|element| element.is_of(middle)) {
        return Some(middle);
    }
    let reals =
        elements.clone().try_fold(Reals { lo: f64::MIN, hi: f64::MAX }, |both, element| {
            let reals = element.reals()?;
            Some(Reals { lo: both.lo.max(reals.lo), hi: both.hi.min(reals.hi) })
        })?;
    let nearest = if middle.is_nan() { reals.lo } else { middle.max(reals.lo).min(reals.hi) };
    elements.into_iter().all(|element| element.is_of(nearest)).then_some(nearest)
}

impl<'e> Element<'e> {
    /// Element number `index` of an integer tensor with these `data` in the encoding's shape.
    pub(super) fn new(encoding: &'e Encoding, data: &[i32], index: usize) -> Self {
        let (column, integer) = match encoding {
            Encoding::Ordered | Encoding::OrderedOrMissing => {
                let limb = |limb| i64::from(data[2 * index + limb]);
                (0, 0x1_0000 * limb(0) + limb(1))
            }
            Encoding::Columns { scales, .. } | Encoding::Imputed { scales, .. } => {
                (index % scales.len(), data[index].into())
            }
            Encoding::Affine { .. } | Encoding::Integer { .. } | Encoding::Text(_) => {
                (0, data[index].into())
            }
        };
        Self { encoding, column, integer }
    }

    /// Elements of lower coarseness say more of the real number.
    fn coarseness(self) -> f64 {
        match self.encoding {
            Encoding::Integer { .. } | Encoding::Text(_) => -1.0,
            Encoding::Ordered | Encoding::OrderedOrMissing => 0.0,
            Encoding::Affine { .. } | Encoding::Columns { .. } | Encoding::Imputed { .. } => {
                self.scale()
            }
        }
    }

    fn scale(self) -> f64 {
        match self.encoding {
            Encoding::Columns { scales, .. } | Encoding::Imputed { scales, .. } => {
                scales[self.column]
            }
            encoding => encoding.scale(),
        }
    }

    /// The number that the element stands for when nothing else is known of it.
    fn middle(self) -> f64 {
        match self.encoding {
            Encoding::Ordered | Encoding::OrderedOrMissing => {
                float32(self.integer).map_or(f64::NAN, f64::from)
            }
            _ => self.integer as f64 * self.scale(),
        }
    }

    /// The integer of a real number before it is clamped: monotone in the number.
    fn level(self, real: f64) -> f64 {
        match self.encoding {
            Encoding::Integer { .. } | Encoding::Text(_) => real,
            #[expect(clippy::cast_possible_truncation, reason = "ONNX compares float32 values")]
            Encoding::Ordered | Encoding::OrderedOrMissing => ordered_image(real as f32) as f64,
            Encoding::Affine { .. } | Encoding::Columns { .. } | Encoding::Imputed { .. } => {
                (real / self.scale()).round_ties_even()
            }
        }
    }

    /// Whether [`Encoding::encode`] maps a real number to this element.
    fn is_of(self, real: f64) -> bool {
        let [lo, hi] = self.ends();
        let level = if lo <= hi { self.level(real).clamp(lo, hi) } else { f64::NAN };
        let integer = self.integer as f64;
        real.is_finite() && level >= integer && level <= integer && self.is_finite()
    }

    /// The integers that numbers beyond the calibrated range are clamped to.
    fn ends(self) -> [f64; 2] {
        match *self.encoding {
            Encoding::Affine { lo, hi, .. }
            | Encoding::Columns { lo, hi, .. }
            | Encoding::Imputed { lo, hi, .. } => [lo.into(), hi.into()],
            Encoding::Integer { .. }
            | Encoding::Text(_)
            | Encoding::Ordered
            | Encoding::OrderedOrMissing => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }

    /// Infinities have images too, which no encoder gives.
    fn is_finite(self) -> bool {
        !self.encoding.has_limbs() || float32(self.integer).is_some()
    }

    /// Whether [`Encoding::encode`] maps a missing value to this element.
    fn is_missing(self) -> bool {
        match self.encoding {
            Encoding::OrderedOrMissing => self.integer == MISSING_IMAGE,
            Encoding::Imputed { missing, .. } => {
                missing[self.column].is_some_and(|integer| i64::from(integer) == self.integer)
            }
            _ => false,
        }
    }

    /// Every real number that is encoded so; `None` if there is none.
    fn reals(self) -> Option<Reals> {
        let integer = self.integer as f64;
        let [lo, hi] = self.ends();
        // Estimates of the ends, right up to a few units in the last place.
        let [below, above] = match self.encoding {
            Encoding::Integer { .. } | Encoding::Text(_) => [integer; 2],
            Encoding::Ordered | Encoding::OrderedOrMissing => {
                let single = float32(self.integer)?;
                let [down, up] = [single.next_down(), single.next_up()].map(f64::from);
                let single = f64::from(single);
                // The next float32 past the greatest would be as far as the one before it.
                let down = if down.is_finite() { down } else { 2.0 * single - up };
                let up = if up.is_finite() { up } else { 2.0 * single - down };
                [f64::midpoint(down, single), f64::midpoint(single, up)]
            }
            Encoding::Affine { .. } | Encoding::Columns { .. } | Encoding::Imputed { .. } => {
                [(integer - 0.5) * self.scale(), (integer + 0.5) * self.scale()]
            }
        };
        let lo = match integer <= lo {
            true => f64::MIN,
            false => first(below, |real| self.level(real) >= integer)?,
        };
        let hi = match integer >= hi {
            true => f64::MAX,
            false => -first(-above, |real| self.level(-real) <= integer)?,
        };
        Some(Reals { lo, hi })
    }
}

/// The least finite number for which a monotone condition holds, next to an estimate of it.
///
/// Estimates are off by the rounding of one product and one quotient, two units in the last place
/// at most. `None` if the condition holds for no finite number.
fn first(estimate: f64, holds: impl Fn(f64) -> bool) -> Option<f64> {
    let mut real = estimate.clamp(f64::MIN, f64::MAX);
    for _ in 0..8 {
        let down = real.next_down();
        if !holds(real) {
            real = real.next_up();
        } else if down.is_finite() && holds(down) {
            real = down;
        } else {
            return real.is_finite().then_some(real);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tensor::Tensor;

    fn encodings() -> impl Strategy<Value = Encoding> {
        let scale = (-1060..1020i32, 1.0..2.0f64).prop_map(|(exponent, mantissa)| {
            (mantissa * f64::from(exponent / 2).exp2()) * f64::from(exponent - exponent / 2).exp2()
        });
        let ends = (-1000..0i32, 0..1000i32);
        prop_oneof![
            (scale, ends).prop_map(|(scale, (lo, hi))| Encoding::Affine { scale, lo, hi }),
            (-4..4i32).prop_map(|exponent| Encoding::Affine {
                scale: f64::from(exponent).exp2(),
                lo: -9,
                hi: 9
            }),
            Just(Encoding::Ordered),
        ]
    }

    fn element<'e>(encoding: &'e Encoding, real: f64) -> Option<Element<'e>> {
        let encoded = encoding.encode(&Tensor::vector(vec![real])).ok()?;
        Some(Element::new(encoding, encoded.tensor.data(), 0))
    }

    fn reals() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f32>().prop_map(f64::from),
            any::<f64>(),
            -20.0..20.0f64,
            (-40..40i32).prop_map(|quarters| f64::from(quarters) / 4.0),
            Just(f64::from(f32::MAX)),
            Just(5e-324),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_one_number_gives_has_a_common_number(
            a in encodings(), b in encodings(), c in encodings(), real in reals(),
        ) {
            let elements: Option<Vec<Element<'_>>> =
                [&a, &b, &c].into_iter().map(|encoding| element(encoding, real)).collect();
            if let Some(elements) = elements {
                let found = common_real(elements.iter().copied());
                prop_assert!(found.is_some(), "{real:e}");
                prop_assert!(elements.iter().all(|e| e.is_of(found.unwrap_or(f64::NAN))));
            }
        }

        #[test]
        fn ends_of_an_interval_are_its_last_numbers(encoding in encodings(), real in reals()) {
            if let Some(element) = element(&encoding, real) {
                let Reals { lo, hi } = element.reals().expect("the number itself");
                prop_assert!(lo <= real && real <= hi);
                prop_assert!(element.is_of(lo) && element.is_of(hi));
                prop_assert!(lo <= f64::MIN || !element.is_of(lo.next_down()));
                prop_assert!(hi >= f64::MAX || !element.is_of(hi.next_up()));
            }
        }
    }

    #[test]
    fn numbers_apart_have_nothing_in_common() {
        let affine = Encoding::Affine { scale: 0.5, lo: -8, hi: 8 };
        let fine = Encoding::Affine { scale: 0.01, lo: -800, hi: 800 };
        let at = |encoding, real| element(encoding, real).expect("a finite number");
        let common = |a, b| common_real([at(&affine, a), at(&Encoding::Ordered, b)].into_iter());
        assert_eq!(common(1.0, 1.1), Some(f64::from(1.1f32)));
        assert_eq!(common(1.0, 1.3), None);
        assert_eq!(common(9.0, 1e30), Some(f64::from(1e30f32)));
        assert_eq!(common_real([at(&affine, 1.0), at(&fine, 1.26)].into_iter()), None);
        assert!(common_real([at(&affine, 1.0), at(&fine, 1.25)].into_iter()).is_some());
    }

    #[test]
    fn images_of_no_number_have_no_real() {
        for limbs in [[0x7fff, 0xffff], [0x7f80, 0], [-0x7f80, 0]] {
            let element = Element::new(&Encoding::Ordered, &limbs, 0);
            assert_eq!(common_real([element].into_iter()), None, "{limbs:?}");
        }
    }

    #[test]
    fn a_missing_value_is_missing_in_every_view_or_in_none() {
        let imputed =
            Encoding::Imputed { scales: vec![0.5], missing: vec![Some(3)], lo: -8, hi: 8 };
        let affine = Encoding::Affine { scale: 0.5, lo: -8, hi: 8 };
        let ranked = Encoding::OrderedOrMissing;
        let missing = Element::new(&ranked, &[0x7f80, 1], 0);
        let is_nan = |real: Option<f64>| real.is_some_and(f64::is_nan);
        let with = |element| common_real([missing, element].into_iter());
        assert!(is_nan(common_real([missing].into_iter())));
        assert!(is_nan(with(Element::new(&imputed, &[3], 0))));
        // Missing here and another number there, or a view that knows no missing values.
        assert_eq!(with(Element::new(&imputed, &[4], 0)), None);
        assert_eq!(with(Element::new(&affine, &[3], 0)), None);
        assert_eq!(with(Element::new(&ranked, &[0, 0], 0)), None);
        // The imputed value itself may be meant.
        let number = element(&ranked, 1.5).unwrap();
        let both = [number, Element::new(&imputed, &[3], 0)];
        assert_eq!(common_real(both.into_iter()), Some(1.5));
        assert_eq!(common_real(both[1..].iter().copied()), Some(1.5));
        assert_eq!(common_real([].into_iter()), None);
    }

    #[test]
    fn integers_beyond_all_floats_have_no_real() {
        let encoding = Encoding::Affine { scale: 1e308, lo: -8, hi: 8 };
        assert!(common_real([Element::new(&encoding, &[1], 0)].into_iter()).is_some());
        for integer in [3, 8] {
            let element = Element::new(&encoding, &[integer], 0);
            assert_eq!(common_real([element].into_iter()), None, "{integer}");
        }
    }
}
