//! Convolutions as matrix products.
//!
//! Output positions are the rows of `x`, kernel taps its columns: `x[position, (channel, tap)]` is
//! the element under that tap. Nothing is copied: the rows name the addresses of the elements,
//! those in the padding the constant 0.

use ciro_model::Movement;
use ciro_model::integer::NodeId;
use ciro_model::integer::ops::Conv;
use ciro_model::movement::{Source, Windows};

use crate::layout::collect::Collector;
use crate::layout::wiring::Address;
use crate::rows::product::{Outcome, Product, Results, Right};

/// One product for each group of channels.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId, conv: &Conv) {
    let products = products(collector, id, conv);
    collector.products.extend(products);
}

fn products(collector: &mut Collector<'_>, id: NodeId, conv: &Conv) -> Vec<Product> {
    let model = collector.model;
    let weight = &model.constants()[conv.weight];
    let bias = conv.bias.map(|bias| &model.constants()[bias]);
    let operand = model.node(id).operands[0];
    let shape = &model.node(operand).shape;
    let windows = Movement::Windows(Windows {
        kernel: weight.shape()[2..].to_vec(),
        strides: conv.strides.clone(),
        dilations: conv.dilations.clone(),
        pads: conv.pads.clone(),
        ceil_mode: false,
        fill: (),
    });
    let plan = windows.plan(&[shape]).expect("the model has been checked");
    let taps: usize = weight.shape()[2..].iter().product();
    let positions: usize = model.node(id).shape[2..].iter().product();
    let one = collector.wiring.constant(1);
    let zero = collector.wiring.zero();
    let geometry = Geometry {
        images: shape[0],
        channels: shape[1],
        inputs: weight.shape()[1],
        outputs: weight.shape()[0] / conv.groups,
        taps,
        positions,
    };
    (0..conv.groups)
        .map(|group| {
            let (mut left, mut results) = (vec![], vec![]);
            for sample in collector.samples() {
                let cells = collector.wiring.cells(operand, sample);
                let gather = |source: &Source| match *source {
                    Source::Element { index, .. } => cells[index as usize],
                    Source::Fill => zero,
                };
                geometry.left(group, |at| gather(&plan.sources[at]), bias.map(|_| one), &mut left);
                geometry.results(group, &collector.outcomes(id, sample), &mut results);
            }
            let mut right = geometry.right(group, weight.data());
            let first = group * geometry.outputs;
            right.extend(bias.iter().flat_map(|b| &b.data()[first..first + geometry.outputs]));
            let k = geometry.inputs * taps + usize::from(bias.is_some());
            let shape = [results.len() / geometry.outputs, k, geometry.outputs];
            let rounded = collector.rounds(id);
            let results = Results { outcomes: results, rounded, uses: vec![] };
            Product::new(shape, (left, Right::Fixed(right)), results, zero)
        })
        .collect()
}

/// Extents of a convolution: images, all input channels, input and output channels of a group,
/// kernel taps, output positions.
struct Geometry {
    images: usize,
    channels: usize,
    inputs: usize,
    outputs: usize,
    taps: usize,
    positions: usize,
}

impl Geometry {
    /// Appends the rows of `x` of one group: for each position the taps of every channel, then the
    /// constant 1 for the bias.
    fn left(
        &self,
        group: usize,
        source: impl Fn(usize) -> Address,
        one: Option<Address>,
        left: &mut Vec<Address>,
    ) {
        for image in 0..self.images {
            for position in 0..self.positions {
                for input in 0..self.inputs {
                    let plane = image * self.channels + group * self.inputs + input;
                    let first = (plane * self.positions + position) * self.taps;
                    left.extend((first..first + self.taps).map(&source));
                }
                left.extend(one);
            }
        }
    }

    /// Appends the results of one group, positions first, then channels.
    fn results(&self, group: usize, cells: &[Outcome], results: &mut Vec<Outcome>) {
        let all_outputs = cells.len() / (self.images * self.positions);
        for image in 0..self.images {
            for position in 0..self.positions {
                results.extend((0..self.outputs).map(|output| {
                    let plane = image * all_outputs + group * self.outputs + output;
                    cells[plane * self.positions + position]
                }));
            }
        }
    }

    /// The kernel of one group as a matrix: a row for each tap of each channel, a column for each
    /// output channel.
    fn right(&self, group: usize, kernel: &[i32]) -> Vec<i32> {
        let rows = self.inputs * self.taps;
        let first = group * self.outputs;
        (0..rows)
            .flat_map(|row| {
                (first..first + self.outputs).map(move |output| kernel[output * rows + row])
            })
            .collect()
    }
}
