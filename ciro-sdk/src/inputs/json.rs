//! Inputs as JSON: `{"input_data": [[...], ...]}`.

use serde_json::Value;

use super::{Elements, InputArray, InputError};

/// The deepest nesting of lists.
const MAX_DEPTH: usize = 16;

/// Decodes the arrays of `input_data`; other keys are left to whoever wrote them.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<InputArray>, InputError> {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(first) => serde_json::from_slice(&missing_as_null(bytes))
            .map_err(|_| literal(bytes, &first).unwrap_or(InputError::Json(first)))?,
    };
    let Value::Object(mut object) = value else {
        return Err(InputError::Form(format!("the file holds {}", kind(&value))));
    };
    match object.remove("input_data") {
        Some(Value::Array(inputs)) => {
            inputs.iter().enumerate().map(|(position, input)| array(position, input)).collect()
        }
        Some(other) => Err(InputError::Form(format!("`input_data` is {}", kind(&other)))),
        None => Err(InputError::Form("`input_data` is missing".to_owned())),
    }
}

fn array(position: usize, input: &Value) -> Result<InputArray, InputError> {
    let Value::Array(_) = input else {
        return Err(InputError::Form(format!("entry {position} is {}", kind(input))));
    };
    let mut nested = Nested { input: position, shape: vec![], data: vec![], texts: vec![] };
    nested.collect(input, 0)?;
    let shape = (nested.shape.len() > 1).then_some(nested.shape);
    let data = match nested.texts.is_empty() {
        true => Elements::Numbers(nested.data),
        false => Elements::Texts(nested.texts),
    };
    Ok(InputArray { name: None, shape, data })
}

/// A nested list on its way to an array.
struct Nested {
    input: usize,
    /// Extents as the first list of every depth has them.
    shape: Vec<usize>,
    data: Vec<f64>,
    /// The elements if they are texts; numbers and texts do not mix.
    texts: Vec<String>,
}

impl Nested {
    fn collect(&mut self, value: &Value, depth: usize) -> Result<(), InputError> {
        let ragged = InputError::Ragged { input: self.input };
        if let Value::Array(items) = value {
            match self.shape.get(depth) {
                Some(&extent) if extent != items.len() => return Err(ragged),
                Some(_) => {}
                None if depth == MAX_DEPTH || self.len() > 0 => return Err(ragged),
                None => self.shape.push(items.len()),
            }
            return items.iter().try_for_each(|item| self.collect(item, depth + 1));
        }
        if depth != self.shape.len() {
            return Err(ragged);
        }
        let not_a_number =
            InputError::NotANumber { input: self.input, element: self.len(), found: kind(value) };
        if let Value::String(text) = value {
            if !self.data.is_empty() {
                return Err(not_a_number);
            }
            self.texts.push(text.clone());
            return Ok(());
        }
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
            // A missing value; whether the model takes such is for its encoding to say.
            Value::Null => Some(f64::NAN),
            _ => None,
        };
        if !self.texts.is_empty() {
            return Err(InputError::NotText {
                input: self.input,
                element: self.len(),
                found: kind(value),
            });
        }
        self.data.push(number.ok_or(not_a_number)?);
        Ok(())
    }

    fn len(&self) -> usize {
        self.data.len() + self.texts.len()
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The text with every literal `NaN`, as Python writes a missing value, as `null`.
fn missing_as_null(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        if !quoted && let Some(behind) = rest.strip_prefix(b"NaN") {
            text.extend(b"null");
            rest = behind;
            continue;
        }
        quoted ^= *byte == b'"' && !escaped;
        escaped = quoted && *byte == b'\\' && !escaped;
        text.push(*byte);
        rest = tail;
    }
    text
}

