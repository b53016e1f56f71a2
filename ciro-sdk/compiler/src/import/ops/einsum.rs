//! Einstein sums, as diagonals, sums and matrix products.

use std::collections::BTreeMap;

use crate::float::{Movement, NodeId, Op, Reducer};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::value::{Outputs, one};
use ciro_model::tensor::strides;

pub(super) const OPS: Family = &[("Einsum", 12, einsum)];

/// A tensor with one label for each axis.
#[derive(Clone, Debug)]
struct Term {
    id: NodeId,
    labels: Vec<char>,
}

/// The sum that the attribute `equation` describes.
fn einsum(cx: &mut Cx<'_, '_>) -> Outputs {
    let operands = cx.tensors()?;
    let first = operands.first().cloned().ok_or(Reason::MissingInput(0))?;
    let equation: String = cx.text("equation", "").chars().filter(|c| *c != ' ').collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left.to_owned(), Some(right.to_owned())),
        None => (equation, None),
    };
    let parts: Vec<&str> = left.split(',').collect();
    if parts.len() != operands.len() {
        return Err(bad("equation", "has not one part for each input").into());
    }
    let mut terms = Vec::with_capacity(parts.len());
    let mut hidden = 0;
    for (part, operand) in parts.iter().zip(&operands) {
        let (labels, ellipsis) = labels(part, cx.g.rank(operand.id))?;
        hidden = hidden.max(ellipsis);
        terms.push(Term { id: operand.id, labels });
    }
    let wanted = match &right {
        Some(right) => labels_with(right, hidden)?,
        None => implicit(&parts, hidden),
    };
    let extents = extents(cx, &terms)?;
    if wanted.iter().any(|label| !extents.contains_key(label)) {
        return Err(bad("equation", "asks for a label that no input has").into());
    }
    for term in &mut terms {
        *term = diagonal(cx, term.clone())?;
        *term = stretch(cx, term.clone(), &extents)?;
    }
    let mut rest = terms.into_iter();
    let mut sum = rest.next().ok_or(Reason::MissingInput(0))?;
    while let Some(next) = rest.next() {
        let later: Vec<char> =
            rest.as_slice().iter().flat_map(|term| term.labels.iter().copied()).collect();
        let needed = |label: char| wanted.contains(&label) || later.contains(&label);
        sum = contract(cx, sum, next, needed)?;
    }
    let sum = reduce(cx, sum, |label| wanted.contains(&label))?;
    let perm: Option<Vec<usize>> =
        wanted.iter().map(|label| sum.labels.iter().position(|l| l == label)).collect();
    let perm = perm.ok_or_else(|| bad("equation", "repeats a label in its result"))?;
    one(first.with(cx.g.transpose(sum.id, &perm)?))
}

/// The labels of one part, and how many axes its ellipsis stands for.
fn labels(part: &str, rank: usize) -> Result<(Vec<char>, usize), Reason> {
    let named = part.chars().filter(|c| *c != '.').count();
    let hidden = if part.contains("...") { rank.checked_sub(named) } else { Some(0) };
    let hidden = hidden.ok_or_else(|| bad("equation", "has more labels than an input has axes"))?;
    let labels = labels_with(part, hidden)?;
    if labels.len() != rank {
        return Err(bad("equation", "has not one label for each axis"));
    }
    Ok((labels, hidden))
}

/// The labels of a part whose ellipsis stands for a number of axes; those count from the right.
fn labels_with(part: &str, hidden: usize) -> Result<Vec<char>, Reason> {
    let expanded = |hidden: usize| (0..hidden).rev().map(hidden_label).collect::<Vec<_>>();
    let (before, after) = match part.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (part, None),
    };
    let mut labels: Vec<char> = before.chars().collect();
    if let Some(after) = after {
        labels.extend(expanded(hidden));
        labels.extend(after.chars());
    }
    let valid = |c: &char| c.is_ascii_alphabetic() || *c >= HIDDEN;
    if !labels.iter().all(valid) || hidden > 64 {
        return Err(bad("equation", "has an element that is no label"));
    }
    Ok(labels)
}

/// Labels of axes behind an ellipsis come from a private range.
const HIDDEN: char = '\u{e000}';

fn hidden_label(at: usize) -> char {
    u32::try_from(at).ok().and_then(|at| char::from_u32(u32::from(HIDDEN) + at)).unwrap_or(HIDDEN)
}

/// Without `->`: the ellipsis, then the labels that occur once, in alphabetical order.
fn implicit(parts: &[&str], hidden: usize) -> Vec<char> {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for c in parts.iter().flat_map(|part| part.chars()).filter(|c| *c != '.') {
        *counts.entry(c).or_default() += 1;
    }
    let once = counts.into_iter().filter(|&(_, count)| count == 1).map(|(c, _)| c);
    (0..hidden).rev().map(hidden_label).chain(once).collect()
}

fn extents(cx: &Cx<'_, '_>, terms: &[Term]) -> Result<BTreeMap<char, usize>, Reason> {
    let mut extents = BTreeMap::new();
    for term in terms {
        for (&label, &extent) in term.labels.iter().zip(cx.g.shape(term.id)) {
            let known = extents.entry(label).or_insert(extent);
            if *known == 1 {
                *known = extent;
            } else if extent != 1 && *known != extent {
                return Err(cx.g.misfit("axes of one label differ in extent", &[term.id]));
            }
        }
    }
    Ok(extents)
}

