//! Arrays of numbers in, outputs out.

use std::path::PathBuf;

use ciro_sdk::Tensor;
use ciro_sdk::inputs::{Elements, InputArray, InputSpec, Sample};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;

/// An array of numbers or texts that has yet to be matched with an input.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Array(InputArray);

#[pymethods]
impl Array {
    /// Takes the elements as little-endian float64, in row-major order.
    #[new]
    fn new(name: Option<String>, shape: Vec<usize>, data: &[u8]) -> PyResult<Self> {
        let (elements, rest) = data.as_chunks::<8>();
        let expected = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
        if expected != Some(elements.len()) || !rest.is_empty() {
            let message = format!("{} bytes do not fill shape {shape:?}", data.len());
            return Err(PyValueError::new_err(message));
        }
        let data = elements.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
        Ok(Self(InputArray { name, shape: Some(shape), data: Elements::Numbers(data) }))
    }

    /// Takes texts in row-major order.
    #[staticmethod]
    fn texts(name: Option<String>, shape: Vec<usize>, texts: Vec<String>) -> PyResult<Self> {
        let expected = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
        if expected != Some(texts.len()) {
            let message = format!("{} texts do not fill shape {shape:?}", texts.len());
            return Err(PyValueError::new_err(message));
        }
        Ok(Self(InputArray { name, shape: Some(shape), data: Elements::Texts(texts) }))
    }
}

/// Arrays that become samples of a model.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Inputs(pub(crate) ciro_sdk::inputs::Inputs);

#[pymethods]
impl Inputs {
    /// Takes arrays as they are.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn new(arrays: Vec<PyRef<'_, Array>>) -> Self {
        let arrays = arrays.iter().map(|array| array.0.clone()).collect();
        Self(ciro_sdk::inputs::Inputs::new(arrays))
    }

    /// BLAKE2s-256 of names, shapes and elements, in hexadecimal digits.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a JSON, `.npy` or `.npz` file. Other threads go on meanwhile: one of them may be what
    /// writes into a pipe.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let read = py.detach(move || ciro_sdk::inputs::Inputs::read(&path));
        Ok(Self(read.map_err(Error::from)?))
    }
}

impl Inputs {
    /// The samples for a model with these inputs.
    ///
    /// # Errors
    /// `ValueError` if the arrays do not fit.
    pub(crate) fn samples(&self, specs: &[InputSpec]) -> Result<Vec<Sample>, Error> {
        Ok(self.0.samples(specs)?)
    }
}

/// One output of one inference.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Output(ciro_sdk::RealOutput);

impl Output {
    /// The outputs of all samples.
    pub(crate) fn all(samples: Vec<Vec<ciro_sdk::RealOutput>>) -> Vec<Vec<Self>> {
        samples.into_iter().map(|outputs| outputs.into_iter().map(Self).collect()).collect()
    }
}

#[pymethods]
impl Output {
    /// The ONNX output's name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Its shape.
    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.0.values.shape().to_vec()
    }

    /// The integers that are proven: little-endian int32 in row-major order.
    #[getter]
    fn integers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        integer_bytes(py, &self.0.integers)
    }

    /// What they stand for: little-endian float64 in row-major order.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        real_bytes(py, &self.0.values)
    }

    /// Class names in row-major order, if the output holds names.
    #[getter]
    fn labels(&self) -> Option<Vec<String>> {
        self.0.labels.clone()
    }
}

/// A proven input of one inference.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct RealInput(ciro_sdk::RealInput);

impl RealInput {
    /// The inputs of all samples, without those that no output depends on.
    pub(crate) fn all(samples: Vec<Vec<ciro_sdk::RealInput>>) -> Vec<Vec<Self>> {
        let stated = |input: &ciro_sdk::RealInput| input.values.is_some();
        let sample = |inputs: Vec<ciro_sdk::RealInput>| {
            inputs.into_iter().filter(stated).map(Self).collect()
        };
        samples.into_iter().map(sample).collect()
    }
}

#[pymethods]
impl RealInput {
    /// The ONNX input's name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Its shape.
    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.0.shape.clone()
    }

    /// Its elements: little-endian float64 in row-major order.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        real_bytes(py, &self.0.values_or_zeros())
    }

    /// Its texts in row-major order, if it is text; none for a text that the model does not know.
    #[getter]
    fn texts(&self) -> Option<Vec<Option<String>>> {
        self.0.texts.clone()
    }
}

/// The elements of a real tensor: little-endian float64 in row-major order.
fn real_bytes<'py>(py: Python<'py>, tensor: &Tensor<f64>) -> PyResult<Bound<'py, PyBytes>> {
    let values = tensor.data();
    PyBytes::new_with(py, values.len() * 8, |bytes| {
        let (chunks, _) = bytes.as_chunks_mut::<8>();
        chunks.iter_mut().zip(values).for_each(|(chunk, value)| *chunk = value.to_le_bytes());
        Ok(())
    })
}

/// The elements of an integer tensor: little-endian int32 in row-major order.
pub(crate) fn integer_bytes<'py>(
    py: Python<'py>,
    tensor: &Tensor<i32>,
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, tensor.len() * 4, |bytes| {
        let (chunks, _) = bytes.as_chunks_mut::<4>();
        chunks
            .iter_mut()
            .zip(tensor.data())
            .for_each(|(chunk, value)| *chunk = value.to_le_bytes());
        Ok(())
    })
}
