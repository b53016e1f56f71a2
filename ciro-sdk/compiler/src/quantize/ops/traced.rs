//! Elements that are functions of one element of an input each, however many operators make them.
//!
//! `tanh(x * x)` or `x / (|x| + c)` of values of many magnitudes would need more bits between its
//! operators than integers have. But it is a function of one number: evaluated in double precision,
//! and looked up by the rank of the input's exact float32 image, nothing is lost between.

use std::collections::{BTreeMap, BTreeSet};

use super::ranked;
use super::steps::{self, Steps};
use super::{features, input};
use crate::float::{BinaryFn, ElementType, Graph, NodeId, Op, ScalarFn};
use crate::quantize::calibrate::Range;
use crate::quantize::emit::exponent;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Core, Expr, count, rebuilt, uniform};
use crate::quantize::grid::pow2;
use crate::quantize::lower::Lowering;
use crate::quantize::scalar::Parts;
use ciro_model::integer::{NodeId as IntegerId, ordered_image};
use ciro_model::movement::{Movement, Source};
use ciro_model::tensor::Tensor;

/// The most operators of one function.
const STEPS_MAX: usize = 64;
/// The most elements that are traced, and the most functions of one tensor.
const ELEMENTS_MAX: usize = 1 << 10;
const FUNCTIONS_MAX: usize = 16;

/// A product.
const MUL: Op = Op::Binary(BinaryFn::Mul);

/// A node that is made of an input element by element, where the integers of its operands would be
/// too coarse and that has been found to matter; `None` for all others.
pub(super) fn of(cx: &mut Lowering<'_>, id: NodeId) -> Result<Option<Expr>, QuantizeError> {
    let node = cx.graph.node(id);
    let bends = match &node.op {
        Op::Unary(f) => f.affine().is_none(),
        Op::Binary(BinaryFn::Add | BinaryFn::Sub) => false,
        Op::Binary(BinaryFn::Mul | BinaryFn::Div) => {
            let constant = |id: &NodeId| cx.graph.constant(*id).is_some();
            !(constant(&node.operands[1]) || node.op == MUL && constant(&node.operands[0]))
        }
        Op::Binary(_) => true,
        Op::Where => true,
        _ => false,
    };
    let demand = cx.demands[id.index()];
    if !bends || cx.effort(id) == 0 || cx.whole[id.index()] || demand.is_ranked() {
        return Ok(None);
    }
    let Some(traced) = Traced::of(cx, id) else { return Ok(None) };
    if !traced.functions.iter().any(|function| function.is_too_coarse(cx, id)) {
        return Ok(None);
    }
    traced.lower(cx, id)
}

/// A node whose elements are functions of an input's.
struct Traced<'g> {
    input: usize,
    functions: Vec<Function<'g>>,
}

/// One function, and where it stands.
struct Function<'g> {
    program: Program<'g>,
    /// Pairs of an element of the node and the element of the input that it is made of.
    places: Vec<(usize, usize)>,
    /// What the variable was at calibration.
    seen: Range,
}

impl<'g> Traced<'g> {
    fn of(cx: &Lowering<'g>, id: NodeId) -> Option<Self> {
        let elements = count(&cx.graph.node(id).shape);
        if elements > ELEMENTS_MAX {
            return None;
        }
        let mut tracer = Tracer { graph: cx.graph, sources: BTreeMap::new() };
        let mut functions: Vec<Function<'g>> = vec![];
        let mut of = None;
        for element in 0..elements {
            let ((input, place), program) = tracer.trace((id, element))?;
            if *of.get_or_insert(input) != input {
                return None;
            }
            let seen = seen(cx, input, place);
            if let Some(known) = functions.iter_mut().find(|known| known.program == program) {
                known.places.push((element, place));
                known.seen = known.seen.union(seen);
                continue;
            }
            if functions.len() == FUNCTIONS_MAX {
                return None;
            }
            functions.push(Function { program, places: vec![(element, place)], seen });
        }
        let input = of?;
        let numbers = cx.graph.inputs[input].element_type == ElementType::Float
            && cx.truths.get(input) != Some(&true)
            && cx.missing.columns(input).is_none();
        numbers.then_some(Self { input, functions })
    }

