//! Text as integers: the texts that a model tells apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::encoding::{EncodingError, float_to_i32};
use super::{Decoding, Interval};
use crate::bounded;
use crate::tensor::element_count;

/// The texts that a model tells apart in an input of text: its categories, as the encoders in the
/// model list them.
///
/// The *code* of a text is its position in the list; the number of texts in the list is the code of
/// every other one. The list is part of the input's encoding and so of the model's key: prover and
/// verifier turn text into codes by the same list, and the proof is about the codes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dictionary {
    #[serde(deserialize_with = "bounded::sequence::<{ Decoding::MAX_NAMES }, _, _>")]
    words: Vec<String>,
    /// Elements that must be one of some texts, with the code of each such text, in order.
    #[serde(deserialize_with = "bounded::sequence::<{ Dictionary::MAX_REQUIRED }, _, _>")]
    required: Vec<(u32, u32)>,
}

impl Dictionary {
    /// The most pairs of an element and a text that it may be.
    pub const MAX_REQUIRED: usize = 1 << 20;

    /// A dictionary of texts in the order of their first use; any text is taken everywhere.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut known = BTreeSet::new();
        let words = texts.into_iter().filter(|text| known.insert(text.clone())).collect();
        Self { words, required: Vec::new() }
    }

    /// The texts, in the order of their codes.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The text of a code as a real number; `None` for that of all other texts.
    pub fn word(&self, code: f64) -> Option<&String> {
        let inside = code >= 0.0 && code < self.words.len() as f64;
        let code = inside.then(|| usize::try_from(float_to_i32(code)).ok());
        code.flatten().and_then(|code| self.words.get(code))
    }

    /// The code of every text of the list.
    pub fn codes(&self) -> BTreeMap<&str, usize> {
        self.words.iter().enumerate().map(|(code, word)| (word.as_str(), code)).collect()
    }

    /// The code of a text that is not in the list.
    pub fn other(&self) -> usize {
        self.words.len()
    }

    /// Takes at one element (in row-major order) no other texts than those of these codes, nor than
    /// those that it was restricted to before. Gives back whether some text is left.
    #[must_use]
    pub fn restrict(&mut self, element: u32, codes: &BTreeSet<u32>) -> bool {
        let before: BTreeSet<u32> = self.allowed(element).iter().map(|&(_, code)| code).collect();
        let both: Vec<u32> = match before.is_empty() {
            true => codes.iter().copied().collect(),
            false => before.intersection(codes).copied().collect(),
        };
        self.required.retain(|&(at, _)| at != element);
        self.required.extend(both.iter().map(|&code| (element, code)));
        self.required.sort_unstable();
        !both.is_empty()
    }

    /// Whether every element takes any text: each integer of the interval is then some text's.
    pub fn is_open(&self) -> bool {
        self.required.is_empty()
    }

    /// The pairs of an element; none if it takes any text.
    fn allowed(&self, element: u32) -> &[(u32, u32)] {
        let from = self.required.partition_point(|&(at, _)| at < element);
        let to = self.required.partition_point(|&(at, _)| at <= element);
        &self.required[from..to]
    }

    /// Whether an element may have a code.
    pub fn admits(&self, element: usize, code: i64) -> bool {
        let allowed = u32::try_from(element).map_or(&[][..], |element| self.allowed(element));
        let own = || allowed.binary_search_by_key(&code, |&(_, own)| own.into()).is_ok();
        self.interval().contains(Interval::point(code)) && (allowed.is_empty() || own())
    }

    /// The code itself if an element may have it, else one that it may have.
    pub fn nearest(&self, element: usize, code: i64) -> i64 {
        let allowed = u32::try_from(element).map_or(&[][..], |element| self.allowed(element));
        match allowed.first() {
            Some(&(_, first)) if !self.admits(element, code) => first.into(),
            _ => code,
        }
    }

    /// Checks a code that came as a real number.
    ///
    /// # Errors
    /// [`EncodingError`] if the element takes no such code.
    pub(super) fn encode(&self, element: usize, value: f64) -> Result<i32, EncodingError> {
        let Interval { lo: _, hi } = self.interval();
        let hi = i32::try_from(hi).unwrap_or(i32::MAX);
        if (value - value.round()).abs() > 0.0 {
            return Err(EncodingError::NotInteger { index: element, value });
        }
        if value < 0.0 || value > f64::from(hi) {
            return Err(EncodingError::OutOfRange { index: element, value, lo: 0, hi });
        }
        let code = float_to_i32(value);
        if self.admits(element, code.into()) {
            return Ok(code);
        }
        let known = u32::try_from(element).map_or(0, |element| self.allowed(element).len());
        Err(EncodingError::OtherText { index: element, known })
    }

    /// The interval of the codes.
    pub(super) fn interval(&self) -> Interval {
        Interval::new(0, i64::try_from(self.words.len()).unwrap_or(i64::MAX))
    }

    /// Checks a dictionary for a tensor of shape `real`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self, real: &[usize]) -> Result<(), &'static str> {
        let (count, words) = (element_count(real).unwrap_or(0), self.words.len());
        let inside =
            |&(element, code): &(u32, u32)| (element as usize) < count && (code as usize) < words;
        if self.words.len() > Decoding::MAX_NAMES || self.required.len() > Self::MAX_REQUIRED {
            return Err("the dictionary of the input is too large");
        }
        if self.codes().len() != words {
            return Err("a text stands twice in the dictionary of the input");
        }
        if !self.required.iter().all(inside) {
            return Err("the dictionary of the input names an element or a text that is not there");
        }
        if !self.required.is_sorted_by(|a, b| a < b) {
            return Err("the dictionary of the input is not in order");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::Encoding;
    use crate::tensor::Tensor;

    fn colours() -> Dictionary {
        Dictionary::new(["red", "green", "red", "blue"].map(str::to_owned))
    }

    #[test]
    fn a_text_is_its_position_and_any_other_text_the_next_integer() {
        let dictionary = colours();
        assert_eq!(dictionary.words(), ["red", "green", "blue"]);
        assert_eq!((dictionary.codes()["blue"], dictionary.other()), (2, 3));
        let encoding = Encoding::Text(dictionary);
        let encoded = encoding.encode(&Tensor::vector(vec![3.0, 0.0])).unwrap();
        assert_eq!(encoded.tensor.data(), [3, 0]);
        assert_eq!(encoding.first_inadmissible(&encoded.tensor), None);
        for wrong in [-1.0, 0.5, 4.0, f64::NAN] {
            encoding.encode(&Tensor::vector(vec![wrong])).unwrap_err();
        }
        for wrong in [-1, 4] {
            assert_eq!(encoding.first_inadmissible(&Tensor::vector(vec![0, wrong])), Some(1));
        }
    }

    #[test]
    fn an_element_may_be_bound_to_some_texts() {
        let mut dictionary = colours();
        assert!(dictionary.restrict(1, &[0, 1].into()));
        let encoding = Encoding::Text(dictionary.clone());
        assert_eq!(encoding.check(&[2]), Ok(()));
        assert!(encoding.check(&[1]).is_err());
        let encode = |a: f64, b: f64| encoding.encode(&Tensor::vector(vec![a, b]));
        encode(3.0, 1.0).unwrap();
        assert_eq!(encode(3.0, 3.0), Err(EncodingError::OtherText { index: 1, known: 2 }));
        encode(0.0, 2.0).unwrap_err();
        assert_eq!(encoding.first_inadmissible(&Tensor::vector(vec![3, 3])), Some(1));
        assert_eq!(encoding.draw(2, &mut |interval| interval.hi), [3, 0]);
        // Two encoders that read one element leave what both know.
        assert!(dictionary.restrict(1, &[1, 2].into()));
        assert_eq!(dictionary.allowed(1), [(1, 1)]);
        assert!(!dictionary.restrict(1, &[0].into()));
    }

    #[test]
    fn dictionaries_of_no_model_are_refused() {
        let check = |words: &[&str], required: &[(u32, u32)]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            Dictionary { words, required: required.to_vec() }.check(&[2])
        };
        check(&["a", "b"], &[(0, 0), (0, 1), (1, 1)]).unwrap();
        for required in [&[(2, 0)][..], &[(0, 2)], &[(1, 0), (0, 0)], &[(0, 0), (0, 0)]] {
            check(&["a", "b"], required).unwrap_err();
        }
        check(&["a", "a"], &[]).unwrap_err();
    }
}
