//! How models are compiled and proven.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ciro_sdk::import::ShapeSetting;
use ciro_sdk::inputs::CalibrationSamples;
use ciro_sdk::{CalibrateWith, Given, Secrecy};
use pyo3::prelude::*;

use crate::error::Error;
use crate::tensor::Inputs;

/// How a model is opened: compiled, and calibrated with what.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct OpenSettings(pub(crate) ciro_sdk::OpenSettings);

/// How inferences are proven.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct ProveSettings(pub(crate) ciro_sdk::ProveSettings);

#[pymethods]
impl OpenSettings {
    /// Takes everything by name; what is left out has the library's default. Without samples, and
    /// without a file of them, those that lie beside the model are taken, and without such `given`,
    /// what the model will be asked, if it is not `secret`. `cache` lets the compiled form come
    /// from the user's cache.
    #[new]
    #[pyo3(signature = (*, calibration=None, calibration_file=None, given=None, secret=false, cache=false, shapes=None, activation_bits=None, input_bits=None, output_bits=None, table_bits=None, margin=None, input_headroom=None))]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn new(
        calibration: Option<&Inputs>,
        calibration_file: Option<PathBuf>,
        given: Option<&Inputs>,
        secret: bool,
        cache: bool,
        shapes: Option<BTreeMap<String, Vec<usize>>>,
        activation_bits: Option<u32>,
        input_bits: Option<u32>,
        output_bits: Option<u32>,
        table_bits: Option<u32>,
        margin: Option<f64>,
        input_headroom: Option<f64>,
    ) -> Self {
        let mut settings = ciro_sdk::CompileSettings::default();
        for (name, shape) in shapes.unwrap_or_default() {
            let setting = match shape[..] {
                [value] => ShapeSetting::Value(value),
                _ => ShapeSetting::Shape(shape),
            };
            settings.import.shapes.insert(name, setting);
        }
        let quantize = &mut settings.quantize;
        quantize.activation_bits = activation_bits.unwrap_or(quantize.activation_bits);
        quantize.input_bits = input_bits.or(quantize.input_bits);
        quantize.output_bits = output_bits.unwrap_or(quantize.output_bits);
        quantize.table_bits = table_bits.unwrap_or(quantize.table_bits);
        quantize.margin = margin.unwrap_or(quantize.margin);
        quantize.input_headroom = input_headroom.unwrap_or(quantize.input_headroom);
        let calibrate = match (calibration, calibration_file) {
            (Some(inputs), _) => {
                let inputs = inputs.0.clone();
                CalibrateWith::Samples(CalibrationSamples { file: None, inputs })
            }
            (None, Some(path)) => CalibrateWith::File(path),
            (None, None) => CalibrateWith::Neighbour,
        };
        let given = match given {
            Some(samples) if secret => Given::Secret(samples.0.clone()),
            Some(samples) => Given::Samples(samples.0.clone()),
            None => Given::Nothing,
        };
        let compile = settings;
        Self(ciro_sdk::OpenSettings { compile, calibrate, given, cache })
    }
}

#[pymethods]
impl ProveSettings {
    /// Takes route and preset by their names, whether proofs hide, whether to commit to inputs
    /// instead of stating them, what else to bind proofs to, in hexadecimal digits, and the most
    /// memory, in bytes, that a proof may be expected to take.
    #[new]
    #[pyo3(signature = (*, route, preset, batch=1, private=false, commit_input=false, commit_output=false, context=None, max_memory=None))]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn new(
        route: &str,
        preset: &str,
        batch: u32,
        private: bool,
        commit_input: bool,
        commit_output: bool,
        context: Option<&str>,
        max_memory: Option<u64>,
    ) -> PyResult<Self> {
        let route = route.parse().map_err(Error::from)?;
        let preset = preset.parse().map_err(Error::from)?;
        let context = context.map(str::parse).transpose().map_err(Error::from)?.unwrap_or_default();
        let max_memory_bytes = max_memory;
        Ok(Self(ciro_sdk::ProveSettings {
            route,
            preset,
            batch,
            secrecy: secrecy(private),
            commit_input,
            commit_output,
            context,
            max_memory_bytes,
        }))
    }
}

/// Whether proofs hide, for an argument `private`.
pub(crate) fn secrecy(private: bool) -> Secrecy {
    if private { Secrecy::Hiding } else { Secrecy::Plain }
}