    /// Ranks and a table for each function, side by side.
    fn lower(self, cx: &mut Lowering<'g>, id: NodeId) -> Result<Option<Expr>, QuantizeError> {
        let node = cx.graph.node(id);
        let domain = steps::images(&Parts::default());
        let at = |x: f64| ordered_image(steps::single(x));
        let mut found = vec![];
        // Functions of a node have the order of its elements.
        for (which, Function { program, seen, .. }) in (0..).zip(&self.functions) {
            let f = |x: f64| program.eval(x);
            let node = (id, &[which][..], cx.range(id));
            let Some(steps) = Steps::within(cx, node, &domain, (*seen, &at), &f) else {
                return Ok(None);
            };
            let coarse = steps.coarse(&domain, (*seen, cx.ranges[id.index()].width()), f);
            found.push((steps, coarse));
        }
        let images = input::ordered(cx, self.input)?;
        let elements = count(&node.shape);
        let (mut parts, mut factors, mut order) =
            (vec![], vec![0.0; elements], vec![0u32; elements]);
        let mut before = 0;
        for (function, steps) in self.functions.iter().zip(found) {
            let (part, factor) = function.part(cx, id, images, steps)?;
            parts.push(part);
            for &(element, _) in &function.places {
                (factors[element], order[element]) = (factor, before);
                before += 1;
            }
        }
        let movement = Movement::Index { shape: node.shape.clone(), indices: order };
        let x = cx.push(&format!("{}.traced", node.name), movement, &parts, 1.0)?;
        let factors = rebuilt(&node.shape, factors);
        let core = match uniform(&factors) {
            Some(factor) => Core::Value { x, factor },
            None => Core::Scaled { x, factors },
        };
        Ok(Some(Expr::core(node.shape.clone(), core)))
    }
}

impl Function<'_> {
    /// Whether rounded operands of the last operator would move its result by too much.
    fn is_too_coarse(&self, cx: &Lowering<'_>, id: NodeId) -> bool {
        let width = cx.ranges[id.index()].width();
        let tolerable = ranked::TOO_COARSE * width * pow2(-exponent(cx.effort(id)));
        let half: Vec<f64> =
            cx.graph.node(id).operands.iter().map(|&operand| half_step(cx, operand)).collect();
        let changes = ranked::probes(self.seen).map(|x| self.program.change(x, &half));
        width > 0.0 && changes.filter(|change| change.is_finite()).any(|change| change > tolerable)
    }

    /// The integers of the elements of this function, and what one of them is worth.
    fn part(
        &self,
        cx: &mut Lowering<'_>,
        id: NodeId,
        images: IntegerId,
        (steps, coarse): (Steps, Vec<bool>),
    ) -> Result<(IntegerId, f64), QuantizeError> {
        let name = format!("{}.images", cx.graph.node(id).name);
        let limbs = |&(_, place): &(usize, usize)| [2 * place, 2 * place + 1];
        let indices = self.places.iter().flat_map(limbs).map(features::place).collect();
        let movement = Movement::Index { shape: vec![self.places.len(), 1, 2], indices };
        let x = cx.push(&name, movement, &[images], 1.0)?;
        let value = steps.emit(cx, id, (x, true), &coarse)?;
        if let Some((x, factor, [])) = value.as_value() {
            return Ok((x, factor));
        }
        // It is the same for all variables.
        let factor = value.offset.map_or(0.0, |offset| offset.data()[0]);
        let ones = Tensor::vector(vec![1; self.places.len()]);
        Ok((cx.constant(ones, 1.0, &format!("{name}.same"))?, factor))
    }
}

/// Half of what integers of a tensor are apart.
fn half_step(cx: &Lowering<'_>, id: NodeId) -> f64 {
    let width = cx.ranges[id.index()].width();
    if cx.whole[id.index()] {
        return 0.0;
    }
    match cx.graph.node(id).op {
        Op::Constant(_) => 0.0,
        Op::Input { index } => width * pow2(-exponent(input::bits(cx, index))),
        _ => width * pow2(-1 - exponent(cx.bits(id))),
    }
}

/// The range of an element of an input at calibration.
fn seen(cx: &Lowering<'_>, input: usize, place: usize) -> Range {
    let columns = &cx.columns[input];
    let known =
        columns.get(place).filter(|_| columns.len() == count(&cx.graph.inputs[input].shape));
    known.copied().unwrap_or_else(|| columns.iter().copied().fold(Range::EMPTY, Range::union))
}

/// An element of a node.
type Element = (NodeId, usize);

/// Finds what elements are made of.
struct Tracer<'g> {
    graph: &'g Graph,
    /// For each movement, where its elements come from.
    sources: BTreeMap<NodeId, Vec<Source>>,
}

