//! Elements of arrays: numbers, or texts that a model's dictionary turns into numbers.

use std::borrow::Cow;
use std::sync::Arc;

use blake2::{Blake2s256, Digest};
use ciro_model::integer::Dictionary;

use super::{InputError, InputSpec};

/// The elements of an array in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Real numbers, integers and truth values.
    Numbers(Vec<f64>),
    /// Texts.
    Texts(Vec<String>),
}

/// What the elements of an input are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Numbers.
    Numbers,
    /// Texts; the dictionary says which number each stands for.
    Text(Arc<Dictionary>),
    /// Either: no output depends on the input.
    Anything,
}

impl From<Vec<f64>> for Elements {
    fn from(numbers: Vec<f64>) -> Self {
        Self::Numbers(numbers)
    }
}

impl Elements {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// The numbers, if they are no texts.
    pub fn as_numbers(&self) -> Option<&[f64]> {
        match self {
            Self::Numbers(numbers) => Some(numbers),
            Self::Texts(_) => None,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as an input takes them, samples of `count` one behind the other: numbers as
    /// they are, texts as their codes.
    ///
    /// # Errors
    /// [`InputError`] for texts where numbers are taken, numbers where texts are, and texts that
    /// the model refuses where they stand.
    pub(super) fn numbers(
        &self,
        spec: &InputSpec,
        count: usize,
    ) -> Result<Cow<'_, [f64]>, InputError> {
        let name = || spec.name.clone();
        match (self, &spec.takes) {
            (Self::Numbers(numbers), Takes::Numbers | Takes::Anything) => {
                Ok(Cow::Borrowed(numbers))
            }
            (Self::Texts(texts), Takes::Anything) => Ok(vec![0.0; texts.len()].into()),
            (Self::Texts(_), Takes::Numbers) => Err(InputError::Text { name: name() }),
            (Self::Numbers(_), Takes::Text(_)) => Err(InputError::NoText { name: name() }),
            (Self::Texts(texts), Takes::Text(dictionary)) => {
                let codes = dictionary.codes();
                let code = |text: &String| codes.get(text.as_str()).copied();
                let code = |text| code(text).unwrap_or(dictionary.other());
                let numbers: Vec<usize> = texts.iter().map(code).collect();
                let refused = numbers.iter().enumerate().find(|&(at, &code)| {
                    let code = i64::try_from(code).unwrap_or(i64::MAX);
                    !dictionary.admits(at % count.max(1), code)
                });
                match refused {
                    Some((at, _)) => Err(InputError::UnknownText {
                        name: name(),
                        sample: at / count.max(1),
                        element: at % count.max(1),
                        text: ciro_model::escape(&texts[at]).chars().take(64).collect(),
                    }),
                    None => Ok(numbers.into_iter().map(|code| code as f64).collect()),
                }
            }
        }
    }

    pub(super) fn hash(&self, hasher: &mut Blake2s256) {
        match self {
            Self::Numbers(numbers) => {
                number(hasher, numbers.len());
                numbers.iter().for_each(|value| hasher.update(value.to_bits().to_le_bytes()));
            }
            Self::Texts(texts) => {
                // No array has so many numbers.
                number(hasher, usize::MAX);
                number(hasher, texts.len());
                for text in texts {
                    number(hasher, text.len());
                    hasher.update(text.as_bytes());
                }
            }
        }
    }
}

pub(super) fn number(hasher: &mut Blake2s256, value: usize) {
    hasher.update((value as u64).to_le_bytes());
}
