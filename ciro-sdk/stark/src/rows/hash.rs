//! Rows of commitments: Poseidon round after round.

use num_traits::Zero;
use stwo::core::fields::m31::BaseField;

use super::table::{TableCounts, Tables};
use super::{Auxiliary, Column, PlacedChip, Witness, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::hash::{HashChip, HashFixed, HashWitness};
use crate::commitment::{digest, integer, start};
use crate::field::embed;
use crate::layout::cost::log_size;
use crate::layout::wiring::{Address, Wiring};
use crate::poseidon::{RATE, ROUNDS, State, WIDTH, constants, is_full, mixed, squares};

/// A tensor that is committed to, by addresses.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    /// Its elements.
    pub(crate) cells: Vec<Address>,
    /// The first element of the salt, behind which the others stand; nothing reads them.
    pub(crate) salt: Address,
    /// The first element of the negated digest, behind which the others stand.
    pub(crate) digest: Address,
}

impl Committed {
    /// What is absorbed block by block, the salt first; the last block may be shorter than others.
    fn blocks(&self) -> impl Iterator<Item = Vec<Address>> + '_ {
        std::iter::once(places(self.salt).to_vec())
            .chain(self.cells.chunks(RATE).map(<[_]>::to_vec))
    }
}

/// Neighbouring addresses.
fn places(first: Address) -> [Address; RATE] {
    let mut next = first..;
    [(); RATE].map(|()| next.next().expect("addresses are below 2^31"))
}

/// The tensors that are committed to.
#[derive(Clone, Debug)]
pub(crate) struct HashRows {
    tensors: Vec<Committed>,
    zero: Address,
    chip: HashChip,
}

/// What happens in a row.
#[derive(Clone, Debug)]
struct HashRow {
    /// The round; `None` behind the last one of a tensor and in rows without work.
    round: Option<usize>,
    /// Elements of the tensor that begins here.
    begins: Option<usize>,
    addresses: Vec<Address>,
    multiplicity: i32,
}

impl HashRows {
    /// Lays the tensors and counts what is read; `None` if there are none.
    pub(crate) fn new(tensors: Vec<Committed>, wiring: &mut Wiring<'_>) -> Option<Self> {
        if tensors.is_empty() {
            return None;
        }
        let rows = tensors.iter().map(|tensor| tensor.blocks().count() * ROUNDS + 1).sum();
        let chip = HashChip { log_size: log_size(rows) };
        let this = Self { tensors, zero: wiring.zero(), chip };
        let reads = this.rows().into_iter().filter(|row| row.multiplicity == -1);
        reads.flat_map(|row| row.addresses).for_each(|address| wiring.read(address));
        Some(this)
    }

    fn rows(&self) -> Vec<HashRow> {
        let idle = HashRow {
            round: None,
            begins: None,
            addresses: vec![self.zero; RATE],
            multiplicity: 0,
        };
        let mut rows = Vec::with_capacity(1 << self.chip.log_size);
        for tensor in &self.tensors {
            for (block, mut addresses) in tensor.blocks().enumerate() {
                addresses.resize(RATE, self.zero);
                for round in 0..ROUNDS {
                    let begins = (block == 0 && round == 0).then_some(tensor.cells.len());
                    let addresses = if round == 0 { &addresses } else { &idle.addresses };
                    let multiplicity = if begins.is_some() { 0 } else { -1 };
                    let (round, addresses) = (Some(round), addresses.clone());
                    rows.push(HashRow { round, begins, addresses, multiplicity });
                }
            }
            let addresses = places(tensor.digest).to_vec();
            rows.push(HashRow { round: None, begins: None, addresses, multiplicity: 1 });
        }
        pad(&mut rows, self.chip.log_size, idle);
        rows
    }

    /// Writes the fixed columns.
    pub(crate) fn place(self) -> PlacedChip {
        let chip = AnyChip::Hash(self.chip);
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, 1 << self.chip.log_size);
        for row in self.rows() {
            let constants = row.constants().to_vec();
            let HashRow { round, addresses, multiplicity, .. } = row;
            let full = u32::from(round.is_some_and(is_full)).into();
            let round = u32::from(round.is_some()).into();
            let addresses = addresses.into_iter().map(Into::into).collect();
            let multiplicity = embed(multiplicity);
            let cells = HashFixed { constants, addresses, multiplicity, full, round };
            fixed.row(|to| cells.write(&self.chip, to));
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl HashRow {
    /// What the row adds to the state beside what it absorbs.
    fn constants(&self) -> State {
        let of_round = self.round.map_or([BaseField::zero(); WIDTH], constants);
        let of_start = self.begins.map_or([BaseField::zero(); WIDTH], start);
        std::array::from_fn(|at| of_round[at] + of_start[at])
    }
}

impl Witness for HashRows {
    fn columns(&self, values: &[i32], _tables: &Tables, _counts: &mut TableCounts) -> Vec<Column> {
        let mut columns = Filler::new(2 * WIDTH + RATE, 1 << self.chip.log_size);
        let none = [BaseField::zero(); WIDTH];
        let mut before = none;
        for row in self.rows() {
            let absorbs = row.multiplicity != 0 || row.begins.is_some();
            let element = |address: &Address| embed(values[*address as usize]);
            let absorbed: Vec<BaseField> = match absorbs {
                true => row.addresses.iter().map(element).collect(),
                false => vec![BaseField::zero(); RATE],
            };
            let constants = row.constants();
            let state: State = std::array::from_fn(|at| {
                let absorbed = absorbed.get(at).copied().unwrap_or(BaseField::zero());
                before[at] + absorbed + constants[at]
            });
            let squares = row.round.map_or(none, |round| squares(&state, round));
            before = mixed(&state, &squares);
            let (state, squares) = (state.to_vec(), squares.to_vec());
            let cells = HashWitness { state, squares, absorbed };
            columns.row(|to| cells.write(&self.chip, to));
        }
        columns.into_columns()
    }
}

/// Fills in the negated digests.
impl Auxiliary for HashRows {
    fn fill(&self, values: &mut [i32]) {
        for tensor in &self.tensors {
            let element = |address: Address| embed(values[address as usize]);
            let elements: Vec<BaseField> = tensor.cells.iter().copied().map(element).collect();
            let digest = digest(&elements, places(tensor.salt).map(element));
            for (address, element) in places(tensor.digest).into_iter().zip(digest) {
                values[address as usize] = integer(-element);
            }
        }
    }
}
