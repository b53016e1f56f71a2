//! How real inputs become integers, and what the integers of an output mean.

use serde::{Deserialize, Serialize};

use super::{Dictionary, Interval};
use crate::tensor::Tensor;

/// How one real-valued input tensor becomes an integer tensor.
///
/// Encoding happens outside the proof: the statement holds the integers, and whoever checks a
/// statement about real inputs encodes them with this very function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Encoding {
    /// `integer = clamp(round_half_even(real / scale), lo, hi)`.
    Affine {
        /// The real value of one unit.
        scale: f64,
        /// The least integer.
        lo: i32,
        /// The greatest integer.
        hi: i32,
    },
    /// The input holds integers (token ids, booleans) and they must be inside `[lo, hi]`.
    Integer {
        /// The least integer.
        lo: i32,
        /// The greatest integer.
        hi: i32,
    },
    /// The order-preserving image of a float32, as two limbs along a new last axis: `[.., 2]`, high
    /// limb `image >> 16`, low limb `image & 0xffff`. See [`ordered_image`].
    Ordered,
    /// As [`Self::Affine`], with a scale of its own for each column: `integer[.., j] =
    /// clamp(round_half_even(real[.., j] / scales[j]), lo, hi)`.
    ///
    /// Tabular data has columns of different magnitudes; one scale for all would round the small
    /// ones away.
    Columns {
        /// The real value of one unit, for each place along the last axis.
        scales: Vec<f64>,
        /// The least integer.
        lo: i32,
        /// The greatest integer.
        hi: i32,
    },
    /// As [`Self::Ordered`], where a missing value (NaN) has the image [`MISSING_IMAGE`], which is
    /// greater than that of every number: a rank of its own.
    OrderedOrMissing,
    /// As [`Self::Columns`], where a missing value (NaN) counts as an integer of its column, as
    /// the model's imputer has it.
    Imputed {
        /// The real value of one unit, for each place along the last axis.
        scales: Vec<f64>,
        /// What a missing value counts as, for each place along the last axis; `None` where it has
        /// no integer form.
        missing: Vec<Option<i32>>,
        /// The least integer.
        lo: i32,
        /// The greatest integer.
        hi: i32,
    },
    /// The input holds text: the integer is the position of a text in a dictionary, and the number
    /// of its texts for any other.
    Text(Dictionary),
}

/// The image of the largest finite float32; greater ones are infinity's and those of NaN.
pub const ORDERED_IMAGE_MAX: i64 = 0x7f7f_ffff;

/// The image of a missing value where the encoding has one: that of the first NaN.
pub const MISSING_IMAGE: i64 = 0x7f80_0001;

/// What lies between the images of all numbers and that of a missing value: infinity's.
pub const MISSING_BOUNDARY: i64 = 0x7f80_0000;

/// The order-preserving integer image of a float32: `a < b` as floats if and only if the images are
/// so ordered.
///
/// Both zeros have image 0. The image of a finite value is at most [`ORDERED_IMAGE_MAX`] in
/// absolute value.
pub fn ordered_image(value: f32) -> i64 {
    let magnitude = i64::from(value.to_bits() & 0x7fff_ffff);
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

/// The finite float32 of an [`ordered_image`], `None` if no finite one has it.
pub(super) fn float32(image: i64) -> Option<f32> {
    let magnitude = f32::from_bits(u32::try_from(image.unsigned_abs()).ok()?);
    let signed = if image < 0 { -magnitude } else { magnitude };
    signed.is_finite().then_some(signed)
}

/// An encoded input and how well it was represented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The integers.
    pub tensor: Tensor<i32>,
    /// How many elements lay outside the calibrated range and were clamped to it.
    pub clamped: usize,
}

/// A real input that has no integer form.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// NaN or infinite.
    #[error("element {index} is {value}: only finite numbers can be encoded")]
    NotFinite {
        /// Row-major index.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// Beyond what float32 holds, as which the model compares it.
    #[error("element {index} is {value:e}, beyond the range of float32 (about 3.4e38)")]
    BeyondFloat32 {
        /// Row-major index.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// A fraction where the model takes integers.
    #[error("element {index} is {value}, but the model takes integers here")]
    NotInteger {
        /// Row-major index.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// An integer outside the model's range (for instance a token id past the vocabulary).
    #[error("element {index} is {value}, outside the model's range [{lo}, {hi}]")]
    OutOfRange {
        /// Row-major index.
        index: usize,
        /// The offending value.
        value: f64,
        /// The least integer allowed.
        lo: i32,
        /// The greatest integer allowed.
        hi: i32,
    },
    /// A text where the model takes some texts alone.
    #[error(
        "element {index} is a text that is none of the {known} categories that the model takes there"
    )]
    OtherText {
        /// Row-major index.
        index: usize,
        /// How many texts the model takes there.
        known: usize,
    },
}

