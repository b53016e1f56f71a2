//! Arguments of programs, as files have them.

use std::path::Path;

use ciro_cairo::{Felt, hexadecimal};
use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::files::{self, FileError};

/// The most felts that a program is given.
pub const MAX_ARGUMENTS: usize = 1 << 20;

/// The longest file of arguments that is read, in bytes.
const MAX_BYTES: u64 = 128 * MAX_ARGUMENTS as u64;

/// Arguments that are none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a list.
    #[error("arguments are one JSON list of felts, such as `[\"0x10\", 7]`: {0}")]
    Json(String),
    /// More than any program is given, counted up to here.
    #[error("at least {0} arguments, a program is given at most {MAX_ARGUMENTS}")]
    TooMany(usize),
    /// An element that is no felt.
    #[error(
        "argument {0} is no felt: expected a whole number below the Stark prime, in hexadecimal digits behind `0x` or in decimal ones"
    )]
    Felt(usize),
}

/// Reads a file of arguments: one JSON list of felts, each a text of hexadecimal digits behind `0x`
/// or of decimal digits, or a number. The negative of a number stands for the prime less that
/// number.
///
/// They are what the program's parameters are deserialized from: an array is its length and then
/// its elements.
///
/// # Errors
/// [`ArgumentsError`] if the file is anything else.
pub fn read_arguments(path: &Path) -> Result<Vec<Felt>, ArgumentsError> {
    parse(&files::read(path, MAX_BYTES)?)
}

/// Arguments from their texts, as a file has them between its quotation marks.
///
/// # Errors
/// [`ArgumentsError`] if there are too many, or one of them is no felt.
pub fn parse_arguments<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Felt>, ArgumentsError> {
    if texts.len() > MAX_ARGUMENTS {
        return Err(ArgumentsError::TooMany(texts.len()));
    }
    let felts = texts.iter().enumerate();
    felts.map(|(at, text)| felt(text.as_ref()).ok_or(ArgumentsError::Felt(at))).collect()
}

fn parse(json: &[u8]) -> Result<Vec<Felt>, ArgumentsError> {
    let mut refused = None;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let felts = reader.deserialize_seq(Felts(&mut refused));
    let felts = felts.and_then(|felts| reader.end().map(|()| felts));
    match refused {
        Some(error) => Err(error),
        None => felts.map_err(|error| ArgumentsError::Json(error.to_string())),
    }
}

/// Reads felts one by one, until there are too many or one is none: that is put here.
struct Felts<'a>(&'a mut Option<ArgumentsError>);

impl<'de> Visitor<'de> for Felts<'_> {
    type Value = Vec<Felt>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of felts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Felt>, A::Error> {
        let mut felts = Vec::new();
        while let Some(text) = list.next_element::<&'de RawValue>()? {
            let error = match unquoted(text.get()).and_then(felt) {
                _ if felts.len() == MAX_ARGUMENTS => ArgumentsError::TooMany(felts.len() + 1),
                Some(felt) => {
                    felts.push(felt);
                    continue;
                }
                None => ArgumentsError::Felt(felts.len()),
            };
            let stop = A::Error::custom(&error);
            *self.0 = Some(error);
            return Err(stop);
        }
        Ok(felts)
    }
}

/// A JSON number as it is, a text without its quotation marks.
fn unquoted(json: &str) -> Option<&str> {
    match json.strip_prefix('"') {
        Some(text) => text.strip_suffix('"'),
        None => Some(json),
    }
}

fn felt(text: &str) -> Option<Felt> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let magnitude = match text.strip_prefix("0x") {
        Some(digits) => hexadecimal(digits)?,
        None => decimal(text)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn decimal(digits: &str) -> Option<Felt> {
    /// Digits of the prime.
    const DIGITS_MAX: usize = 76;
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return None;
    }
    let felt = digits.bytes().try_fold(Felt::ZERO, |felt, byte| {
        let digit = char::from(byte).to_digit(10)?;
        Some(felt * Felt::from(10) + Felt::from(digit))
    })?;
    // What is not below the prime comes back reduced.
    let canonical = felt.to_string();
    let shown = digits.trim_start_matches('0');
    (canonical == if shown.is_empty() { "0" } else { shown }).then_some(felt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_each_of_their_forms() {
        let felts = parse(b"[ \"0x10\", 16, \"16\", \"0016\", -1, \"-0x1\", 0]").unwrap();
        let sixteen = Felt::from(16);
        assert_eq!(felts, [sixteen, sixteen, sixteen, sixteen, Felt::MAX, Felt::MAX, Felt::ZERO]);
        let largest = parse(format!("[\"{}\", \"{:#x}\"]", Felt::MAX, Felt::MAX).as_bytes());
        assert_eq!(largest.unwrap(), [Felt::MAX, Felt::MAX]);
        assert!(parse(b"[]").unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_refused_by_its_place() {
        let prime = format!("\"0x800000000000011{}1\"", "0".repeat(48));
        let decimal =
            "3618502788666131213697322783095070105623107215331596699973092056135872020481";
        let texts = [
            "1.5",
            "1e3",
            "true",
            "null",
            "\"\"",
            "\"0x\"",
            "\"0xg\"",
            "\"--1\"",
            "\"+1\"",
            "[1]",
            "{}",
            "\" 1\"",
            "\"\\u0031\"",
            &prime,
            decimal,
            &"1".repeat(80),
        ];
        for text in texts {
            let refused = parse(format!("[7, {text}]").as_bytes()).unwrap_err();
            assert!(matches!(refused, ArgumentsError::Felt(1)), "{text}: {refused}");
        }
        for json in ["", "7", "{\"a\": 1}", "[1, 2", "[1] 2"] {
            let refused = parse(json.as_bytes()).unwrap_err();
            assert!(matches!(refused, ArgumentsError::Json(_)), "{json}: {refused}");
        }
        // Nothing behind the last one that is allowed is read.
        for end in ["1]", "1,1,1]", "1, oh"] {
            let many = format!("[{}{end}", "1,".repeat(MAX_ARGUMENTS));
            let refused = parse(many.as_bytes()).unwrap_err();
            assert!(matches!(refused, ArgumentsError::TooMany(n) if n == MAX_ARGUMENTS + 1));
        }
        let most = format!("[{}1]", "1,".repeat(MAX_ARGUMENTS - 1));
        assert_eq!(parse(most.as_bytes()).unwrap().len(), MAX_ARGUMENTS);
    }
}
