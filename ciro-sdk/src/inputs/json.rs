//! Inputs as JSON: `{"input_data": [[...], ...]}`.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Elements, InputArray, InputError};

/// The deepest nesting of lists.
const MAX_DEPTH: usize = 16;

/// The extent of a list that is not read to its end.
const OPEN: usize = usize::MAX;

/// A place where a text is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line} column {column}")]
pub struct JsonError {
    /// What is wrong.
    problem: String,
    /// Line, beginning with 1.
    line: usize,
    /// Column in bytes, beginning with 1.
    column: usize,
}

impl JsonError {
    fn new(error: &serde_json::Error) -> Self {
        let (text, line, column) = (error.to_string(), error.line(), error.column());
        let place = format!(" at line {line} column {column}");
        let problem = text.strip_suffix(&place).unwrap_or(&text).to_owned();
        Self { problem, line, column }
    }
}

/// Decodes the arrays of `input_data`; other keys are left to whoever wrote them.
///
/// Values are read where they are in the text, so that they take no more memory than as numbers.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<InputArray>, InputError> {
    if let Ok(root) = serde_json::from_slice::<&RawValue>(bytes) {
        return arrays(root);
    }
    let (text, literals) = missing_as_null(bytes);
    match serde_json::from_slice::<&RawValue>(&text) {
        Ok(root) => arrays(root),
        Err(error) => {
            let mut error = JsonError::new(&error);
            // In the user's own text each literal is one byte shorter.
            let before = |place: &&(usize, usize)| place.0 == error.line && place.1 < error.column;
            error.column -= literals.iter().filter(before).count();
            Err(literal(bytes, &error).unwrap_or(InputError::Json(error)))
        }
    }
}

fn arrays(root: &RawValue) -> Result<Vec<InputArray>, InputError> {
    if kind(root) != "an object" {
        return Err(InputError::Form(format!("the file holds {}", kind(root))));
    }
    let form = |error: serde_json::Error| InputError::Form(JsonError::new(&error).problem);
    let mut text = serde_json::Deserializer::from_str(root.get());
    let inputs = text.deserialize_map(Root).map_err(form)?;
    let inputs = inputs.ok_or_else(|| InputError::Form("`input_data` is missing".to_owned()))?;
    if kind(inputs) != "a list" {
        return Err(InputError::Form(format!("`input_data` is {}", kind(inputs))));
    }
    let mut arrays = Vec::new();
    each(inputs, |input| {
        arrays.push(array(arrays.len(), input)?);
        Ok(())
    })?;
    Ok(arrays)
}

fn array(position: usize, input: &RawValue) -> Result<InputArray, InputError> {
    if kind(input) != "a list" {
        return Err(InputError::Form(format!("entry {position} is {}", kind(input))));
    }
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
    fn collect(&mut self, value: &RawValue, depth: usize) -> Result<(), InputError> {
        if kind(value) == "a list" {
            self.list(value, depth)
        } else if depth == self.shape.len() {
            self.element(value)
        } else {
            Err(self.ragged())
        }
    }

    fn list(&mut self, list: &RawValue, depth: usize) -> Result<(), InputError> {
        if depth == self.shape.len() {
            if depth == MAX_DEPTH || self.len() > 0 {
                return Err(self.ragged());
            }
            self.shape.push(OPEN);
        }
        let extent = each(list, |item| self.collect(item, depth + 1))?;
        if self.shape[depth] == OPEN {
            self.shape[depth] = extent;
        }
        if self.shape[depth] == extent { Ok(()) } else { Err(self.ragged()) }
    }

    fn element(&mut self, value: &RawValue) -> Result<(), InputError> {
        let (input, element, kind) = (self.input, self.len(), kind(value));
        if !self.texts.is_empty() && kind != "a string" {
            return Err(InputError::NotText { input, element, found: kind });
        }
        let text = value.get();
        let (number, found) = match kind {
            "a number" => (text.parse().ok(), "a number beyond the range of float64"),
            "a truth value" => (Some(f64::from(u8::from(text == "true"))), ""),
            // A missing value; whether the model takes such is for its encoding to say.
            "null" => (Some(f64::NAN), ""),
            "a string" if self.data.is_empty() => {
                let json = |error| InputError::Json(JsonError::new(&error));
                self.texts.push(serde_json::from_str(text).map_err(json)?);
                return Ok(());
            }
            other => (None, other),
        };
        let number = number.filter(|number: &f64| !number.is_infinite());
        self.data.push(number.ok_or(InputError::NotANumber { input, element, found })?);
        Ok(())
    }

    fn len(&self) -> usize {
        self.data.len() + self.texts.len()
    }

    fn ragged(&self) -> InputError {
        InputError::Ragged { input: self.input }
    }
}

/// What a value is, which its first letter tells.
fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a truth value",
        Some(b'"') => "a string",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
    }
}

/// Takes `input_data` out of an object.
struct Root;