impl<'g> Tracer<'g> {
    /// The input element that an element is made of, and how.
    fn trace(&mut self, element: Element) -> Option<((usize, usize), Program<'g>)> {
        let mut open = BTreeSet::from([self.origin(element)?]);
        // Operands come before what reads them: the last is taken first.
        let mut found: Vec<(Element, Vec<Element>)> = vec![];
        while let Some(element) = open.pop_last() {
            let graph = self.graph;
            let node = graph.node(element.0);
            let operands: Vec<Element> = match &node.op {
                Op::Input { .. } | Op::Constant(_) => vec![],
                Op::Unary(_) | Op::Binary(_) | Op::Where => {
                    let operands = node.operands.iter();
                    operands.map(|&id| self.origin((id, element.1))).collect::<Option<_>>()?
                }
                _ => return None,
            };
            if found.len() == STEPS_MAX {
                return None;
            }
            open.extend(&operands);
            found.push((element, operands));
        }
        found.reverse();
        self.program(&found)
    }

    /// The steps that compute elements, the last of which is the result.
    fn program(&self, found: &[(Element, Vec<Element>)]) -> Option<((usize, usize), Program<'g>)> {
        let (mut variable, mut steps) = (None, vec![]);
        for ((id, element), operands) in found {
            let place = |at: usize| found.iter().position(|(known, _)| *known == operands[at]);
            steps.push(match &self.graph.node(*id).op {
                Op::Input { index } => {
                    let place = (*index, *element);
                    if *variable.get_or_insert(place) != place {
                        return None;
                    }
                    Step::Variable
                }
                Op::Constant(value) => Step::Constant(value.data()[*element].to_bits()),
                Op::Unary(f) => Step::Unary(f, place(0)?),
                Op::Binary(f) => Step::Binary(*f, [place(0)?, place(1)?]),
                _ => Step::Choice([place(0)?, place(1)?, place(2)?]),
            });
        }
        Some((variable?, Program { steps }))
    }

    /// The element that movements take an element from; `None` where they fill.
    fn origin(&mut self, mut element: Element) -> Option<Element> {
        let graph = self.graph;
        while let Op::Move(_) = &graph.node(element.0).op {
            let node = graph.node(element.0);
            let sources = match self.sources.get(&element.0) {
                Some(sources) => sources,
                None => self.sources.entry(element.0).or_insert(graph.sources(node)?),
            };
            element = match *sources.get(element.1)? {
                Source::Element { operand, index } => {
                    (*node.operands.get(operand as usize)?, index as usize)
                }
                Source::Fill => return None,
            };
        }
        Some(element)
    }
}

/// A function of one variable in steps, each of which reads earlier ones; the last is its value.
#[derive(Clone, Debug, PartialEq)]
struct Program<'g> {
    steps: Vec<Step<'g>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step<'g> {
    Variable,
    /// The bits of a number.
    Constant(u64),
    Unary(&'g ScalarFn, usize),
    Binary(BinaryFn, [usize; 2]),
    Choice([usize; 3]),
}

impl Step<'_> {
    fn eval(self, x: f64, known: impl Fn(usize) -> f64) -> f64 {
        match self {
            Self::Variable => x,
            Self::Constant(bits) => f64::from_bits(bits),
            Self::Unary(f, a) => f.eval(known(a)),
            Self::Binary(f, [a, b]) => f.eval(known(a), known(b)),
            Self::Choice([condition, a, b]) => known(if known(condition) != 0.0 { a } else { b }),
        }
    }

    fn operands(&self) -> &[usize] {
        match self {
            Self::Variable | Self::Constant(_) => &[],
            Self::Unary(_, a) => std::slice::from_ref(a),
            Self::Binary(_, operands) => operands,
            Self::Choice(operands) => operands,
        }
    }
}

impl Program<'_> {
    fn eval(&self, x: f64) -> f64 {
        let mut values = [0.0; STEPS_MAX];
        let mut last = x;
        for (at, step) in self.steps.iter().enumerate() {
            last = step.eval(x, |known| values[known]);
            values[at] = last;
        }
        last
    }

    fn values(&self, x: f64) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let value = step.eval(x, |at| values[at]);
            values.push(value);
        }
        values
    }

    /// By how much the last step changes where its operands are off by half a step of theirs.
    fn change(&self, x: f64, half: &[f64]) -> f64 {
        let (values, Some(last)) = (self.values(x), self.steps.last()) else { return 0.0 };
        let Some(exact) = values.last().copied() else { return 0.0 };
        let mut worst = 0.0f64;
        for (operand, half) in last.operands().iter().zip(half) {
            for off in [-half, *half] {
                // An operand that is read twice is off alike.
                let known = |at: usize| if at == *operand { values[at] + off } else { values[at] };
                let change = (last.eval(x + off, known) - exact).abs();
                worst = if change.is_finite() { worst.max(change) } else { worst };
            }
        }
        worst
    }
}
