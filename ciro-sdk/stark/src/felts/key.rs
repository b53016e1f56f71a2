//! The key in felts: every parameter of the verifier.

use ciro_model::integer::Encoding;

use super::pack::{digest, fields};
use super::{Felt, FeltsError};
use crate::air::Chip as _;
use crate::chips::AnyChip;
use crate::chips::limbs::Limbs;
use crate::key::ModelKey;

/// The tallest trace that the verifier takes, as a binary logarithm.
const LOG_ROWS_MAX: u32 = 20;

/// What the integers of a run have to be.
#[derive(Clone, Copy)]
enum Run {
    /// Integers of one interval.
    Inside { lo: i64, hi: i64 },
    /// Pairs of limbs that are images of finite float32 numbers.
    Ordered,
    /// As those, or the one image of a missing value.
    OrderedOrMissing,
    /// None: a commitment stands for them.
    Committed,
}

impl ModelKey {
    /// The version of a key's felts.
    const FELTS_VERSION: u128 = 1;

    /// The key as the verifier on the chain reads it; the Poseidon hash of these felts is the
    /// model's id there.
    ///
    /// They hold the security parameters, so that whoever relies on an id relies on them.
    ///
    /// # Errors
    /// [`FeltsError`] if that verifier does not take the model.
    pub fn to_felts(&self) -> Result<Vec<Felt>, FeltsError> {
        if self.secrecy.hides() {
            return Err(FeltsError::Hiding);
        }
        let log_rows = self.max_log_size();
        if log_rows > LOG_ROWS_MAX {
            return Err(FeltsError::TooTall { log_rows, most: LOG_ROWS_MAX });
        }
        if let Some(port) = self.interface().first_with_several_views() {
            return Err(FeltsError::Views(port.name.clone()));
        }
        if let Some(port) = self.interface().first_with_texts_of_its_own() {
            return Err(FeltsError::Texts(port.name.clone()));
        }
        let parameters = self.parameters();
        let views = self.interface().views().zip(self.views());
        let inputs = views.map(|((port, encoding), (_, committed))| {
            let count = encoding.integer_shape(&port.shape).iter().product();
            run(count, if committed { Run::Committed } else { Run::of(encoding) })
        });
        let outputs = self.interface().outputs.iter().enumerate().map(|(at, port)| {
            let (lo, hi) = (port.interval.lo, port.interval.hi);
            let inside = Run::Inside { lo, hi };
            let committed = self.visibilities().commits_output(at);
            run(port.shape.iter().product(), if committed { Run::Committed } else { inside })
        });
        let inputs: Vec<Felt> = inputs.collect::<Result<_, _>>()?;
        let outputs: Vec<Felt> = outputs.collect::<Result<_, _>>()?;
        let queries =
            u16::try_from(parameters.queries).map_err(|_| FeltsError::Count("queries"))?;
        let mut felts = vec![
            Felt::number(Self::FELTS_VERSION),
            fields(&[
                (parameters.query_pow_bits.into(), 8),
                (parameters.challenge_pow_bits.into(), 8),
                (parameters.round_pow_bits.into(), 8),
                (parameters.log_blowup.into(), 8),
                (queries.into(), 16),
                (parameters.last_layer(log_rows).into(), 8),
                (parameters.fold_step.into(), 8),
                (self.chips.len() as u128, 8),
                (self.batch().into(), 32),
            ]),
            fields(&[(inputs.len() as u128, 32), (outputs.len() as u128, 32)]),
        ];
        felts.extend(digest(self.digest()));
        felts.extend(digest(self.root));
        for chip in &self.chips {
            let [kind, a, b, c] = kind(chip).map(u128::from);
            let log_size = chip.log_size().into();
            felts.push(fields(&[(kind, 8), (log_size, 8), (a, 16), (b, 16), (c, 16)]));
        }
        felts.extend(inputs);
        felts.extend(outputs);
        Ok(felts)
    }
}

impl Run {
    fn of(encoding: &Encoding) -> Self {
        match encoding {
            Encoding::Ordered => Self::Ordered,
            Encoding::OrderedOrMissing => Self::OrderedOrMissing,
            other => {
                let interval = other.interval();
                Self::Inside { lo: interval.lo, hi: interval.hi }
            }
        }
    }
}