impl Encoding {
    /// Checks what [`Self::encode`] relies on, for a real tensor of shape `real`.
    ///
    /// # Errors
    /// What is wrong with the encoding.
    pub fn check(&self, real: &[usize]) -> Result<(), &'static str> {
        // Every integer of the range is that of some number.
        let ends = self.interval().max_abs() as f64;
        let positive = |scale: &f64| *scale > 0.0 && (scale * ends).is_finite();
        if !self.interval().in_bound() {
            return Err("the input's range leaves (-2^30, 2^30)");
        }
        match self {
            Self::Columns { scales, .. } | Self::Imputed { scales, .. }
                // A single number is one column.
                if real.last().copied().unwrap_or(1) != scales.len() =>
            {
                Err("the input has another number of columns than scales")
            }
            Self::Columns { scales, .. } | Self::Imputed { scales, .. }
                if !scales.iter().all(positive) =>
            {
                Err("a scale of the input is not a positive number")
            }
            Self::Imputed { scales, missing, .. } if scales.len() != missing.len() => {
                Err("the input has another number of columns than values for missing ones")
            }
            Self::Affine { scale, .. } if !positive(scale) => {
                Err("the input's scale is not a positive number")
            }
            Self::Affine { lo, hi, .. }
            | Self::Integer { lo, hi }
            | Self::Columns { lo, hi, .. }
            | Self::Imputed { lo, hi, .. }
                if lo > hi =>
            {
                Err("the bounds of the input's range are not in order")
            }
            Self::Imputed { missing, lo, hi, .. }
                if !missing.iter().flatten().all(|value| (lo..=hi).contains(&value)) =>
            {
                Err("a value for missing ones lies outside of the input's range")
            }
            Self::Text(dictionary) => dictionary.check(real),
            _ => Ok(()),
        }
    }

    /// The shape of the integer tensor for a real tensor of shape `real`.
    pub fn integer_shape(&self, real: &[usize]) -> Vec<usize> {
        let limbs: &[usize] = if self.has_limbs() { &[2] } else { &[] };
        [real, limbs].concat()
    }

    /// Whether the integers are the two limbs of order-preserving images.
    pub fn has_limbs(&self) -> bool {
        matches!(self, Self::Ordered | Self::OrderedOrMissing)
    }

    /// The interval of the integers.
    pub fn interval(&self) -> Interval {
        match self {
            Self::Affine { lo, hi, .. }
            | Self::Integer { lo, hi }
            | Self::Columns { lo, hi, .. }
            | Self::Imputed { lo, hi, .. } => Interval::new(i64::from(*lo), i64::from(*hi)),
            Self::Ordered | Self::OrderedOrMissing => Interval::new(-0x8000, 0xffff),
            Self::Text(dictionary) => dictionary.interval(),
        }
    }

    /// The position of the first integer that no real input encodes to, `None` if there is none.
    ///
    /// The interval alone does not say it: the limbs of an [`Self::Ordered`] image have an interval
    /// each.
    pub fn first_inadmissible(&self, tensor: &Tensor<i32>) -> Option<usize> {
        if self.has_limbs() {
            let image = |limbs: &[i32]| match *limbs {
                [high, low] if (0..=0xffff).contains(&low) => {
                    Some(i64::from(high) * 0x1_0000 + i64::from(low))
                }
                _ => None,
            };
            let missing = |i: i64| *self == Self::OrderedOrMissing && i == MISSING_IMAGE;
            let has_image =
                |limbs| image(limbs).is_some_and(|i| i.abs() <= ORDERED_IMAGE_MAX || missing(i));
            return tensor
                .data()
                .chunks(2)
                .position(|limbs| !has_image(limbs))
                .map(|pair| 2 * pair);
        }
        if let Self::Text(dictionary) = self {
            let mut codes = tensor.data().iter().enumerate();
            return codes.position(|(element, &code)| !dictionary.admits(element, code.into()));
        }
        let interval = self.interval();
        tensor.data().iter().position(|&value| !interval.contains(Interval::point(value.into())))
    }

    /// The integers of `count` elements, as `pick` chooses them from an interval.
    pub(super) fn draw(&self, count: usize, pick: &mut dyn FnMut(Interval) -> i64) -> Vec<i32> {
        let narrow = super::operator::narrow;
        if self.has_limbs() {
            let images = Interval::new(-ORDERED_IMAGE_MAX, ORDERED_IMAGE_MAX);
            let images = (0..count).map(|_| pick(images));
            return images
                .flat_map(|image| [narrow(image >> 16), narrow(image & 0xffff)])
                .collect();
        }
        if let Self::Text(dictionary) = self {
            let interval = self.interval();
            let drawn = (0..count).map(|element| dictionary.nearest(element, pick(interval)));
            return drawn.map(narrow).collect();
        }
        (0..count).map(|_| narrow(pick(self.interval()))).collect()
    }

    /// The real value of one unit; 1 where integers are not proportional to the input, or not all
    /// by one factor.
    pub fn scale(&self) -> f64 {
        match self {
            Self::Affine { scale, .. } => *scale,
            _ => 1.0,
        }
    }

    /// Encodes a real tensor; texts come as their codes in the dictionary.
    ///
    /// # Errors
    /// [`EncodingError`] for NaN, infinities, fractions where integers are taken, integers out of
    /// range, and texts that the model does not take.
    pub fn encode(&self, real: &Tensor<f64>) -> Result<Encoded, EncodingError> {
        let mut clamped = 0;
        let mut data = Vec::with_capacity(real.len());
        for (index, &value) in real.data().iter().enumerate() {
            if !value.is_finite() {
                let integers = self.missing(index).filter(|_| value.is_nan());
                data.extend(integers.ok_or(EncodingError::NotFinite { index, value })?);
                continue;
            }
            let mut scaled = |scale: f64, lo: i32, hi: i32| {
                let exact = (value / scale).round_ties_even();
                let inside = exact.clamp(f64::from(lo), f64::from(hi));
                clamped += usize::from((exact - inside).abs() > 0.0);
                data.push(float_to_i32(inside));
            };
            match *self {
                Self::Affine { scale, lo, hi } => scaled(scale, lo, hi),
                Self::Columns { ref scales, lo, hi } | Self::Imputed { ref scales, lo, hi, .. } => {
                    scaled(scales[index % scales.len()], lo, hi);
                }
                Self::Integer { lo, hi } => {
                    if (value - value.round()).abs() > 0.0 {
                        return Err(EncodingError::NotInteger { index, value });
                    }
                    if value < f64::from(lo) || value > f64::from(hi) {
                        return Err(EncodingError::OutOfRange { index, value, lo, hi });
                    }
                    data.push(float_to_i32(value));
                }
                Self::Text(ref dictionary) => data.push(dictionary.encode(index, value)?),
                Self::Ordered | Self::OrderedOrMissing => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "ONNX compares float32 values"
                    )]
                    let single = value as f32;
                    if !single.is_finite() {
                        return Err(EncodingError::BeyondFloat32 { index, value });
                    }
                    data.extend(limbs(ordered_image(single)));
                }
            }
        }
        let tensor = Tensor::new(self.integer_shape(real.shape()), data)
            .expect("one integer, or two limbs, for each element");
        Ok(Encoded { tensor, clamped })
    }

    /// The integers of a missing value at an element; `None` where it has none.
    fn missing(&self, index: usize) -> Option<Vec<i32>> {
        match self {
            Self::OrderedOrMissing => Some(limbs(MISSING_IMAGE).to_vec()),
            Self::Imputed { missing, .. } => {
                missing[index % missing.len()].map(|integer| vec![integer])
            }
            _ => None,
        }
    }
}

