//! What the user decides about an import.

use std::collections::BTreeMap;

/// Settings of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Shapes of inputs and values of symbols, as `--shape` gives them. Default: none.
    ///
    /// Needed when an axis other than the first has no fixed extent. Without a setting the first
    /// axis, the batch, is 1.
    pub shapes: BTreeMap<String, ShapeSetting>,
    /// Inputs that are fixed to one number, as `--set` gives them. Default: none.
    ///
    /// Such an input is a constant of the model (the sample rate of a voice detector) and no input
    /// any more.
    pub fixed: BTreeMap<String, Number>,
    /// Arrays that are at hand for the inputs. Default: none.
    ///
    /// They say what [`Self::shapes`] and the file leave open; the first that says it counts.
    pub given: Vec<GivenArray>,
    /// The greatest number of tensor elements, constants and computed values together. Default:
    /// 2^27.
    ///
    /// One element takes 8 bytes here; raise it for larger models if the memory is there.
    pub max_elements: usize,
    /// The greatest number of graph nodes after unrolling loops. Default: 2^20.
    pub max_nodes: usize,
    /// What becomes of weights. Default: they are read.
    pub weights: Weights,
    /// The greatest size of the model file, and of all files of external weights together, in
    /// bytes. Default: 2^31.
    pub max_file_bytes: u64,
}

/// What an import makes of the weights in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// They are constants of the graph.
    #[default]
    Read,
    /// Large ones are inputs of the graph, whatever they hold: for whoever asks which operators
    /// have no meaning, in the time and memory that it takes to read the file.
    Skipped,
}

/// A number of a setting, which is equal to itself.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

/// A `--set` argument that fixes no input to a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidInputSetting {
    /// It has another form than `INPUT=NUMBER`.
    #[error("setting `{0}`: expected `INPUT=NUMBER`, or `true` or `false` for the number")]
    Form(String),
    /// The number is infinite, NaN, or beyond what a number can be.
    #[error("setting `{0}`: an input is fixed to a finite number")]
    NotFinite(String),
    /// The input is fixed already.
    #[error("setting `{0}`: the input is set to a number already")]
    Twice(String),
}

/// An array that holds one or several samples of an input, as far as it says something of shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenArray {
    /// The input's name, `in_K` or `arr_K`; without one it is for the input of its position.
    pub name: Option<String>,
    /// Its position among the arrays that were given together.
    pub position: usize,
    /// Its extents; samples lie along a first axis of their own, or along the batch axis. `None`
    /// for one sample whose elements lie in a row.
    pub shape: Option<Vec<usize>>,
    /// The number of its elements.
    pub len: usize,
}

/// What is set for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShapeSetting {
    /// The extent of every axis of an input, or of an input of one axis.
    Shape(Vec<usize>),
    /// The value of a symbol, or the shape of an input of one axis.
    Value(usize),
}

/// A `--shape` argument of another form than `SYMBOL=VALUE` or `INPUT=1x3x32x32`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shape setting `{0}`: expected `SYMBOL=VALUE` or `INPUT=1x3x32x32`")]
pub struct InvalidShapeSetting(pub String);

impl Default for Settings {
    fn default() -> Self {
        Self {
            shapes: BTreeMap::new(),
            fixed: BTreeMap::new(),
            given: Vec::new(),
            max_elements: 1 << 27,
            max_nodes: 1 << 20,
            weights: Weights::Read,
            max_file_bytes: 1 << 31,
        }
    }
}

impl Settings {
    /// Adds a setting of the form `SYMBOL=VALUE` or `INPUT=1x3x32x32`; a later one replaces an
    /// earlier one.
    ///
    /// # Errors
    /// [`InvalidShapeSetting`] if the argument has another form.
    pub fn add_shape(&mut self, argument: &str) -> Result<(), InvalidShapeSetting> {
        let invalid = || InvalidShapeSetting(argument.to_owned());
        let (name, value) = argument.rsplit_once('=').ok_or_else(invalid)?;
        let extents: Result<Vec<usize>, _> = value.split('x').map(str::parse).collect();
        let setting = match extents.map_err(|_| invalid())?.as_slice() {
            _ if name.is_empty() => return Err(invalid()),
            [value] => ShapeSetting::Value(*value),
            shape => ShapeSetting::Shape(shape.to_vec()),
        };
        self.shapes.insert(name.to_owned(), setting);
        Ok(())
    }

    /// Fixes an input by an argument of the form `INPUT=NUMBER`, each once.
    ///
    /// # Errors
    /// [`InvalidInputSetting`] if the argument has another form, the number is not finite, or the
    /// input is fixed already.
    pub fn fix_input(&mut self, argument: &str) -> Result<(), InvalidInputSetting> {
        let invalid = || InvalidInputSetting::Form(argument.to_owned());
        let (name, value) = argument.rsplit_once('=').ok_or_else(invalid)?;
        let value: f64 = match value {
            "true" => 1.0,
            "false" => 0.0,
            number => number.parse().map_err(|_| invalid())?,
        };
        if name.is_empty() {
            return Err(invalid());
        }
        if !value.is_finite() {
            return Err(InvalidInputSetting::NotFinite(argument.to_owned()));
        }
        match self.fixed.insert(name.to_owned(), Number(value)) {
            None => Ok(()),
            Some(_) => Err(InvalidInputSetting::Twice(argument.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_arguments_are_parsed() {
        let mut settings = Settings::default();
        settings.add_shape("seq=128").unwrap();
        settings.add_shape("x=1x3x32x32").unwrap();
        assert_eq!(settings.shapes["seq"], ShapeSetting::Value(128));
        assert_eq!(settings.shapes["x"], ShapeSetting::Shape(vec![1, 3, 32, 32]));
    }

    #[test]
    fn inputs_are_fixed_to_finite_numbers() {
        let mut settings = Settings::default();
        for (argument, value) in [("sr=16000", 16000.0), ("a=b=-1.5", -1.5), ("t=true", 1.0)] {
            settings.fix_input(argument).unwrap();
            let name = argument.rsplit_once('=').unwrap().0;
            assert_eq!(settings.fixed[name], Number(value));
        }
        for argument in ["sr", "=3", "x=", "x=1x2"] {
            let error = settings.fix_input(argument).unwrap_err();
            assert_eq!(error, InvalidInputSetting::Form(argument.to_owned()));
        }
        for argument in ["x=nan", "x=-inf", "x=1e400"] {
            let error = settings.fix_input(argument).unwrap_err();
            assert_eq!(error, InvalidInputSetting::NotFinite(argument.to_owned()));
        }
        let error = settings.fix_input("sr=8000").unwrap_err();
        assert_eq!(error, InvalidInputSetting::Twice("sr=8000".to_owned()));
    }

    #[test]
    fn other_forms_are_refused() {
        for argument in ["seq", "=3", "x=", "x=1x", "x=-1", "x=1x2y"] {
            let error = Settings::default().add_shape(argument).unwrap_err();
            assert_eq!(error, InvalidShapeSetting(argument.to_owned()));
        }
    }
}
