//! Arrays in numpy's `.npy` format, versions 1 to 3.

use super::{Elements, InputArray, InputError};

/// What every `.npy` file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Decodes an array of real numbers, integers, truth values or texts; `name` is for errors.
pub(super) fn parse(bytes: &[u8], name: &str) -> Result<InputArray, InputError> {
    let array =
        decode(bytes).map_err(|problem| InputError::Npy { name: name.to_owned(), problem })?;
    Ok(InputArray { name: None, ..array })
}

/// How many elements an array has by its header; `None` if that is damaged.
pub(super) fn elements(bytes: &[u8]) -> Option<usize> {
    ciro_model::tensor::element_count(&opened(bytes).ok()?.0.shape)
}

/// The header and what follows it.
fn opened(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    let cut = || "the file is cut short".to_owned();
    let rest = bytes.strip_prefix(MAGIC).ok_or("not a `.npy` array")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?, rest)
        }
        major => return Err(format!("version {major} of the format is not known")),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is no text")?;
    let header =
        Header::parse(header).ok_or_else(|| format!("the header {header:?} is not understood"))?;
    Ok((header, data))
}

fn decode(bytes: &[u8]) -> Result<InputArray, String> {
    let (Header { descr, fortran_order, shape }, data) = opened(bytes)?;
    let element = Element::of(&descr).ok_or_else(|| {
        format!("element type `{descr}` is not a real number, integer, truth value or text")
    })?;
    let count = ciro_model::tensor::element_count(&shape);
    if count.and_then(|count| count.checked_mul(element.size)) != Some(data.len()) {
        return Err(format!("shape {shape:?} of `{descr}` does not fit {} byte(s)", data.len()));
    }
    let chunks = data.chunks(element.size);
    let data = if element.is_text() {
        let texts = chunks.map(|bytes| element.text(bytes)).collect::<Result<Vec<_>, _>>()?;
        Elements::Texts(if fortran_order { row_major(&texts, &shape) } else { texts })
    } else {
        let values: Vec<f64> = chunks.map(|bytes| element.value(bytes)).collect();
        Elements::Numbers(if fortran_order { row_major(&values, &shape) } else { values })
    };
    Ok(InputArray { name: None, shape: Some(shape), data })
}

/// The dictionary in front of the data.
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, keys in any order.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            // Other readers take the first of two, or the last.
            if [descr.is_some(), fortran_order.is_some(), shape.is_some()]
                [["descr", "fortran_order", "shape"].iter().position(|&it| it == key)?]
            {
                return None;
            }
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            let after = match key {
                "descr" => {
                    let (text, after) = quoted(value)?;
                    descr = Some(text.to_owned());
                    after
                }
                "fortran_order" => {
                    let truth = value.starts_with("True");
                    fortran_order = Some(truth);
                    value.strip_prefix(if truth { "True" } else { "False" })?
                }
                "shape" => {
                    let (extents, after) = value.strip_prefix('(')?.split_once(')')?;
                    let extents = extents.split(',').map(str::trim).filter(|e| !e.is_empty());
                    shape = Some(extents.map(|e| e.parse().ok()).collect::<Option<Vec<_>>>()?);
                    after
                }
                _ => return None,
            };
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if after.is_empty() => after,
                None => return None,
            };
        }
        Some(Self { descr: descr?, fortran_order: fortran_order?, shape: shape? })
    }
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// The most bytes of a text: numpy gives every element the room of the longest.
const MAX_TEXT: usize = 1 << 20;

/// How one element lies in the file.
struct Element {
    kind: char,
    size: usize,
    big_endian: bool,
}

impl Element {
    /// Reads a type such as `<f4` or `<U12`; objects are not known.
    fn of(descr: &str) -> Option<Self> {
        let mut chars = descr.chars();
        let order = chars.next()?;
        let kind = chars.next()?;
        let size: usize = chars.as_str().parse().ok()?;
        if kind == 'U' || kind == 'S' {
            let size = if kind == 'U' { size.checked_mul(4)? } else { size };
            let big_endian = order == '>';
            return (1..=MAX_TEXT).contains(&size).then_some(Self { kind, size, big_endian });
        }
        let known = match kind {
            'f' => matches!(size, 2 | 4 | 8),
            'i' | 'u' => matches!(size, 1 | 2 | 4 | 8),
            'b' => size == 1,
            _ => false,
        };
        (known && matches!(order, '<' | '>' | '|' | '=')).then_some(Self {
            kind,
            size,
            big_endian: order == '>',
        })
    }

    /// Whether elements are texts: `U`, of four bytes a character, or `S`, in UTF-8; zeros fill
    /// both.
    fn is_text(&self) -> bool {
        matches!(self.kind, 'U' | 'S')
    }