/// The two limbs of an image.
fn limbs(image: i64) -> [i32; 2] {
    [image >> 16, image & 0xffff].map(super::operator::narrow)
}

#[expect(clippy::cast_possible_truncation, reason = "callers clamp to an i32 interval first")]
pub(super) fn float_to_i32(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_image_keeps_the_order_of_floats() {
        let values = [f32::MIN, -2.5, -f32::MIN_POSITIVE, -1e-45, 0.0, 1e-45, 0.1, 1.0, f32::MAX];
        assert!(values.windows(2).all(|w| ordered_image(w[0]) < ordered_image(w[1])));
        assert_eq!(ordered_image(-0.0), ordered_image(0.0));
    }

    #[test]
    fn affine_rounds_half_to_even_and_counts_what_it_clamps() {
        let encoding = Encoding::Affine { scale: 0.5, lo: -4, hi: 4 };
        let encoded = encoding.encode(&Tensor::vector(vec![0.25, 0.75, -9.0])).unwrap();
        assert_eq!((encoded.tensor.data(), encoded.clamped), (&[0, 2, -4][..], 1));
    }

    #[test]
    fn columns_have_scales_of_their_own() {
        let encoding = Encoding::Columns { scales: vec![0.5, 100.0], lo: -4, hi: 4 };
        let real = Tensor::new(vec![2, 2], vec![1.0, 300.0, -9.0, 50.0]).unwrap();
        let encoded = encoding.encode(&real).unwrap();
        assert_eq!((encoded.tensor.data(), encoded.clamped), (&[2, 3, -4, 0][..], 1));
        assert_eq!(encoding.check(&[7, 2]), Ok(()));
        for shape in [&[2, 1][..], &[]] {
            encoding.check(shape).unwrap_err();
        }
        let flat = Encoding::Columns { scales: vec![0.0], lo: 0, hi: 1 };
        flat.check(&[1]).unwrap_err();
    }

    #[test]
    fn limbs_past_the_largest_float_are_inadmissible() {
        let first = |limbs: &[i32]| {
            let pairs = Tensor::new(vec![limbs.len() / 2, 2], limbs.to_vec()).unwrap();
            Encoding::Ordered.first_inadmissible(&pairs)
        };
        for value in [f32::MAX, f32::MIN, 0.0, -1e-45] {
            let encoded = Encoding::Ordered.encode(&Tensor::vector(vec![value.into()])).unwrap();
            assert_eq!(first(encoded.tensor.data()), None, "{value}");
        }
        // Infinity, a NaN, their negatives, and a low limb that is none.
        for limbs in [[0x7f80, 0], [0x7fff, 0xffff], [-0x7f80, 0], [-0x8000, 1], [0, 0x1_0000]] {
            assert_eq!(first(&limbs), Some(0), "{limbs:?}");
        }
        assert_eq!(first(&[1, 1, 0, -1]), Some(2));
    }

    #[test]
    fn every_integer_of_a_range_is_that_of_a_number() {
        let affine = |scale| Encoding::Affine { scale, lo: -8, hi: 8 }.check(&[1]);
        affine(1e307).unwrap();
        affine(1e308).unwrap_err();
        let columns = Encoding::Columns { scales: vec![1.0, 1e308], lo: -8, hi: 8 };
        columns.check(&[2]).unwrap_err();
    }

    #[test]
    fn a_missing_value_has_a_rank_of_its_own_or_counts_as_a_value_of_its_column() {
        let nan = || Tensor::new(vec![1, 2], vec![f64::NAN, 1.0]).unwrap();
        let encoded = Encoding::OrderedOrMissing.encode(&nan()).unwrap().tensor;
        assert_eq!(encoded.data()[..2], [0x7f80, 1]);
        assert_eq!(Encoding::OrderedOrMissing.first_inadmissible(&encoded), None);
        assert_eq!(Encoding::Ordered.first_inadmissible(&encoded), Some(0));
        // No other NaN, no infinity, and nothing negative.
        for limbs in [[0x7f80, 0], [0x7f80, 2], [0x7fff, 0xffff], [-0x7f81, 0xffff]] {
            let other = Tensor::new(vec![1, 2], limbs.to_vec()).unwrap();
            assert_eq!(Encoding::OrderedOrMissing.first_inadmissible(&other), Some(0), "{limbs:?}");
        }
        let imputed = |missing| Encoding::Imputed { scales: vec![0.5; 2], missing, lo: -8, hi: 8 };
        let encoding = imputed(vec![Some(3), None]);
        assert_eq!(encoding.check(&[1, 2]), Ok(()));
        assert_eq!(encoding.encode(&nan()).unwrap().tensor.data(), [3, 2]);
        let other = Tensor::new(vec![1, 2], vec![1.0, f64::NAN]).unwrap();
        let refused = EncodingError::NotFinite { index: 1, value: f64::NAN };
        assert_eq!(encoding.encode(&other).unwrap_err().to_string(), refused.to_string());
        for encoding in [Encoding::OrderedOrMissing, imputed(vec![Some(3); 2])] {
            encoding.encode(&Tensor::new(vec![1, 2], vec![f64::INFINITY; 2]).unwrap()).unwrap_err();
        }
        imputed(vec![Some(9), None]).check(&[1, 2]).unwrap_err();
        imputed(vec![Some(3)]).check(&[1, 2]).unwrap_err();
        // A single number is one column.
        let single = |scales| Encoding::Imputed { scales, missing: vec![Some(3)], lo: -8, hi: 8 };
        assert_eq!(single(vec![0.5]).check(&[]), Ok(()));
        imputed(vec![Some(3); 2]).check(&[]).unwrap_err();
    }

    #[test]
    fn what_float32_does_not_hold_is_said_to_be_too_large() {
        let error = Encoding::Ordered.encode(&Tensor::vector(vec![3.5e38])).unwrap_err();
        let text = "element 0 is 3.5e38, beyond the range of float32 (about 3.4e38)";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn limbs_make_up_the_image() {
        let encoded = Encoding::Ordered.encode(&Tensor::vector(vec![-1.5])).unwrap();
        let &[hi, lo] = encoded.tensor.data() else { panic!("two limbs") };
        assert_eq!(i64::from(hi) * 65536 + i64::from(lo), ordered_image(-1.5));
    }

    #[test]
    fn values_without_an_integer_form_are_refused() {
        let encoding = Encoding::Integer { lo: 0, hi: 9 };
        for bad in [f64::NAN, f64::INFINITY, 0.5, 10.0, -1.0] {
            assert!(encoding.encode(&Tensor::vector(vec![bad])).is_err(), "{bad}");
        }
    }
}
