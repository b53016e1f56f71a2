//! The state of a quantization: what has been made of each float node so far, and the ways to ask
//! for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::calibrate::{Calibration, Range};
use super::decisions;
use super::emit::exponent;
use super::error::{QuantizeError, Refusal};
use super::expr::{Core, Expr, Value, count};
use super::facts;
use super::grid::{ceil_log2, pow2};
use super::missing::Missing;
use super::ops;
use super::plan::{self, Demand};
use super::refine::Effort;
use super::settings::Settings;
use super::steep::Slopes;
use super::target::Target;
use crate::float::{self, Graph, Labels, NodeId, Op};
use ciro_model::integer::ops::Requantize;
use ciro_model::integer::{BOUND, Decoding, Encoding, Interval, ModelBuilder, ModelError, room};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// What a float node has become.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lowered {
    /// An input of the model, encoded when it is first read.
    Input(usize),
    /// A linear expression.
    Expr(Expr),
    /// An operand of a softmax or maximum whose positions count only where `keep` is true.
    Masked(NodeId, Arc<Vec<bool>>),
    /// The same with positions that are computed.
    Hidden(Hidden),
}

/// An operand of a softmax or maximum some of whose positions are hidden.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hidden {
    /// The scores.
    pub(super) inner: NodeId,
    /// Truth values of the scores' shape: which positions count.
    pub(super) keep: NodeId,
    /// Whether they say which do not.
    pub(super) negated: bool,
}

/// A quantization in progress.
pub(super) struct Lowering<'g> {
    pub(super) graph: &'g Graph,
    pub(super) settings: Settings,
    pub(super) ranges: Vec<Range>,
    /// The ranges that the nodes themselves took, not those of their kind: what decides on signs.
    pub(super) own_ranges: Vec<Range>,
    /// How steep functions were.
    pub(super) slopes: &'g Slopes,
    /// What room beyond ranges is multiplied by.
    pub(super) stretch: f64,
    /// Bits that small tensors get for that room.
    pub(super) spare: u32,
    /// For each input, the calibrated range of each column.
    pub(super) columns: Vec<Vec<Range>>,
    /// The inputs that masks are made from, which are 0 or 1.
    pub(super) truths: Vec<bool>,
    /// What missing values of inputs count as.
    pub(super) missing: Missing,
    pub(super) demands: Vec<Demand>,
    /// How many bits more than others each node's tensor is worth.
    pub(super) extra_bits: Vec<u32>,
    /// How many bits beyond that its effect on the outputs has been found to be worth.
    pub(super) effort: Effort,
    /// How many of these bits each node gets in any case, as something is decided by it.
    deciding: Vec<u32>,
    /// The nodes whose elements are whole numbers.
    pub(super) whole: Vec<bool>,
    /// Steps of functions that models of other bits have too.
    pub(super) known: ops::steps::Known,
    pub(super) builder: ModelBuilder,
    /// The node that is being lowered, for errors.
    pub(super) at: NodeId,
    lowered: Vec<Option<Lowered>>,
    narrow: Vec<Option<Value>>,
    /// The names of integer nodes, and the node that was lowered when each was made.
    names: BTreeMap<String, NodeId>,
}

/// Accumulators that several movements read leave this much room for the sums that follow.
const SHARED_LIMIT: f64 = (1u32 << 28) as f64;

/// Tensors of so few elements cost nothing where they are kept finer than others.
const FEW: usize = 256;

/// The most bits that an activation gets for its effect.
const BITS_MAX: u32 = 16;

/// The most bits that it gets for what it does to the outputs.
const EFFORT_BITS_MAX: u32 = 26;

/// The margin beyond ranges that were calibrated with random samples, as a part of their width.
const RANDOM_MARGIN: f64 = 1.0;

impl<'g> Lowering<'g> {
    pub(super) fn new(
        graph: &'g Graph,
        calibration: &'g Calibration,
        settings: &Settings,
        stretch: f64,
    ) -> Result<Self, QuantizeError> {
        let nodes = graph.nodes.len();
        let given = settings;
        let mut settings = settings.clone();
        if calibration.random {
            // Random samples say little about real ones.
            settings.margin = settings.margin.max(RANDOM_MARGIN);
            settings.input_headroom = settings.input_headroom.max(RANDOM_MARGIN);
        }
        settings.margin *= stretch;
        settings.input_headroom *= stretch;
        let mut ranges = calibration.ranges.clone();
        plan::tie(graph, &mut ranges);
        let known = (&calibration.ranges[..], &calibration.slopes);
        let extra_bits = plan::extra_bits(graph, known, settings.activation_bits);
        let mut builder = ModelBuilder::new();
        for input in &graph.inputs {
            builder.input(input.name.clone(), input.shape.clone());
        }
        Ok(Self {
            graph,
            settings,
            ranges,
            own_ranges: calibration.ranges.clone(),
            slopes: &calibration.slopes,
            stretch,
            spare: spare(given, stretch),
            columns: calibration.columns.clone(),
            truths: vec![],
            missing: Missing::default(),
            demands: plan::demands(graph),
            extra_bits,
            effort: Effort::default(),
            deciding: decisions::bits(graph),
            whole: facts::whole_numbers(graph),
            known: ops::steps::Known::default(),
            builder,
            at: NodeId(0),
            lowered: vec![None; nodes],
            narrow: vec![None; nodes],
            names: BTreeMap::new(),
        })
    }

