//! What a proof states: the input or a commitment to it, and the output.

use ciro_model::integer::{Claim, ClaimError, IntegerModel, Interval, StatedInput, StatedTensor};
use ciro_model::tensor::{Tensor, element_count};
use starknet_types_core::felt::Felt;
use starknet_types_core::hash::{Poseidon, StarkHash};

use crate::identity::Identity;
use crate::key::CairoKey;

/// Whether a proof shows the input or commits to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputMode {
    /// The statement holds the input.
    Public,
    /// The statement holds a commitment to the input under this blinding value.
    ///
    /// The commitment is binding. The proof around it is no zero-knowledge proof: it hides nothing
    /// by design.
    Committed(Felt),
}

/// An output segment that is no statement about the model of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Another number of values than the model's.
    #[error("{what}: expected {expected} value(s), got {got}")]
    Count {
        /// Which part of the statement.
        what: &'static str,
        /// What the model has.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// A value outside its tensor's interval.
    #[error("{what} `{name}`: element {index} is outside {interval}")]
    Range {
        /// Whether an input or an output.
        what: &'static str,
        /// Its name.
        name: String,
        /// Row-major index.
        index: usize,
        /// What the model allows.
        interval: Interval,
    },
    /// The input is none of the model's.
    #[error(transparent)]
    Input(#[from] ClaimError),
    /// A commitment does not say that several integer tensors come from one real input.
    #[error(
        "input `{0}` is read in several integer forms, which a commitment does not tie together"
    )]
    SeveralViews(String),
    /// A commitment does not say that each element is one of its own texts.
    #[error(
        "elements of input `{0}` take some texts each, to which a commitment does not hold them"
    )]
    Texts(String),
    /// The statement is about another model, or about other meanings of its inputs and outputs.
    #[error("the statement is about another model than the key")]
    Identity,
    /// A flag that is neither 0 nor 1.
    #[error("the statement's second value is neither 0 (public input) nor 1 (committed input)")]
    Flag,
    /// The output segment ends early.
    #[error("the statement is cut short")]
    Short,
    /// The key describes tensors too large to exist.
    #[error("the key describes a tensor of shape {0:?}, which is too large")]
    TooLarge(Vec<usize>),
}

/// `poseidon([identity, blinding, x_0, x_1, ..])` over the integers of all input views in order,
/// negative ones as field elements.
///
/// The identity makes it a commitment to the input of one model: equal integers that mean something
/// else elsewhere have another.
pub fn commit_input(identity: Identity, input: &[Tensor<i32>], blinding: Felt) -> Felt {
    let felts: Vec<Felt> = [identity.0, blinding].into_iter().chain(to_felts(input)).collect();
    Poseidon::hash_array(&felts)
}

/// The felts of tensors laid one after the other.
pub(crate) fn to_felts(tensors: &[Tensor<i32>]) -> impl Iterator<Item = Felt> {
    tensors.iter().flat_map(|tensor| tensor.data()).map(|&value| Felt::from(value))
}

/// The claim that the program makes for an input, computed by the interpreter.
///
/// # Errors
/// As [`IntegerModel::run`].
pub fn expected_claim(
    model: &IntegerModel,
    input: &[Tensor<i32>],
    mode: InputMode,
) -> Result<Claim, ciro_model::integer::RunError> {
    let output = model.run(input)?;
    let input = match mode {
        InputMode::Public => StatedInput::Public(input.to_vec()),
        InputMode::Committed(blinding) => {
            StatedInput::Committed(commit_input(Identity::of(model), input, blinding).to_bytes_be())
        }
    };
    let outputs = output.into_iter().map(StatedTensor::Public).collect();
    Ok(Claim { input, outputs })
}

