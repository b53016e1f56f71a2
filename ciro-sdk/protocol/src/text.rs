//! Short strings that people see.

use std::fmt;
use std::io;
use std::ops::Deref;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::wire::{TooMany, invalid, read_bytes};

/// At most `MAX` bytes of printable text: no control characters, so that a name cannot act on a
/// terminal or a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// Why a string is no [`Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// It is too long.
    #[error("text too long: {0}")]
    TooLong(#[from] TooMany),
    /// It has a character that is not for reading.
    #[error("text holds the control character U+{0:04X}")]
    Control(u32),
}

impl<const MAX: usize> Text<MAX> {
    /// Takes the text.
    ///
    /// # Errors
    ///
    /// [`TextError`] if it is longer than `MAX` bytes or holds a control or formatting character.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        let (len, max) = (text.len(), MAX);
        if len > max {
            return Err(TooMany { len, max }.into());
        }
        match text.chars().find(|character| is_control(*character)) {
            Some(character) => Err(TextError::Control(character.into())),
            None => Ok(Self(text)),
        }
    }
}

/// Whether a character directs output instead of being shown: controls, and marks that reorder or
/// hide text.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061C}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
        )
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> BorshSerialize for Text<MAX> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl<const MAX: usize> BorshDeserialize for Text<MAX> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let text = String::from_utf8(read_bytes(reader, MAX)?)
            .map_err(|_| invalid("text is not UTF-8"))?;
        Self::new(text).map_err(|error| invalid(error.to_string()))
    }
}

impl<'de, const MAX: usize> serde::Deserialize<'de> for Text<MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(crate::wire::json_text(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_short_and_for_reading() {
        assert_eq!(Text::<5>::new("größe"), Err(TooMany { len: 7, max: 5 }.into()));
        assert_eq!(&*Text::<7>::new("größe").unwrap(), "größe");
        assert_eq!(Text::<9>::new("a\u{1b}[2J"), Err(TextError::Control(0x1b)));
        assert_eq!(Text::<9>::new("a\u{202e}b"), Err(TextError::Control(0x202e)));
    }
}
