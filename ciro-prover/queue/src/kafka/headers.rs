//! What travels beside a record: nothing that anybody believes, all that an operator looks for.

use rdkafka::message::{Header as Entry, OwnedHeaders};

/// The names of headers.
pub mod header {
    /// What the record is: `order`, `offer`, `result`, `receipt`, `event`, `billing`.
    pub const KIND: &str = "ciro-kind";
    /// The version of its form.
    pub const VERSION: &str = "ciro-version";
    /// How often it was tried and failed.
    pub const ATTEMPT: &str = "ciro-attempt";
    /// What it failed with, as a code.
    pub const ERROR_CODE: &str = "ciro-error-code";
    /// What it failed with, in words.
    pub const ERROR: &str = "ciro-error";
    /// Where it was first: topic, partition and offset, with slashes between them.
    pub const ORIGIN: &str = "ciro-origin";
    /// When it is to be tried again, in ms since 1970.
    pub const NOT_BEFORE: &str = "ciro-not-before";
}

/// The value of a header: bytes that are most often text.
pub type HeaderValue = Vec<u8>;

/// A header.
pub type Header = (String, HeaderValue);

/// The longest value that is kept of what somebody else wrote.
const VALUE_BYTES_MAX: usize = 1024;
/// Headers of one record that are kept.
const HEADERS_MAX: usize = 32;

/// Makes a header of text, which is cut where it is long.
#[must_use]
pub fn text(name: &str, value: impl std::fmt::Display) -> Header {
    let mut value = value.to_string();
    let mut end = value.len().min(VALUE_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.truncate(end);
    (name.to_owned(), value.into_bytes())
}

/// Reads the headers of a message, as many and as much of them as is kept.
pub(super) fn read<H: rdkafka::message::Headers>(headers: Option<&H>) -> Vec<Header> {
    let Some(headers) = headers else { return Vec::new() };
    let kept = headers.iter().take(HEADERS_MAX);
    kept.map(|entry| {
        let value = entry.value.unwrap_or_default();
        let value = value.get(..VALUE_BYTES_MAX).unwrap_or(value);
        (entry.key.to_owned(), value.to_vec())
    })
    .collect()
}

/// Writes headers.
pub(super) fn write(headers: &[Header]) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(empty, |all, (key, value)| all.insert(Entry { key, value: Some(value) }))
}

/// Sets a header, in the place of one of the same name.
pub(super) fn set(headers: &mut Vec<Header>, new: Header) {
    headers.retain(|(name, _)| *name != new.0);
    headers.push(new);
}

/// Returns a header as text.
pub(super) fn find<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(key, _)| key == name)?;
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_between_characters_and_headers_are_bounded() {
        let (_, value) = text(header::ERROR, "ä".repeat(1000));
        assert_eq!(std::str::from_utf8(&value).unwrap().chars().count(), 512);
        let many: Vec<Header> = (0..100).map(|i| text(&format!("h{i}"), i)).collect();
        assert_eq!(read(Some(&write(&many))).len(), HEADERS_MAX);
        let mut one = vec![text("a", 1)];
        set(&mut one, text("a", 2));
        assert_eq!((one.len(), find(&one, "a")), (1, Some("2")));
    }
}
