//! Names from files, as they may be shown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A name in which nothing acts on a terminal or moves the text around it: line breaks, escape codes and other control
/// characters, and the invisible characters that reorder or hide text, are written as `\u{1b}`.
///
/// Names in an ONNX file are anybody's. Models keep them in this form, and files with other names are refused, so that a name
/// can be printed wherever it turns up.
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

/// Control characters, line and paragraph separators, and what Unicode calls format characters of layout: joiners, marks of
/// direction (UAX 9), invisible operators, tags.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
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
