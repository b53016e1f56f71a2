//! Names from strangers, as a terminal may show them.

use std::borrow::Cow;
use std::fmt::Write as _;

pub use ciro_model::escape as printable;
use ciro_model::name::acts;

/// The message of an error, as a terminal may show it: [`printable`], but for line breaks before
/// indented lines, which lists in messages have. No name in a message begins a line of its own.
pub fn printable_message(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut shown = lines.next().map(|line| printable(line).into_owned()).unwrap_or_default();
    for line in lines {
        shown.push_str(if line.starts_with("  ") { "\n" } else { "\\u{a}" });
        shown.push_str(&printable(line));
    }
    shown
}

/// A JSON text that says the same in characters that a terminal may show.
///
/// What acts on a terminal stands inside of strings alone, where JSON spells it as `\u202e`.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(acts) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_left_alone() {
        for name in ["conv1/weight", "Größe", "猫", "x y", "C:\\models\\m.onnx", ""] {
            assert!(matches!(printable(name), Cow::Borrowed(shown) if shown == name));
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_spelled() {
        for (name, shown) in [
            ("x\u{1b}[2J", "x\\u{1b}[2J"),
            ("x\r\nvalid", "x\\u{d}\\u{a}valid"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("a\u{200b}b\u{2028}c\u{feff}", "a\\u{200b}b\\u{2028}c\\u{feff}"),
        ] {
            assert_eq!(printable(name), shown);
        }
    }

    #[test]
    fn messages_keep_the_lines_of_their_lists() {
        let list = "2 parts:\n  `a` (Add): no\n  `b` (Sub): no";
        assert_eq!(printable_message(list), list);
        assert_eq!(printable_message("node `x\nvalid`\u{1b}"), "node `x\\u{a}valid`\\u{1b}");
    }

    #[test]
    fn json_says_the_same_without_them() {
        let json = "{\"name\":\"a\u{202e}b\u{7f}\u{e0041}\"}";
        let shown = printable_json(json);
        assert_eq!(shown, r#"{"name":"a\u202eb\u007f\udb40\udc41"}"#);
        assert_eq!(printable_json("[1.5,\"ü\"]"), "[1.5,\"ü\"]");
    }
}