/// Reads the output segment of a program: `[identity, flag, #input, input.., #output, output..]`.
///
/// # Errors
/// [`StatementError`] if it is no statement about the key's model.
pub fn parse_claim(key: &CairoKey, segment: &[Felt]) -> Result<Claim, StatementError> {
    let [identity, flag, rest @ ..] = segment else { return Err(StatementError::Short) };
    if Identity(*identity) != key.identity() {
        return Err(StatementError::Identity);
    }
    let (input, rest) = take_span(rest)?;
    let (output, rest) = take_span(rest)?;
    if !rest.is_empty() {
        let expected = segment.len() - rest.len();
        let what = "output segment";
        return Err(StatementError::Count { what, expected, got: segment.len() });
    }
    let input = if *flag == Felt::ZERO {
        let views = key.interface.views().map(|(port, view)| TensorSpec {
            what: "input",
            name: &port.name,
            shape: view.integer_shape(&port.shape),
            interval: view.interval(),
        });
        let tensors = tensors("input", views, input)?;
        key.interface.real_inputs(&tensors)?;
        StatedInput::Public(tensors)
    } else if *flag == Felt::ONE {
        if let Some(port) = key.interface.first_with_several_views() {
            return Err(StatementError::SeveralViews(port.name.clone()));
        }
        if let Some(port) = key.interface.first_with_texts_of_its_own() {
            return Err(StatementError::Texts(port.name.clone()));
        }
        match input {
            &[commitment] => StatedInput::Committed(commitment.to_bytes_be()),
            _ => {
                let (what, got) = ("input commitment", input.len());
                return Err(StatementError::Count { what, expected: 1, got });
            }
        }
    } else {
        return Err(StatementError::Flag);
    };
    let outputs = key.interface.outputs.iter().map(|output| TensorSpec {
        what: "output",
        name: &output.name,
        shape: output.shape.clone(),
        interval: output.interval,
    });
    let outputs = tensors("output", outputs, output)?;
    Ok(Claim { input, outputs: outputs.into_iter().map(StatedTensor::Public).collect() })
}

/// A tensor that a part of the statement must fit.
struct TensorSpec<'k> {
    what: &'static str,
    name: &'k str,
    shape: Vec<usize>,
    interval: Interval,
}

/// Reads a span behind its length.
fn take_span(felts: &[Felt]) -> Result<(&[Felt], &[Felt]), StatementError> {
    let (length, rest) = felts.split_first().ok_or(StatementError::Short)?;
    let length = u64::try_from(*length).ok().and_then(|length| usize::try_from(length).ok());
    length.and_then(|length| rest.split_at_checked(length)).ok_or(StatementError::Short)
}

/// Cuts felts into tensors, which must use them all.
fn tensors<'k>(
    what: &'static str,
    specs: impl Iterator<Item = TensorSpec<'k>>,
    felts: &[Felt],
) -> Result<Vec<Tensor<i32>>, StatementError> {
    let mut rest = felts;
    let mut tensors = Vec::new();
    for spec in specs {
        let count = element_count(&spec.shape)
            .ok_or_else(|| StatementError::TooLarge(spec.shape.clone()))?;
        let (head, tail) = rest.split_at_checked(count).ok_or_else(|| {
            let expected = felts.len() - rest.len() + count;
            StatementError::Count { what, expected, got: felts.len() }
        })?;
        let values = head.iter().enumerate().map(|(index, felt)| {
            let value =
                to_integer(*felt).filter(|&v| spec.interval.contains(Interval::point(v.into())));
            value.ok_or_else(|| StatementError::Range {
                what: spec.what,
                name: spec.name.to_owned(),
                index,
                interval: spec.interval,
            })
        });
        let data = values.collect::<Result<_, _>>()?;
        tensors.push(Tensor::new(spec.shape, data).expect("as many values as the shape holds"));
        rest = tail;
    }
    if rest.is_empty() {
        return Ok(tensors);
    }
    Err(StatementError::Count { what, expected: felts.len() - rest.len(), got: felts.len() })
}

/// The integer of a field element, negative above half the field; `None` if it does not fit 32
/// bits.
fn to_integer(felt: Felt) -> Option<i32> {
    i32::try_from(felt).ok()
}