    fn text(&self, bytes: &[u8]) -> Result<String, String> {
        let text = match self.kind {
            'U' => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&four| match self.big_endian {
                    true => char::from_u32(u32::from_be_bytes(four)),
                    false => char::from_u32(u32::from_le_bytes(four)),
                })
                .collect(),
            _ => std::str::from_utf8(bytes).ok().map(str::to_owned),
        };
        let text: String = text.ok_or("a text holds what is no character")?;
        Ok(text.trim_end_matches('\0').to_owned())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "integers past 2^53 are rounded as numpy rounds them"
    )]
    fn value(&self, bytes: &[u8]) -> f64 {
        let mut little = [0u8; 8];
        little[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            little[..bytes.len()].reverse();
        }
        let bits = u64::from_le_bytes(little);
        let unused = 64 - 8 * u32::try_from(self.size).expect("at most 8 bytes");
        match (self.kind, self.size) {
            ('f', 8) => f64::from_bits(bits),
            ('f', 4) => f32::from_le_bytes([little[0], little[1], little[2], little[3]]).into(),
            ('f', _) => half(u16::from_le_bytes([little[0], little[1]])),
            ('i', _) => ((bits << unused).cast_signed() >> unused) as f64,
            ('b', _) => f64::from(u8::from(bits != 0)),
            _ => bits as f64,
        }
    }
}

/// The value of an IEEE half-precision number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match (exponent, bits & 0x3ff) {
        (0x1f, 0) => f64::INFINITY,
        (0x1f, _) => f64::NAN,
        (0, _) => fraction * 2f64.powi(-24),
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    sign * magnitude
}

/// Turns column-major elements into row-major ones.
fn row_major<T: Clone>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut index = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let position = index.iter().zip(shape).rev().fold(0, |at, (&i, &extent)| at * extent + i);
        ordered.push(values[position].clone());
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn array(descr: &str, shape: &str, data: &[u8]) -> Result<InputArray, String> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        decode(&npy(&header, data))
    }

    #[test]
    fn every_kind_of_number_is_read() {
        let cases: [(&str, &[u8], f64); 11] = [
            ("<f8", &1.5f64.to_le_bytes(), 1.5),
            (">f4", &(-2.25f32).to_be_bytes(), -2.25),
            ("<f2", &[0x00, 0xc1], -2.5),
            ("<f2", &[0x01, 0x00], 5.960_464_477_539_063e-8),
            ("|i1", &[0xff], -1.0),
            (">i2", &[0xff, 0xfe], -2.0),
            ("<i8", &(-5i64).to_le_bytes(), -5.0),
            ("|u1", &[0xff], 255.0),
            ("<u4", &[0, 0, 0, 0x80], 2_147_483_648.0),
            ("|b1", &[1], 1.0),
            ("<u8", &u64::MAX.to_le_bytes(), 18_446_744_073_709_551_616.0),
        ];
        for (descr, data, expected) in cases {
            assert_eq!(array(descr, "()", data).unwrap().data, vec![expected].into(), "{descr}");
        }
    }

    #[test]
    fn column_major_arrays_are_turned() {
        let header = "{\"shape\": (2, 3), \"descr\": \"|u1\", \"fortran_order\": True}";
        let array = decode(&npy(header, &[1, 4, 2, 5, 3, 6])).unwrap();
        assert_eq!(array.shape, Some(vec![2, 3]));
        assert_eq!(array.data, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0].into());
    }

    #[test]
    fn arrays_of_other_kinds_are_refused() {
        let problem = array("|O", "(1,)", &[0]).unwrap_err();
        assert_eq!(problem, "element type `|O` is not a real number, integer, truth value or text");
        assert!(array("<c8", "(1,)", &[0; 8]).is_err());
        let problem = array("<f4", "(2,)", &[0; 4]).unwrap_err();
        assert_eq!(problem, "shape [2] of `<f4` does not fit 4 byte(s)");
        let twice = "{'descr': '|u1', 'shape': (1,), 'fortran_order': False, 'shape': (1,)}";
        assert!(decode(&npy(twice, &[0])).unwrap_err().ends_with("is not understood"));
        let huge = format!("({0}, {0})", usize::MAX);
        assert!(array("<f4", &huge, &[]).is_err());
    }

    #[test]
    fn texts_are_read_without_what_fills_them() {
        let wide = |text: &str, big: bool| -> Vec<u8> {
            let code =
                |c| if big { u32::from(c).to_be_bytes() } else { u32::from(c).to_le_bytes() };
            text.chars().flat_map(code).collect()
        };
        let cases = [
            ("<U3", wide("né\0ab\0", false)),
            (">U3", wide("né\0ab\0", true)),
            ("|S3", "né".bytes().chain(*b"ab\0").collect()),
        ];
        for (descr, data) in cases {
            let texts = Elements::Texts(vec!["né".to_owned(), "ab".to_owned()]);
            assert_eq!(array(descr, "(2,)", &data).unwrap().data, texts, "{descr}");
        }
        assert!(array("<U1", "(1,)", &[0, 0xd8, 0, 0]).is_err());
        assert!(array("|S1", "(1,)", &[0xff]).is_err());
        assert!(array("<U0", "(1,)", &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            change in any::<(prop::sample::Index, u8)>(),
            keep: prop::sample::Index,
        ) {
            let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n";
            let mut bytes = npy(header, &[0; 8]);
            let at = change.0.index(bytes.len());
            bytes[at] = change.1;
            bytes.truncate(keep.index(bytes.len()) + 1);
            let _ = decode(&bytes);
        }
    }
}
