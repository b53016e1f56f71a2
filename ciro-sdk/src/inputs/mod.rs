//! Inputs of models: from files or arrays to samples, with every error told before anything runs.
//!
//! | form | content |
//! |---|---|
//! | JSON | `{"input_data": [[numbers or texts of input 0, flat or nested], ...]}`, as for EZKL |
//! | `.npy` | the one input of a model |
//! | `.npz` | arrays named like the ONNX inputs, or `in_0`, `in_1`, ... |
//!
//! Every array holds one sample, or N samples along a new first axis (or along the batch axis,
//! where that is 1).

mod archive;
mod calibration;
mod elements;
mod error;
mod json;
mod npy;
mod spec;

use std::path::Path;
use std::sync::Arc;

use blake2::{Blake2s256, Digest};
pub use calibration::CalibrationSamples;
use ciro_model::Tensor;
use ciro_model::tensor::element_count;
pub use elements::{Elements, Takes};
pub use error::InputError;
pub(crate) use error::MISSING_VALUES;
pub use json::JsonError;
pub use spec::InputSpec;

use crate::files;

/// The longest input file, and the longest array in an archive, in bytes.
pub const MAX_INPUT_BYTES: u64 = 1 << 31;

/// The most samples in a file.
pub const MAX_SAMPLES: usize = 1 << 22;

/// One sample: a real tensor for each input of a model, in ONNX order.
pub type Sample = Vec<Tensor<f64>>;

/// An array that has yet to be matched with an input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputArray {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its shape; `None` for a flat list, whose shape is the input's.
    pub shape: Option<Vec<usize>>,
    /// Its elements in row-major order.
    pub data: Elements,
}

/// Arrays from files or from the caller, which become samples of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    /// Those of each file: one array for every input. They may be large, and are never copied.
    sets: Vec<Arc<[InputArray]>>,
}

impl Inputs {
    /// Takes arrays as they are.
    pub fn new(arrays: Vec<InputArray>) -> Self {
        Self { sets: vec![arrays.into()] }
    }

    /// The samples of each, one after another.
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Self {
        Self { sets: parts.into_iter().flat_map(|part| part.sets).collect() }
    }

    /// Reads a JSON, `.npy` or `.npz` file; the content decides which it is.
    ///
    /// # Errors
    /// [`InputError`] if the file cannot be read or holds no arrays of numbers.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::from_bytes(&files::read(path, MAX_INPUT_BYTES)?, &name)
    }

    /// Decodes the bytes of a JSON, `.npy` or `.npz` file; `name` is for errors.
    ///
    /// # Errors
    /// As [`Inputs::read`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, InputError> {
        if bytes.starts_with(b"PK") {
            return Ok(Self::new(archive::parse(bytes)?));
        }
        Self::from_plain_bytes(bytes, name)
    }

    /// Decodes the bytes of a JSON or `.npy` file, and no archive: what a verifier that has to be
    /// small takes.
    ///
    /// # Errors
    /// As [`Inputs::read`].
    pub fn from_plain_bytes(bytes: &[u8], name: &str) -> Result<Self, InputError> {
        let arrays = if bytes.starts_with(npy::MAGIC) {
            vec![npy::parse(bytes, name)?]
        } else {
            json::parse(bytes)?
        };
        Ok(Self::new(arrays))
    }

    /// BLAKE2s-256 of names, shapes and elements: two equal digests give the same samples, whatever
    /// the files look like.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Blake2s256::new();
        for arrays in &self.sets {
            elements::number(&mut hasher, arrays.len());
            arrays.iter().for_each(|array| array.hash(&mut hasher));
        }
        hasher.finalize().into()
    }

    /// The arrays of each file, in their order.
    pub fn sets(&self) -> &[Arc<[InputArray]>] {
        &self.sets
    }

    /// The first array of a name.
    pub fn array_named(&self, name: &str) -> Option<&InputArray> {
        self.sets.iter().find_map(|arrays| named(arrays, name))
    }

    /// The samples that the arrays hold for a model with these inputs.
    ///
    /// # Errors
    /// [`InputError`] if an input has no array, an array does not fit its input, or an element is
    /// not finite.
    pub fn samples(&self, specs: &[InputSpec]) -> Result<Vec<Sample>, InputError> {
        let sets = self.sets.iter().map(|arrays| samples(arrays, specs));
        Ok(sets.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

impl InputArray {
    /// Hashes name, shape and elements.
    fn hash(&self, hasher: &mut Blake2s256) {
        let number = elements::number;
        match &self.name {
            Some(name) => {
                hasher.update([1]);
                number(hasher, name.len());
                hasher.update(name.as_bytes());
            }
            None => hasher.update([0]),
        }
        match &self.shape {
            Some(shape) => {
                hasher.update([1]);
                number(hasher, shape.len());
                shape.iter().for_each(|&extent| number(hasher, extent));
            }
            None => hasher.update([0]),
        }
        self.data.hash(hasher);
    }
}

/// The samples that arrays hold, one for each input.
fn samples(arrays: &[InputArray], specs: &[InputSpec]) -> Result<Vec<Sample>, InputError> {
    if arrays.len() != specs.len() {
        let names: Vec<String> = specs.iter().map(|spec| format!("`{}`", spec.name)).collect();
        return Err(InputError::Count {
            expected: specs.len(),
            names: names.join(", "),
            got: arrays.len(),
        });
    }
    let mut samples: Vec<Sample> = Vec::new();
    for (position, spec) in specs.iter().enumerate() {
        let parts = split(array_of(arrays, position, spec)?, spec)?;
        if position == 0 {
            samples = parts.into_iter().map(|part| vec![part]).collect();
            continue;
        }
        if parts.len() != samples.len() {
            return Err(InputError::Samples {
                name: spec.name.clone(),
                got: parts.len(),
                first: specs[0].name.clone(),
                expected: samples.len(),
            });
        }
        samples.iter_mut().zip(parts).for_each(|(sample, part)| sample.push(part));
    }
    Ok(samples)
}

/// The array of input number `position`: by the input's name, by `in_K`, or the only one there is.
fn array_of<'a>(
    arrays: &'a [InputArray],
    position: usize,
    spec: &InputSpec,
) -> Result<&'a InputArray, InputError> {
    let unnamed = || arrays.get(position).filter(|array| array.name.is_none());
    named(arrays, &spec.name)
        .or_else(|| named(arrays, &format!("in_{position}")))
        .or_else(|| named(arrays, &format!("arr_{position}")))
        .or_else(unnamed)
        .ok_or_else(|| {
            let names = arrays.iter().filter_map(|array| array.name.as_ref());
            let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            InputError::Missing { name: spec.name.clone(), position, available: names.join(", ") }
        })
}