/// Keeps the diagonal of axes that share a label.
fn diagonal(cx: &mut Cx<'_, '_>, term: Term) -> Result<Term, Reason> {
    let mut labels: Vec<char> = Vec::new();
    let mut steps: Vec<usize> = Vec::new();
    let mut shape: Vec<usize> = Vec::new();
    let from = cx.g.shape(term.id).to_vec();
    for (axis, &label) in term.labels.iter().enumerate() {
        let step = strides(&from)[axis];
        match labels.iter().position(|&known| known == label) {
            Some(at) if shape[at] == from[axis] => steps[at] += step,
            Some(_) => return Err(cx.g.misfit("axes of one label differ in extent", &[term.id])),
            None => {
                labels.push(label);
                steps.push(step);
                shape.push(from[axis]);
            }
        }
    }
    if labels.len() == term.labels.len() {
        return Ok(term);
    }
    let inner = strides(&shape);
    let count: usize = shape.iter().product();
    let source =
        |at: usize| (0..shape.len()).map(|a| at / inner[a] % shape[a] * steps[a]).sum::<usize>();
    let indices: Result<Vec<u32>, _> = (0..count).map(|at| u32::try_from(source(at))).collect();
    let indices = indices.map_err(|_| cx.g.misfit("below 2^32 elements", &[term.id]))?;
    let id = cx.g.push(Op::Move(Movement::Index { shape, indices }), &[term.id])?;
    Ok(Term { id, labels })
}

/// Expands axes of extent 1 to the extent of their label.
fn stretch(
    cx: &mut Cx<'_, '_>,
    term: Term,
    extents: &BTreeMap<char, usize>,
) -> Result<Term, Reason> {
    let shape: Vec<usize> = term.labels.iter().map(|label| extents[label]).collect();
    Ok(Term { id: cx.g.expand(term.id, &shape)?, ..term })
}

/// Sums over the labels that nothing needs.
fn reduce(cx: &mut Cx<'_, '_>, term: Term, needed: impl Fn(char) -> bool) -> Result<Term, Reason> {
    let axes: Vec<usize> =
        (0..term.labels.len()).filter(|&axis| !needed(term.labels[axis])).collect();
    if axes.is_empty() {
        return Ok(term);
    }
    let id = cx.g.reduce(Reducer::Sum, term.id, &axes)?;
    Ok(Term { id, labels: term.labels.into_iter().filter(|&label| needed(label)).collect() })
}

/// The product of two terms, summed over the labels that nothing else needs: one matrix product for
/// each batch.
fn contract(
    cx: &mut Cx<'_, '_>,
    a: Term,
    b: Term,
    needed: impl Fn(char) -> bool,
) -> Result<Term, Reason> {
    let a = reduce(cx, a, |label| needed(label) || b.labels.contains(&label))?;
    let b = reduce(cx, b, |label| needed(label) || a.labels.contains(&label))?;
    let shared = |label: &char| b.labels.contains(label);
    let batch: Vec<char> = a.labels.iter().copied().filter(|l| shared(l) && needed(*l)).collect();
    let summed: Vec<char> = a.labels.iter().copied().filter(|l| shared(l) && !needed(*l)).collect();
    let rows: Vec<char> = a.labels.iter().copied().filter(|l| !shared(l)).collect();
    let columns: Vec<char> =
        b.labels.iter().copied().filter(|label| !a.labels.contains(label)).collect();
    let left = matrix(cx, &a, [&batch, &rows, &summed])?;
    let right = matrix(cx, &b, [&batch, &summed, &columns])?;
    let product = cx.g.push(Op::MatMul, &[left, right])?;
    let mut shape = Vec::new();
    let mut labels = Vec::new();
    for (term, group) in [(&a, &batch), (&a, &rows), (&b, &columns)] {
        shape.extend(group.iter().map(|&label| extent(cx, term, label)));
        labels.extend(group);
    }
    Ok(Term { id: cx.g.reshape(product, &shape)?, labels })
}

/// A term as `[batch, rows, columns]`, or `[rows, columns]` without batch labels.
fn matrix(cx: &mut Cx<'_, '_>, term: &Term, groups: [&[char]; 3]) -> Result<NodeId, Reason> {
    let order = groups.concat();
    let perm: Vec<usize> = order
        .iter()
        .filter_map(|label| term.labels.iter().position(|known| known == label))
        .collect();
    let shape: Vec<usize> = groups
        .iter()
        .map(|group| group.iter().map(|&label| extent(cx, term, label)).product())
        .collect();
    let shape = if groups[0].is_empty() { &shape[1..] } else { &shape };
    let id = cx.g.transpose(term.id, &perm)?;
    cx.g.reshape(id, shape)
}

fn extent(cx: &Cx<'_, '_>, term: &Term, label: char) -> usize {
    let axis = term.labels.iter().position(|&known| known == label);
    axis.map_or(1, |axis| cx.g.shape(term.id)[axis])
}