    /// Lowers every node that an output needs, then the outputs.
    pub(super) fn run(&mut self) -> Result<(), QuantizeError> {
        for (id, _) in self.graph.iter() {
            let demand = self.demands[id.index()];
            if !demand.alive {
                continue;
            }
            self.at = id;
            if let Some(form) = ops::lower(self, id)? {
                self.lowered[id.index()] = Some(form);
                if demand.uses > 1 {
                    self.settle(id)?;
                }
            }
        }
        for output in &self.graph.outputs {
            self.at = output.node;
            let (value, decoding) = self.output(output)?;
            self.builder.output(output.name.clone(), value.id, decoding);
        }
        Ok(())
    }

    /// Takes note of who made an integer node, by the name that it got.
    pub(super) fn made(&mut self, id: ciro_model::integer::NodeId) {
        self.names.insert(self.builder.node(id).name.clone(), self.at);
    }

    /// The node that was lowered when an integer node of this name was made.
    pub(super) fn maker(&self, name: &str) -> NodeId {
        self.names.get(name).copied().unwrap_or(self.at)
    }

    /// The error of the node that is being lowered.
    pub(super) fn refuse(&self, reason: Refusal) -> QuantizeError {
        QuantizeError::refused(self.graph.node(self.at), reason)
    }

    /// The node that is being lowered.
    pub(super) fn node(&self) -> &'g float::Node {
        self.graph.node(self.at)
    }

    /// A name that no node has yet.
    pub(super) fn fresh(&mut self, name: &str) -> String {
        let mut fresh = name.to_owned();
        let mut count = 1;
        while self.names.contains_key(&fresh) {
            count += 1;
            fresh = format!("{name}.{count}");
        }
        self.names.insert(fresh.clone(), self.at);
        fresh
    }

    /// The integer view of an input in an encoding.
    pub(super) fn view(
        &mut self,
        input: usize,
        encoding: Encoding,
    ) -> Result<ciro_model::integer::NodeId, QuantizeError> {
        let node = self.graph.node(self.at);
        let view = self.builder.view(input, encoding);
        let id = view.map_err(|source| QuantizeError::model(node, source))?;
        self.made(id);
        Ok(id)
    }

    /// The range of a node, with the margin that tensors get beyond calibration.
    pub(super) fn range(&self, id: NodeId) -> Range {
        self.ranges[id.index()].widen(self.settings.margin)
    }

    /// The range of a divisor: that of its kind, unless only its own has a sign.
    pub(super) fn divisor_range(&self, id: NodeId) -> Range {
        let range = self.ranges[id.index()];
        let signed = range.lo > 0.0 || range.hi < 0.0;
        if signed { range } else { self.own_ranges[id.index()] }
    }

    /// The bits of a node's interval: more where its values leave the model.
    pub(super) fn bits(&self, id: NodeId) -> u32 {
        let bits = if self.demands[id.index()].output {
            self.settings.output_bits
        } else {
            let bits = self.settings.activation_bits;
            (bits + self.extra_bits[id.index()]).min(bits.max(BITS_MAX))
        };
        let few = count(&self.graph.node(id).shape) <= FEW;
        let bits = if few { bits + self.spare } else { bits };
        (bits + self.effort(id)).min(bits.max(EFFORT_BITS_MAX))
    }

    /// The bits that a node's tensor is worth beyond those of its range.
    pub(super) fn effort(&self, id: NodeId) -> u32 {
        self.effort.of(id.index()).max(self.deciding[id.index()])
    }

    pub(super) fn lowered(&self, id: NodeId) -> Option<&Lowered> {
        self.lowered[id.index()].as_ref()
    }

    /// The expression of a node.
    pub(super) fn expr(&mut self, id: NodeId) -> Result<Expr, QuantizeError> {
        if let Op::Constant(value) = &self.graph.node(id).op {
            return Ok(Expr::constant(value.as_ref().clone()));
        }
        match self.lowered(id) {
            Some(Lowered::Expr(expr)) => Ok(expr.clone()),
            Some(&Lowered::Input(index)) => {
                let expr = ops::input::view(self, id, index)?;
                self.lowered[id.index()] = Some(Lowered::Expr(expr.clone()));
                Ok(expr)
            }
            Some(Lowered::Masked(..) | Lowered::Hidden(_)) => Err(self.refuse(Refusal::Infinity)),
            None => Err(self.refuse(Refusal::TreeOperand)),
        }
    }

    /// A node's tensor, narrow enough for products and tables.
    pub(super) fn narrow(&mut self, id: NodeId) -> Result<Value, QuantizeError> {
        if let Some(value) = self.narrow[id.index()] {
            return Ok(value);
        }
        let node = self.graph.node(id);
        let value = match (&node.op, &node.operands[..]) {
            (Op::Move(movement), &[operand])
                if count(&node.shape) > count(&self.graph.node(operand).shape)
                    && self.lowered(operand).is_some()
                    && finite(movement) =>
            {
                let inner = self.narrow(operand)?;
                let expr = Expr::value(self.graph.node(operand).shape.clone(), inner);
                let moved = self.moved(expr, movement)?;
                self.plain(&moved, BOUND as f64, &node.name)?
            }
            _ => {
                let expr = self.expr(id)?;
                let target =
                    Target { range: self.range(id), bits: self.bits(id), clip: None, own: true };
                self.round_to(&expr, &target, &node.name)?
            }
        };
        self.narrow[id.index()] = Some(value);
        Ok(value)
    }

    /// Shifts a tensor until its integers are at most `max_abs`.
    pub(super) fn within(&mut self, value: Value, max_abs: f64) -> Result<Value, QuantizeError> {
        let mut shift = 0;
        let interval = self.builder.node(value.id).interval;
        while (Requantize { shift, lo: 0, hi: 0 }).quotient(interval).max_abs() as f64 > max_abs {
            shift += 1;
            if shift > 28 {
                return Err(self.refuse(Refusal::NoRoom));
            }
        }
        if shift == 0 {
            return Ok(value);
        }
        let scale = value.scale * pow2(exponent(shift));
        Ok(Value { id: self.shift_right(value.id, shift, scale)?, scale })
    }

    /// A node's tensor without rounding: as it is, or as fine as integers below `limit` allow.
    pub(super) fn wide(&mut self, id: NodeId, limit: f64) -> Result<Value, QuantizeError> {
        let expr = self.expr(id)?;
        self.plain(&expr, limit, &self.graph.node(id).name)
    }

    /// The moved expression.
    pub(super) fn moved(
        &self,
        expr: Expr,
        movement: &Movement<f64>,
    ) -> Result<Expr, QuantizeError> {
        expr.moved(movement).map_err(|source| {
            let node = self.graph.node(self.at);
            let (name, source) = (node.name.clone(), source.into());
            QuantizeError::model(node, ModelError::Operator { node: name, op: "Move", source })
        })
    }

    /// Gives a node that is read more than once integers of its own, so that nothing is computed
    /// twice.
    fn settle(&mut self, id: NodeId) -> Result<(), QuantizeError> {
        let node = self.graph.node(id);
        let demand = self.demands[id.index()];
        let Some(Lowered::Expr(expr)) = self.lowered(id) else { return Ok(()) };
        let expr = expr.clone();
        let free = expr.as_value().is_some() || expr.terms.is_empty();
        let folds = demand.products == demand.uses
            && matches!(&expr.terms[..], [term] if term.moves.is_empty()
                && matches!(term.core, Core::Value { .. } | Core::Scaled { .. }));
        let scaled = matches!(&expr.terms[..], [term]
            if matches!(term.core, Core::Value { .. } | Core::Scaled { .. }));
        let turned = demand.turns == demand.uses && scaled;
        let ranked = demand.is_ranked() && ops::features::scaled(&expr).is_some();
        if free || folds || ranked || turned {
            return Ok(());
        }
        let elements = count(&node.shape);
        let value = if self.whole[id.index()] && expr.is_whole() {
            Value { id: self.emit(&expr, 1.0, &node.name)?, scale: 1.0 }
        } else if demand.is_ranked() {
            self.plain(&expr, room::RANKED as f64, &node.name)?
        } else if demand.moves == demand.uses && (demand.moved <= elements || elements <= FEW) {
            // Each of the parts is rounded to the range of its own.
            self.plain(&expr, SHARED_LIMIT, &node.name)?
        } else if demand.exact {
            self.plain(&expr, BOUND as f64, &format!("{}.exact", node.name))?
        } else {
            self.narrow(id)?
        };
        let expr = Expr::value(node.shape.clone(), value);
        self.lowered[id.index()] = Some(Lowered::Expr(expr));
        Ok(())
    }

    fn output(&mut self, output: &float::Output) -> Result<(Value, Decoding), QuantizeError> {
        let id = output.node;
        if matches!(output.labels, Labels::Real) {
            let value = self.wide(id, BOUND as f64)?;
            return Ok((value, Decoding::Real { scale: value.scale }));
        }
        let value = self.whole(id)?.ok_or_else(|| self.refuse(Refusal::NotALabel))?;
        let decoding = match &output.labels {
            Labels::Names(names) => Decoding::Names(names.clone()),
            _ => Decoding::Integer,
        };
        Ok((value, decoding))
    }

    /// A node's tensor with scale 1, if its values are integers.
    pub(super) fn whole(&mut self, id: NodeId) -> Result<Option<Value>, QuantizeError> {
        let expr = self.expr(id)?;
        if !expr.is_whole() {
            return Ok(None);
        }
        let name = self.graph.node(id).name.clone();
        Ok(Some(Value { id: self.emit(&expr, 1.0, &name)?, scale: 1.0 }))
    }

    /// A node's tensor with scale 1, if its elements are whole numbers and it is computed from
    /// whole numbers.
    pub(super) fn integers_of(&mut self, id: NodeId) -> Result<Option<Value>, QuantizeError> {
        if !self.whole[id.index()] || self.constant_of(id).is_some() {
            return Ok(None);
        }
        self.whole(id)
    }

    /// A factor of a product: as it is where it is one narrow enough tensor, else rounded.
    pub(super) fn factor(&mut self, id: NodeId) -> Result<Value, QuantizeError> {
        const FACTOR_MAX: f64 = (1u32 << 17) as f64;
        let expr = self.expr(id)?;
        let most = FACTOR_MAX * pow2(exponent(self.effort(id)));
        let narrow = |(x, _, _)| self.builder.node(x).interval.max_abs() as f64 <= most;
        if expr.as_value().is_some_and(narrow) {
            return self.plain(&expr, BOUND as f64, &self.graph.node(id).name);
        }
        self.rounded_factor(id)
    }

    /// A factor of a product, rounded: of few elements more finely, as nothing after a product
    /// mends what is lost before it.
    pub(super) fn rounded_factor(&mut self, id: NodeId) -> Result<Value, QuantizeError> {
        let bits = self.factor_bits(id);
        if self.narrow[id.index()].is_some() || bits <= self.bits(id) {
            return self.narrow(id);
        }
        let expr = self.expr(id)?;
        let target = Target { range: self.range(id), bits, clip: None, own: true };
        let value = self.round_to(&expr, &target, &self.graph.node(id).name)?;
        self.narrow[id.index()] = Some(value);
        Ok(value)
    }

    /// The bits of a factor's interval: two factors and a sign fit below 2^30.
    pub(super) fn factor_bits(&self, id: NodeId) -> u32 {
        const FINE_BITS: u32 = 14;
        let few = count(&self.graph.node(id).shape) <= FEW;
        if few {
            self.bits(id).max(FINE_BITS + self.spare + self.effort(id))
        } else {
            self.bits(id)
        }
    }

    /// Rounds two factors, the wider one first, until sums of `terms` products stay below 2^30.
    pub(super) fn fit(
        &mut self,
        [a, b]: [Value; 2],
        terms: usize,
    ) -> Result<[Value; 2], QuantizeError> {
        let max_abs = |cx: &Self, value| (cx.interval(value).max_abs() as f64).max(1.0);
        let (mut most_a, mut most_b) = (max_abs(self, a), max_abs(self, b));
        while most_a * most_b * terms as f64 >= BOUND as f64 {
            if most_a >= most_b {
                most_a = (most_a / 2.0).ceil();
            } else {
                most_b = (most_b / 2.0).ceil();
            }
            if most_a <= 1.0 && most_b <= 1.0 {
                return Err(self.refuse(Refusal::NoRoom));
            }
        }
        let fitted = self.within(a, most_a)?;
        // A square stays one: both factors are the same tensor.
        Ok([fitted, if a == b && most_a <= most_b { fitted } else { self.within(b, most_b)? }])
    }

    /// The interval of a value's integers.
    pub(super) fn interval(&self, value: Value) -> Interval {
        self.builder.node(value.id).interval
    }

    /// A constant operand, looked at through nothing: import folds constants.
    pub(super) fn constant_of(&self, id: NodeId) -> Option<&'g Arc<Tensor<f64>>> {
        self.graph.constant(id)
    }
}

/// How many bits wider intervals are by what margins are stretched by.
fn spare(settings: &Settings, stretch: f64) -> u32 {
    let room = |stretch: f64| 1.0 + 2.0 * settings.margin * stretch;
    u32::try_from(ceil_log2(room(stretch) / room(1.0))).unwrap_or(0)
}

/// Whether a movement fills with a number that has integers.
fn finite(movement: &Movement<f64>) -> bool {
    movement.fill().is_none_or(|fill| fill.is_finite())
}