/// The array of a name.
fn named<'a>(arrays: &'a [InputArray], name: &str) -> Option<&'a InputArray> {
    arrays.iter().find(|array| array.name.as_deref() == Some(name))
}

/// Cuts an array into samples of an input.
fn split(array: &InputArray, spec: &InputSpec) -> Result<Vec<Tensor<f64>>, InputError> {
    let count = element_count(&spec.shape).unwrap_or(usize::MAX);
    if count == 0 {
        return empty(array, spec);
    }
    let fits = match &array.shape {
        None => count > 0 && !array.data.is_empty() && array.data.len().is_multiple_of(count),
        Some(shape) => fits(shape, &spec.shape) && !array.data.is_empty(),
    };
    if !fits {
        return Err(misfit(array, spec, count));
    }
    let samples = array.data.len() / count;
    if samples > MAX_SAMPLES {
        return Err(InputError::TooManySamples { name: spec.name.clone(), samples });
    }
    let data = array.data.numbers(spec, count)?;
    let parts = data.chunks(count).enumerate().map(|(sample, data)| {
        if let Some(element) = data.iter().position(|value| value.is_infinite()) {
            let value = data[element];
            return Err(InputError::NotFinite { name: spec.name.clone(), sample, element, value });
        }
        Ok(Tensor::new(spec.shape.clone(), data.to_vec())
            .expect("a chunk has the input's elements"))
    });
    parts.collect()
}

/// The samples of an input without elements, such as the empty past of a decoder's first step.
///
/// Nested lists end where nothing is left: what their shape lacks behind an axis of length 0 is the
/// input's.
fn empty(array: &InputArray, spec: &InputSpec) -> Result<Vec<Tensor<f64>>, InputError> {
    let shape = array.shape.clone().unwrap_or_else(|| vec![0]);
    let longer = |rank: usize| {
        let rest = spec.shape.get(rank..).unwrap_or(&[]);
        [&shape[..], if shape.last() == Some(&0) { rest } else { &[] }].concat()
    };
    let rank = shape.len();
    let forms = [shape.clone(), longer(rank), longer(rank.saturating_sub(1)), longer(rank + 1)];
    let held = forms.iter().find(|form| fits(form, &spec.shape));
    let samples = match held {
        _ if array.shape.is_none() && array.data.is_empty() => 1,
        Some(form) if *form == spec.shape || form.len() < spec.shape.len() => 1,
        Some(form) => form[0],
        None => return Err(misfit(array, spec, 0)),
    };
    if samples > MAX_EMPTY_SAMPLES || !array.data.is_empty() {
        return Err(misfit(array, spec, 0));
    }
    let sample = Tensor::new(spec.shape.clone(), Vec::new()).expect("the shape has no elements");
    Ok(vec![sample; samples])
}