/// A run in one felt: how many integers, what they have to be, and their interval.
fn run(count: usize, run: Run) -> Result<Felt, FeltsError> {
    // Intervals lie inside of (-2^30, 2^30).
    const ZERO: i64 = 1 << 30;
    let (kind, lo, hi) = match run {
        Run::Inside { lo, hi } => (0, lo, hi),
        Run::Ordered => (1, 0, 0),
        Run::OrderedOrMissing => (2, 0, 0),
        Run::Committed => (3, 0, 0),
    };
    let field = |value: i64| u32::try_from(value).map_err(|_| FeltsError::Count("intervals"));
    let count = u32::try_from(count).map_err(|_| FeltsError::Count("integers"))?;
    let (lo, width) = (field(lo + ZERO)?, field(hi - lo)?);
    Ok(fields(&[(count.into(), 32), (kind, 8), (lo.into(), 32), (width.into(), 32)]))
}

/// A chip's number and its shape: `[kind, a, b, c]`, as `contracts/verifier/src/air.cairo` lists
/// them. Lanes come before limbs; a rounding without limbs has 0 of them.
fn kind(chip: &AnyChip) -> [u32; 4] {
    let limbs = |limbs: Limbs| [limbs.count(), limbs.bits()];
    let rounding = |rounding: Option<Limbs>| rounding.map_or([0, 0], limbs);
    match *chip {
        AnyChip::Table(chip) => [0, chip.lanes, chip.kind as u32, 0],
        AnyChip::Constants(chip) => [1, chip.lanes, 0, 0],
        AnyChip::Io(chip) => [2, chip.lanes, 0, 0],
        AnyChip::Contract(chip) => [3, chip.left, chip.right, chip.dynamic.into()],
        AnyChip::Accumulate(chip) => {
            let [count, bits] = rounding(chip.limbs);
            [4, chip.lanes, count, bits]
        }
        AnyChip::Arithmetic(chip) => {
            let [count, bits] = rounding(chip.limbs);
            [5, chip.lanes, count, bits]
        }
        AnyChip::Max(chip) => with_limbs(6, limbs(chip.limbs)),
        AnyChip::ArgMax(chip) => with_limbs(7, limbs(chip.limbs)),
        AnyChip::Divide(chip) => with_limbs(8, limbs(chip.limbs)),
        AnyChip::Root(chip) => with_limbs(9, limbs(chip.limbs)),
        AnyChip::Embed(chip) => [10, chip.lanes, 0, 0],
        AnyChip::Rank(chip) => with_limbs(11, limbs(chip.limbs)),
        AnyChip::Path(chip) => with_limbs(12, limbs(chip.limbs)),
        AnyChip::Leaf(_) => [13, 0, 0, 0],
        AnyChip::Hash(_) => [14, 0, 0, 0],
        AnyChip::Admit(chip) => {
            let [count, bits] = limbs(chip.limbs);
            [15, count, bits, chip.images.into()]
        }
    }
}

fn with_limbs(kind: u32, [count, bits]: [u32; 2]) -> [u32; 4] {
    [kind, count, bits, 0]
}

#[cfg(all(test, feature = "prove"))]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use ciro_model::integer::ops::Combine;
    use ciro_model::integer::{Decoding, Dictionary, Encoding, ModelBuilder};

    use super::*;
    use crate::{Preset, TensorProver};

    /// The contract holds codes to an interval, not each element to its own texts.
    #[test]
    fn texts_that_elements_must_be_have_no_felts() {
        let felts = |strict: bool| {
            let mut dictionary = Dictionary::new(["a", "b", "c"].map(str::to_owned));
            assert!(!strict || dictionary.restrict(1, &BTreeSet::from([0, 2])));
            let mut builder = ModelBuilder::new();
            let input = builder.input("city", vec![2]);
            let codes = builder.view(input, Encoding::Text(dictionary)).unwrap();
            let double = Combine { coefficients: vec![2], constant: 1 };
            let y = builder.push("y", double, &[codes], 1.0).unwrap();
            builder.output("y", y, Decoding::Real { scale: 1.0 });
            let model = Arc::new(builder.finish().unwrap());
            TensorProver::new(model, Preset::FastTest, 1).unwrap().key().to_felts()
        };
        felts(false).unwrap();
        assert_eq!(felts(true), Err(FeltsError::Texts("city".to_owned())));
    }
}
