//! Proven inputs as real numbers.

use ciro_graph::Tensor;
use ciro_graph::integer::Encoding;

use crate::key::ModelKey;
use crate::verify::VerifiedSample;

/// A real input that the proven integers stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct RealInput {
    /// The ONNX input's name.
    pub name: String,
    /// One real number for each element: what was compared, if the model compares it, otherwise the middle of the numbers that the
    /// model cannot tell apart.
    pub values: Tensor<f64>,
}

impl VerifiedSample {
    /// The input as real numbers, in the model's order; `None` if the proof only commits to it.
    pub fn real_inputs(&self, key: &ModelKey) -> Option<Vec<RealInput>> {
        let mut tensors = self.input.public()?.iter();
        let inputs = key.real_inputs().map(|views| {
            let own: Vec<_> = views.iter().zip(tensors.by_ref()).collect();
            // An image of a float32 is exact; other views round.
            let exact = own.iter().find(|(view, _)| matches!(view.encoding, Encoding::Ordered));
            let (view, integers) = exact.or_else(|| own.first())?;
            let values = decode(&view.encoding, &view.shape, integers.data());
            let values = Tensor::new(view.shape.clone(), values).ok()?;
            Some(RealInput { name: view.name.clone(), values })
        });
        inputs.collect()
    }
}

fn decode(encoding: &Encoding, shape: &[usize], integers: &[i32]) -> Vec<f64> {
    let real = |integer: i32, scale: f64| f64::from(integer) * scale;
    match encoding {
        Encoding::Affine { scale, .. } => {
            integers.iter().map(|&integer| real(integer, *scale)).collect()
        }
        Encoding::Integer { .. } => integers.iter().map(|&integer| f64::from(integer)).collect(),
        Encoding::Columns { scales, .. } => {
            let columns = shape.last().copied().unwrap_or(1).max(1);
            let scale = |index: usize| scales.get(index % columns).copied().unwrap_or(0.0);
            let elements = integers.iter().enumerate();
            elements.map(|(index, &integer)| real(integer, scale(index))).collect()
        }
        Encoding::Ordered => {
            let (limbs, _) = integers.as_chunks::<2>();
            limbs.iter().map(|&[high, low]| float(high, low)).collect()
        }
    }
}

/// The float32 with this order-preserving image.
fn float(high: i32, low: i32) -> f64 {
    let image = (i64::from(high) << 16) + i64::from(low);
    let magnitude = u32::try_from(image.unsigned_abs()).unwrap_or(u32::MAX);
    let value = f64::from(f32::from_bits(magnitude));
    if image < 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn comes_back(encoding: &Encoding, real: Vec<f64>, expected: &[f64]) {
        let shape = vec![real.len() / 2, 2];
        let encoded = encoding.encode(&Tensor::new(shape.clone(), real).unwrap()).unwrap();
        assert_eq!(decode(encoding, &shape, encoded.tensor.data()), expected);
    }

    #[test]
    fn encoded_numbers_come_back_as_near_as_the_model_tells_them_apart() {
        let affine = Encoding::Affine { scale: 0.5, lo: -4, hi: 4 };
        comes_back(&affine, vec![1.1, -9.0], &[1.0, -2.0]);
        let columns = Encoding::Columns { scales: vec![1.0, 0.25], lo: -100, hi: 100 };
        comes_back(&columns, vec![1.2, 1.2, -3.0, 0.1], &[1.0, 1.25, -3.0, 0.0]);
        comes_back(&Encoding::Integer { lo: 0, hi: 9 }, vec![3.0, 7.0], &[3.0, 7.0]);
        let exact = [1.5, -0.0, f32::MAX, -1e-30, f32::MIN, 0.0].map(f64::from);
        comes_back(&Encoding::Ordered, exact.to_vec(), &exact);
    }
}