/// The most samples of an input without elements, whose file need not be large to hold many.
const MAX_EMPTY_SAMPLES: usize = 1 << 20;

/// Whether an array of shape `got` holds samples of shape `want`: one, or several along a new axis
/// or the batch axis.
fn fits(got: &[usize], want: &[usize]) -> bool {
    let row = want.strip_prefix(&[1]);
    got == want
        || got.split_first().is_some_and(|(_, rest)| rest == want)
        || row
            .is_some_and(|row| got == row || got.split_first().is_some_and(|(_, rest)| rest == row))
}

fn misfit(array: &InputArray, spec: &InputSpec, count: usize) -> InputError {
    let name = spec.name.clone();
    match &array.shape {
        None => InputError::Length {
            name,
            expected: count,
            shape: spec.shape.clone(),
            got: array.data.len(),
        },
        Some(shape) => {
            let row = spec.shape.strip_prefix(&[1]).unwrap_or(&spec.shape);
            let extents = row.iter().map(ToString::to_string);
            let batch: Vec<String> = std::iter::once("N".to_owned()).chain(extents).collect();
            InputError::Shape {
                name,
                expected: spec.shape.clone(),
                batch: format!("[{}]", batch.join(", ")),
                got: shape.clone(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ciro_model::integer::Dictionary;

    use super::*;

    fn spec(name: &str, shape: &[usize]) -> InputSpec {
        InputSpec { name: name.to_owned(), shape: shape.to_vec(), takes: Takes::Numbers }
    }

    fn array(name: Option<&str>, shape: Option<&[usize]>, count: usize) -> InputArray {
        let data = Elements::Numbers((0u32..).map(f64::from).take(count).collect());
        InputArray { name: name.map(str::to_owned), shape: shape.map(<[usize]>::to_vec), data }
    }

    fn shaped(shape: &[usize]) -> InputArray {
        array(None, Some(shape), shape.iter().product())
    }

    #[track_caller]
    fn check(arrays: Vec<InputArray>, specs: &[InputSpec], expected: Result<usize, &str>) {
        let samples = Inputs::new(arrays).samples(specs).map_err(|error| error.to_string());
        let count = samples.as_ref().map(Vec::len).map_err(String::as_str);
        assert_eq!(count, expected);
    }

    #[test]
    fn one_or_several_samples_are_taken() {
        let specs = [spec("x", &[1, 3])];
        for (got, count) in [(&[1usize, 3][..], 1), (&[3], 1), (&[5, 3], 5), (&[5, 1, 3], 5)] {
            check(vec![shaped(got)], &specs, Ok(count));
        }
        check(vec![array(None, None, 6)], &specs, Ok(2));
    }

    #[test]
    fn other_shapes_are_refused() {
        let specs = [spec("x", &[1, 3])];
        let message = "input `x`: expected shape [1, 3], or [N, 3] for N samples, got [3, 1]";
        check(vec![shaped(&[3, 1])], &specs, Err(message));
        let message =
            "input `x`: expected 3 number(s) for shape [1, 3], or a multiple of it, got 4";
        check(vec![array(None, None, 4)], &specs, Err(message));
        let message = "input `x`: expected shape [1, 3], or [N, 3] for N samples, got [0, 3]";
        check(vec![shaped(&[0, 3])], &specs, Err(message));
    }

    #[test]
    fn arrays_are_matched_by_name_then_by_position() {
        let specs = [spec("a", &[1]), spec("b", &[2])];
        let (a, b) = (array(Some("a"), None, 1), array(Some("in_1"), None, 2));
        check(vec![b, a.clone()], &specs, Ok(1));
        check(vec![shaped(&[1]), shaped(&[2])], &specs, Ok(1));
        let message = "no array named `b` or `in_1`; there are `a`, `c`";
        check(vec![a, array(Some("c"), None, 2)], &specs, Err(message));
        let message = "the model takes 2 input(s) (`a`, `b`), got 1 array(s)";
        check(vec![shaped(&[1])], &specs, Err(message));
    }

    #[test]
    fn inputs_hold_equally_many_samples() {
        let specs = [spec("a", &[1, 1]), spec("b", &[1, 2])];
        let message = "input `b` holds 3 sample(s), input `a` holds 2";
        check(vec![shaped(&[2, 1]), shaped(&[3, 2])], &specs, Err(message));
    }

    #[test]
    fn numbers_that_are_not_finite_are_located() {
        let mut nan = shaped(&[2, 3]);
        let mut numbers = vec![0.0; 6];
        numbers[4] = f64::INFINITY;
        nan.data = numbers.into();
        let message = "input `x`, sample 1, element 1 is inf: only finite numbers can be proven";
        check(vec![nan], &[spec("x", &[1, 3])], Err(message));
    }

    #[test]
    fn a_digest_tells_arrays_apart() {
        let one = || array(Some("a"), None, 6);
        let others = [
            array(Some("b"), None, 6),
            array(None, None, 6),
            array(Some("a"), Some(&[2, 3]), 6),
            array(Some("a"), Some(&[3, 2]), 6),
            array(Some("a"), None, 7),
            InputArray { data: vec![0.0; 6].into(), ..one() },
            InputArray { data: texts(&[""; 6]), ..one() },
            InputArray { data: texts(&["a", "", "", "", "", ""]), ..one() },
            InputArray { data: texts(&["", "a", "", "", "", ""]), ..one() },
        ];
        let digest = |arrays: Vec<InputArray>| Inputs::new(arrays).digest();
        let mut digests: Vec<_> = others.into_iter().map(|other| digest(vec![other])).collect();
        digests.extend([digest(vec![one()]), digest(vec![one(), one()]), digest(vec![])]);
        digests.push(Inputs::joined([1, 1].map(|_| Inputs::new(vec![one()]))).digest());
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!((digests.len(), digest(vec![one()])), (count, digest(vec![one()])));
    }

    fn texts(texts: &[&str]) -> Elements {
        Elements::Texts(texts.iter().map(|&text| text.to_owned()).collect())
    }

    #[test]
    fn texts_become_codes_and_only_where_the_model_takes_text() {
        let mut dictionary = Dictionary::new(["red", "blue"].map(str::to_owned));
        assert!(dictionary.restrict(1, &[0, 1].into()));
        let takes = Takes::Text(Arc::new(dictionary));
        let text = InputSpec { takes, ..spec("c", &[1, 2]) };
        let given = |elements| vec![InputArray { name: None, shape: None, data: elements }];
        let samples = |elements, spec: &InputSpec| {
            let samples = Inputs::new(given(elements)).samples(std::slice::from_ref(spec));
            samples.map_err(|error| error.to_string())
        };
        let two = samples(texts(&["blue", "red", "green", "blue"]), &text).unwrap();
        assert_eq!(two[0][0].data(), [1.0, 0.0]);
        assert_eq!(two[1][0].data(), [2.0, 1.0]);
        let message = "input `c`, sample 1, element 1: `green` is none of the categories that the \
                       model takes there";
        let refused = samples(texts(&["red", "red", "red", "green"]), &text);
        assert_eq!(refused, Err(message.to_owned()));
        let numbers = samples(vec![0.0, 1.0].into(), &text);
        assert_eq!(numbers, Err("input `c` takes text, got numbers".to_owned()));
        let unread = InputSpec { takes: Takes::Anything, ..spec("c", &[1, 2]) };
        assert_eq!(samples(texts(&["a", "b"]), &unread).unwrap()[0][0].data(), [0.0, 0.0]);
        let refused = samples(texts(&["a", "b"]), &spec("c", &[1, 2]));
        assert_eq!(refused, Err("input `c` takes numbers, got text".to_owned()));
    }

    #[test]
    fn an_input_without_elements_has_as_many_samples_as_its_shape_says() {
        let specs = [spec("past", &[1, 2, 0, 16])];
        let forms: [(&[usize], usize); 6] = [
            (&[1, 2, 0, 16], 1),
            (&[4, 2, 0, 16], 4),
            (&[4, 1, 2, 0, 16], 4),
            (&[2, 0, 16], 1),
            // Nested lists say nothing of what lies behind an empty one.
            (&[1, 2, 0], 1),
            (&[4, 1, 2, 0], 4),
        ];
        for (shape, count) in forms {
            check(vec![array(None, Some(shape), 0)], &specs, Ok(count));
        }
        check(vec![array(None, None, 0)], &specs, Ok(1));
        for shape in [&[1, 3, 0, 16][..], &[1, 2, 1, 16], &[1 << 40, 2, 0, 16]] {
            let count = shape.iter().product::<usize>().min(64);
            let refused = Inputs::new(vec![array(None, Some(shape), count)]).samples(&specs);
            assert!(refused.is_err(), "{shape:?}");
        }
    }

    #[test]
    fn a_file_has_a_bounded_number_of_samples() {
        let zeros = InputArray { name: None, shape: None, data: vec![0.0; MAX_SAMPLES + 1].into() };
        let error = Inputs::new(vec![zeros]).samples(&[spec("x", &[1])]).unwrap_err();
        let message = "input `x` holds 4194305 samples, more than 4194304: cut the file";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn the_content_decides_the_format() {
        let form = |bytes: &[u8]| Inputs::from_bytes(bytes, "f").unwrap_err();
        assert!(matches!(form(b"PK\x03\x04"), InputError::Npz(_)));
        assert!(matches!(form(b"\x93NUMPY"), InputError::Npy { .. }));
        assert!(matches!(form(b"1,2,3"), InputError::Json(_)));
    }
}