impl<'t> Visitor<'t> for Root {
    type Value = Option<&'t RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut inputs = None;
        while let Some(key) = map.next_key::<Cow<'t, str>>()? {
            if key != "input_data" {
                map.next_value::<IgnoredAny>()?;
            } else if inputs.replace(map.next_value()?).is_some() {
                // Other readers take the first, or the last: the text would be read in two ways.
                return Err(A::Error::custom("`input_data` is there twice"));
            }
        }
        Ok(inputs)
    }
}

/// Calls a function with each value of a list, in order; returns how many there are.
fn each<'t>(
    list: &'t RawValue,
    f: impl FnMut(&'t RawValue) -> Result<(), InputError>,
) -> Result<usize, InputError> {
    let mut items = Items { f, count: 0, failed: None };
    let mut text = serde_json::Deserializer::from_str(list.get());
    match (text.deserialize_seq(&mut items), items.failed) {
        (_, Some(error)) => Err(error),
        (Err(error), None) => Err(InputError::Json(JsonError::new(&error))),
        (Ok(()), None) => Ok(items.count),
    }
}

struct Items<F> {
    f: F,
    count: usize,
    failed: Option<InputError>,
}

impl<'t, F: FnMut(&'t RawValue) -> Result<(), InputError>> Visitor<'t> for &mut Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element()? {
            if let Err(error) = (self.f)(item) {
                self.failed = Some(error);
                return Err(A::Error::custom("stopped"));
            }
            self.count += 1;
        }
        Ok(())
    }
}

/// The text with every literal `NaN`, as Python writes a missing value, as `null`; and where they
/// are in it, by line and column.
fn missing_as_null(bytes: &[u8]) -> (Vec<u8>, Vec<(usize, usize)>) {
    let (mut text, mut places) = (Vec::with_capacity(bytes.len()), Vec::new());
    let (mut line, mut line_start) = (1, 0);
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        if !quoted && let Some(behind) = rest.strip_prefix(b"NaN") {
            places.push((line, text.len() - line_start + 1));
            text.extend(b"null");
            rest = behind;
            continue;
        }
        quoted ^= *byte == b'"' && !escaped;
        escaped = quoted && *byte == b'\\' && !escaped;
        text.push(*byte);
        if *byte == b'\n' {
            (line, line_start) = (line + 1, text.len());
        }
        rest = tail;
    }
    (text, places)
}

/// Python writes infinities as literals that JSON does not know.
fn literal(bytes: &[u8], error: &JsonError) -> Option<InputError> {
    let JsonError { line, column, .. } = *error;
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
        let data = vec![1.0, 2.5, 1.0].into();
        assert_eq!(arrays[0], InputArray { name: None, shape: None, data });
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
    fn a_text_is_read_in_one_way() {
        let form = r#"expected {"input_data": [[...], ...]} with one list for each input: "#;
        let twice = r#"{"input_data": [[1]], "input_dat\u0061": [[null]]}"#;
        refused(twice, &format!("{form}`input_data` is there twice"));
        // What a JSON library writes for itself is an object to everybody else.
        for (key, value) in [("Number", "\"5\""), ("RawValue", "\"[1]\"")] {
            let object = format!("{{\"$serde_json::private::{key}\": {value}}}");
            let message = "input 0, element 0: expected a number, got an object";
            refused(&format!(r#"{{"input_data": [[{object}]]}}"#), message);
            refused(
                &format!(r#"{{"input_data": [{object}]}}"#),
                &format!("{form}entry 0 is an object"),
            );
        }
    }

    #[test]
    fn numbers_that_no_float_holds_are_named() {
        let message =
            "input 0, element 1: expected a number, got a number beyond the range of float64";
        refused(r#"{"input_data": [[1, 1e400]]}"#, message);
        refused(&format!(r#"{{"input_data": [[1, {}]]}}"#, "9".repeat(400)), message);
    }

    #[test]
    fn an_error_is_where_the_user_sees_it_also_behind_missing_values() {
        let place = |text: &str| match parse(text.as_bytes()) {
            Err(InputError::Json(error)) => (error.line, error.column),
            other => panic!("{other:?}"),
        };
        assert_eq!(place("{\"input_data\": [[1, 2,,]]}"), (1, 23));
        assert_eq!(place("{\"input_data\":\n [[NaN, NaN, 2,,]]}"), (2, 16));
        let text = "{\"input_data\": [[NaN, Infinity]]}";
        refused(text, "line 1, column 23: `Infinity` is not a number");
    }

    #[test]
    fn numbers_take_the_memory_of_numbers() {
        let text = format!("{{\"input_data\": [[{}1]]}}", "1, ".repeat(199_999));
        let measured = allocation_counter::measure(|| drop(parse(text.as_bytes())));
        // A vector that grows by doubling holds up to three times its elements for a moment.
        assert!(measured.bytes_max < 200_000 * 8 * 4, "{} bytes", measured.bytes_max);
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
