//! Names from files, as they may be shown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A name in which nothing acts on a terminal or moves the text around it: line breaks, escape
/// codes and other control characters, and the invisible characters that reorder or hide text, are
/// written as `\u{1b}`.
///
/// Names in an ONNX file are anybody's. Models keep them in this form, and files with other names
/// are refused, so that a name can be printed wherever it turns up.
pub fn escape(name: &str) -> Cow<'_, str> {
    if is_plain(name) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        if acts(c) {
            write!(escaped, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string");
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Whether [`escape`] leaves a name as it is.
pub fn is_plain(name: &str) -> bool {
    !name.chars().any(acts)
}

/// Whether a character does something else than being seen.
///
/// # Source
/// Unicode 16: general categories Cc, Zl, Zp and Cf, the tags, variation selectors and fillers that
/// have no glyph.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_act_are_escaped_and_others_stay() {
        assert_eq!(escape("y\nsecurity  999 bits\n"), "y\\u{a}security  999 bits\\u{a}");
        assert_eq!(escape("\u{1b}[2J\u{9b}m"), "\\u{1b}[2J\\u{9b}m");
        assert_eq!(escape("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        for plain in ["/conv1/Conv_output_0", "Größe", "猫", "a\\u{a}"] {
            assert!(matches!(escape(plain), Cow::Borrowed(name) if name == plain), "{plain}");
        }
        assert!(is_plain(&escape("\r\n\t\u{7f}")));
    }
}
