//! Reads `.npz` archives of samples.

use std::fs::File;
use std::path::Path;

use ciro_model::Tensor;
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, ReadableElement};

/// Reads `prefix_0`, `prefix_1`, ... of an archive; every array has the samples along its first
/// axis.
pub(crate) fn read(path: &Path, prefix: &str) -> Vec<Tensor<f64>> {
    let mut archive = NpzReader::new(File::open(path).unwrap()).unwrap();
    let count = archive.names().unwrap().len();
    (0..count).map(|index| array(&mut archive, &format!("{prefix}_{index}"))).collect()
}

/// Sample `index` of an array, in the shape that the model wants.
pub(crate) fn sample(array: &Tensor<f64>, index: usize, shape: &[usize]) -> Tensor<f64> {
    let len = array.len() / array.shape()[0];
    let data = array.data()[index * len..][..len].to_vec();
    Tensor::new(shape.to_vec(), data).unwrap()
}

fn array(archive: &mut NpzReader<File>, name: &str) -> Tensor<f64> {
    typed::<f32>(archive, name, |x| f64::from(*x))
        .or_else(|| typed::<f64>(archive, name, |x| *x))
        .or_else(|| typed::<i64>(archive, name, |x| *x as f64))
        .or_else(|| typed::<i32>(archive, name, |x| f64::from(*x)))
        .or_else(|| typed::<bool>(archive, name, |x| f64::from(u8::from(*x))))
        .unwrap_or_else(|| panic!("array `{name}` is missing or of another element type"))
}

fn typed<T: ReadableElement>(
    archive: &mut NpzReader<File>,
    name: &str,
    convert: impl Fn(&T) -> f64,
) -> Option<Tensor<f64>> {
    let array: ArrayD<T> = archive.by_name::<OwnedRepr<T>, IxDyn>(name).ok()?;
    let shape = array.shape().to_vec();
    Some(Tensor::new(shape, array.iter().map(convert).collect()).unwrap())
}
