//! Committed inputs and outputs: what is hashed, and what a committed input may be.

use ciro_model::Interval;
use ciro_model::integer::{Encoding, Input, NodeId, Visibilities};

use super::collect::Collector;
use super::error::LayoutError;
use super::wiring::Address;
#[cfg(test)]
use crate::chips::defects::{Defect, is_back};
use crate::chips::unique::Width;
use crate::poseidon::RATE;
use crate::rows::admit::Admitted;
use crate::rows::hash::Committed;
use crate::rows::io::PublicValues;

/// What a key's visibilities make of a model's inputs and outputs.
pub(super) struct Shown {
    /// What the statement holds: public inputs, public outputs, digests.
    pub(super) public: PublicValues,
    /// The tensors behind the digests, in their order.
    pub(super) committed: Vec<Committed>,
    /// The elements of committed inputs.
    pub(super) admitted: Vec<Admitted>,
}

impl Collector<'_> {
    /// Deals inputs and outputs out, and counts the reads of the public values.
    pub(super) fn show(&mut self, visibilities: &Visibilities) -> Result<Shown, LayoutError> {
        let model = self.model;
        let mut shown = Shown {
            public: PublicValues { inputs: vec![], outputs: vec![] },
            committed: vec![],
            admitted: vec![],
        };
        let mut hidden_inputs = vec![];
        for (at, input) in model.inputs().iter().enumerate() {
            if visibilities.commits_input(at) {
                hidden_inputs.push(input);
            }
        }
        for sample in self.samples() {
            for (at, input) in model.inputs().iter().enumerate() {
                for (id, _) in input.views.iter().filter(|_| !visibilities.commits_input(at)) {
                    shown.public.inputs.extend(self.wiring.cells(*id, sample));
                }
            }
        }
        let outputs: Vec<NodeId> = model.outputs().iter().map(|output| output.node).collect();
        for sample in self.samples() {
            for (at, &id) in outputs.iter().enumerate() {
                if !visibilities.commits_output(at) {
                    shown.public.outputs.extend(self.wiring.cells(id, sample));
                }
            }
        }
        for sample in self.samples() {
            for input in &hidden_inputs {
                shown.admitted.extend(self.admitted(input, sample)?);
                for (id, _) in &input.views {
                    let committed = self.committed(*id, sample);
                    shown.committed.push(committed);
                }
            }
            for (at, &id) in outputs.iter().enumerate() {
                if visibilities.commits_output(at) {
                    let committed = self.committed(id, sample);
                    shown.committed.push(committed);
                }
            }
        }
        let digests = shown.committed.iter();
        let digests = digests.flat_map(|tensor| (tensor.digest..).take(RATE));
        shown.public.outputs.extend(digests);
        for &address in &shown.public.outputs {
            self.wiring.read(address);
        }
        Ok(shown)
    }

    fn committed(&mut self, id: NodeId, sample: u32) -> Committed {
        let cells = self.wiring.cells(id, sample);
        let [salt, digest] = [(); 2].map(|()| self.wiring.auxiliary(RATE));
        Committed { cells, salt, digest }
    }

    /// The elements of a committed input with what they have to lie in.
    fn admitted(&self, input: &Input, sample: u32) -> Result<Vec<Admitted>, LayoutError> {
        let refused = |reason| LayoutError::CommitInput { name: input.name.clone(), reason };
        let mut admitted = vec![];
        for (id, encoding) in &input.views {
            let limbs = limbs(encoding).map_err(refused)?;
            let widths = limbs.iter().map(|&limb| Width::of_interval(limb));
            let widths = widths.collect::<Option<Vec<_>>>();
            let widths = widths.ok_or_else(|| {
                refused("its integers lie in an interval of 2^30 integers or more")
            })?;
            let cells: Vec<Address> = self.wiring.cells(*id, sample);
            for cells in cells.chunks(limbs.len()) {
                for (at, (&address, (&interval, &width))) in
                    cells.iter().zip(limbs.iter().zip(&widths)).enumerate()
                {
                    let low = at == 1;
                    #[cfg(test)]
                    let low = low && !is_back(Defect::AnyImage);
                    admitted.push(Admitted { address, interval, width, low });
                }
            }
        }
        Ok(admitted)
    }
}

/// The intervals of the integers of one element: one, or those of an image's two limbs, of which
/// one pair, both at their least, is excluded.
fn limbs(encoding: &Encoding) -> Result<Vec<Interval>, &'static str> {
    match encoding {
        Encoding::Affine { .. }
        | Encoding::Integer { .. }
        | Encoding::Columns { .. }
        | Encoding::Imputed { .. } => Ok(vec![encoding.interval()]),
        // The least image of a finite number is one above that of minus infinity, the greatest has
        // the greatest low limb.
        Encoding::Ordered => Ok(vec![Interval::new(-0x7f80, 0x7f7f), Interval::new(0, 0xffff)]),
        Encoding::OrderedOrMissing => {
            Err("values may be missing in it, which has no constraint yet")
        }
        Encoding::Text(dictionary) if dictionary.is_open() => Ok(vec![encoding.interval()]),
        Encoding::Text(_) => Err("it takes its own categories alone, which has no constraint yet"),
    }
}

#[cfg(test)]
mod tests {
    use ciro_model::integer::ORDERED_IMAGE_MAX;

    use super::*;

    #[test]
    fn two_limbs_less_one_pair_are_the_images_of_finite_numbers() {
        let [high, low] = limbs(&Encoding::Ordered).unwrap()[..] else { panic!("two limbs") };
        let image = |high: i64, low: i64| 0x1_0000 * high + low;
        assert_eq!(image(high.hi, low.hi), ORDERED_IMAGE_MAX);
        assert_eq!(image(high.lo, low.lo), -ORDERED_IMAGE_MAX - 1);
        assert_eq!((low.lo, low.hi), (0, 0xffff));
    }
}
