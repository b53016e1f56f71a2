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
    /// The greatest number of tensor elements, constants and computed values together. Default:
    /// 2^27.
    ///
    /// One element takes 8 bytes here; raise it for larger models if the memory is there.
    pub max_elements: usize,
    /// The greatest number of graph nodes after unrolling loops. Default: 2^20.
    pub max_nodes: usize,
    /// The greatest size of the model file, and of all files of external weights together, in
    /// bytes. Default: 2^31.
    pub max_file_bytes: u64,
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
            max_elements: 1 << 27,
            max_nodes: 1 << 20,
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
    fn other_forms_are_refused() {
        for argument in ["seq", "=3", "x=", "x=1x", "x=-1", "x=1x2y"] {
            let error = Settings::default().add_shape(argument).unwrap_err();
            assert_eq!(error, InvalidShapeSetting(argument.to_owned()));
        }
    }
}