/// Python writes infinities as literals that JSON does not know.
fn literal(bytes: &[u8], error: &serde_json::Error) -> Option<InputError> {
    let (line, column) = (error.line(), error.column());
    let text = bytes.split(|&byte| byte == b'\n').nth(line.checked_sub(1)?)?;
    let start = text[..column.min(text.len())]
        .iter()
        .rposition(|byte| !byte.is_ascii_alphabetic() && *byte != b'-')
        .map_or(0, |before| before + 1);
    let literal = ["-Infinity", "Infinity"]
        .into_iter()
        .find(|literal| text[start..].starts_with(literal.as_bytes()))?;
    Some(InputError::NonFiniteLiteral { line, column: start + 1, literal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected);
    }

    #[test]
    fn flat_lists_have_no_shape_and_nested_ones_do() {
        let arrays = parse(br#"{"input_data": [[1, 2.5, true], [[1, 2], [3, 4]]]}"#).unwrap();
        assert_eq!(
            arrays[0],
            InputArray { name: None, shape: None, data: vec![1.0, 2.5, 1.0].into() }
        );
        assert_eq!(arrays[1].shape, Some(vec![2, 2]));
        assert_eq!(arrays[1].data, vec![1.0, 2.0, 3.0, 4.0].into());
    }

    #[test]
    fn other_forms_are_refused() {
        let form = r#"expected {"input_data": [[...], ...]} with one list for each input: "#;
        refused("[1]", &format!("{form}the file holds a list"));
        refused("{}", &format!("{form}`input_data` is missing"));
        refused(r#"{"input_data": 3}"#, &format!("{form}`input_data` is a number"));
        refused(r#"{"input_data": [1, 2]}"#, &format!("{form}entry 0 is a number"));
    }

    #[test]
    fn elements_that_are_no_numbers_are_located() {
        let message = "input 1, element 2: expected a number, got a string";
        refused(r#"{"input_data": [[1], [1, 2, "3"]]}"#, message);
        let message = "input 0: the nested lists are not a rectangular array";
        for ragged in ["[[1, 2], [3]]", "[1, [2]]", "[[1], 2]", "[[], [[1]]]"] {
            refused(&format!(r#"{{"input_data": [{ragged}]}}"#), message);
        }
    }

    #[test]
    fn texts_are_read_as_they_are_and_do_not_mix_with_numbers() {
        let arrays = parse(br#"{"input_data": [["a", "1"], [["x"], [""]]]}"#).unwrap();
        let texts = |texts: [&str; 2]| Elements::Texts(texts.map(str::to_owned).to_vec());
        assert_eq!(arrays[0].data, texts(["a", "1"]));
        assert_eq!((&arrays[1].shape, &arrays[1].data), (&Some(vec![2, 1]), &texts(["x", ""])));
        let message = "input 0, element 1: expected a text like those before, got ";
        for (value, found) in [("1", "a number"), ("null", "null"), ("true", "a truth value")] {
            let text = format!("{{\"input_data\": [[\"a\", {value}]]}}");
            refused(&text, &format!("{message}{found}"));
        }
        refused(
            r#"{"input_data": [["a", ["b"]]]}"#,
            "input 0: the nested lists are not a rectangular array",
        );
    }

    #[test]
    fn a_missing_value_is_null_or_the_literal_that_python_writes() {
        let text = br#"{"a \" NaN": "NaN", "input_data": [[1, NaN, null]]}"#;
        let Elements::Numbers(data) = parse(text).unwrap().remove(0).data else {
            panic!("numbers")
        };
        assert!(data[0] > 0.0 && data[1].is_nan() && data[2].is_nan());
        assert!(matches!(parse(br#"{"input_data": [[NaNa]]}"#), Err(InputError::Json(_))));
    }

    #[test]
    fn literals_of_python_are_named() {
        let text = "{\"input_data\":\n [[1.0, Infinity]]}";
        refused(text, "line 2, column 9: `Infinity` is not a number");
        refused(
            r#"{"input_data": [[-Infinity]]}"#,
            "line 1, column 18: `-Infinity` is not a number",
        );
        assert!(matches!(parse(b"{\"input_data\": [[1.0,"), Err(InputError::Json(_))));
    }
}
