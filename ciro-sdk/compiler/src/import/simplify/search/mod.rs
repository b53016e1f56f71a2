//! Searches in constant tables are functions of what is searched for.
//!
//! A search among sorted entries (the quantiles of a column) compares an element with an entry, and
//! the result leads to the next one. Whatever it finds and whatever is made of that, in the end
//! there is a function of one element: between the values at which a comparison turns it is one
//! expression. Each is found by following the graph with the element as a variable, so that nothing
//! is sampled and nothing rounded.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::{self, Split};
use super::dominators::{computed, dominators};
use super::symbol::{Place, Symbol, Unknown, joined, reduced, with_missing};
use crate::float::{Graph, Node, NodeId, Op, Reducer, ScalarFn};
use ciro_model::movement::Source;

/// The most elements of what is searched for.
const ELEMENTS_MAX: usize = 1 << 10;
/// The most elements of all that is made of it.
const REGION_MAX: usize = 1 << 17;
/// The most places that the range of one element is divided into.
const PLACES_MAX: usize = 1 << 13;
/// The most values that are followed for one element of what is searched for.
const EACH_MAX: usize = 1 << 25;
/// The most values of all places that are held for one element of what is searched for.
const HELD_MAX: usize = 1 << 21;
/// The most nodes, elements and values that are looked at for a graph, all in all.
const WORK_MAX: usize = 1 << 28;
/// What one part of a function counts as of these.
const PART_WORK: usize = 64;
/// How many operators may turn out to have no expression.
const BLOCKED_MAX: usize = 16;

/// Replaces what is made of searches by functions; returns whether there were any.
pub(super) fn unfold(graph: &mut Graph) -> bool {
    let mut splits = BTreeMap::new();
    let mut inside: BTreeSet<usize> = BTreeSet::new();
    let mut left = WORK_MAX;
    for root in roots(graph, &mut left) {
        if inside.contains(&root.index()) {
            continue;
        }
        let Some((region, functions)) = functions(graph, root, &mut left) else { continue };
        inside.extend(region.members.keys());
        splits.extend(functions);
    }
    if splits.is_empty() {
        return false;
    }
    columns::rebuild(graph, &splits);
    true
}

/// Takes work from what is left; `None` if it is more, and then nothing is left.
fn spend(left: &mut usize, work: usize) -> Option<()> {
    let rest = left.checked_sub(work);
    *left = rest.unwrap_or(0);
    rest.map(drop)
}

/// What tables are searched for: the nearest node that all ways to a position come through, where
/// there are several, or what the nearest of several entries is found for.
fn roots(graph: &Graph, left: &mut usize) -> BTreeSet<NodeId> {
    let is_search = |node: &Node| {
        node.op == Op::Gather
            && node.operands.first().is_some_and(|&id| graph.constant(id).is_some())
    };
    if !graph.nodes.iter().any(is_search) {
        return BTreeSet::new();
    }
    let dominators = dominators(graph);
    let searches = graph.nodes.iter().filter(|node| is_search(node));
    searches.filter_map(|node| root(graph, &dominators, node.operands[1], left)).collect()
}

fn root(
    graph: &Graph,
    dominators: &[Option<NodeId>],
    mut at: NodeId,
    left: &mut usize,
) -> Option<NodeId> {
    let mut nearest = false;
    loop {
        spend(left, 1)?;
        let node = graph.node(at);
        if !Region::takes(&node.op) {
            return nearest.then_some(at);
        }
        nearest |= chooses(graph, node);
        let operands = computed(graph, node);
        match operands.len() {
            0 => return None,
            1 => at = *operands.first()?,
            _ => return dominators[at.index()].or(nearest.then_some(at)),
        }
    }
}

/// Whether a node is the position of the least or greatest of several numbers; of two, it is a
/// comparison.
fn chooses(graph: &Graph, node: &Node) -> bool {
    let several = |&id: &NodeId| graph.node(id).shape.last().is_some_and(|&entries| entries > 2);
    matches!(node.op, Op::Reduce(Reducer::ArgMax | Reducer::ArgMin))
        && node.operands.iter().all(several)
}

/// Everything that is a function of the root, element by element.
struct Region<'g> {
    graph: &'g Graph,
    root: NodeId,
    members: BTreeMap<usize, Member>,
}

/// A node each of whose elements depends on one element of the root, or on none.
struct Member {
    /// That element.
    of: Vec<Option<u32>>,
    /// Where a movement's elements come from.
    moved: Vec<Source>,
    /// Whether a search has been made on the way.
    searched: bool,
}

/// One element that is followed.
struct Task {
    at: usize,
    element: usize,
    reads: Vec<Read>,
}

/// What an element is computed from.
enum Read {
    Known(f64),
    Variable,
    /// The value of an earlier task.
    Task(usize),
}

/// Why an element has no expression in a place.
enum Stop {
    Turns(f64),
    /// The node has none.
    At(usize),
}

/// Why a region has no functions.
enum Halt {
    /// The node has no expression.
    At(usize),
    TooLarge,
}

/// The functions of a search's root that others read, by their nodes.
fn functions<'g>(
    graph: &'g Graph,
    root: NodeId,
    left: &mut usize,
) -> Option<(Region<'g>, BTreeMap<usize, Split>)> {
    let mut blocked = BTreeSet::new();
    while blocked.len() < BLOCKED_MAX {
        let region = Region::of(graph, root, &blocked, left)?;
        match region.splits(left) {
            Ok(splits) if splits.is_empty() => return None,
            Ok(splits) => return Some((region, splits)),
            Err(Halt::At(node)) => blocked.insert(node),
            Err(Halt::TooLarge) => return None,
        };
    }
    None
}

impl<'g> Region<'g> {
    fn takes(op: &Op) -> bool {
        matches!(
            op,
            Op::Unary(_) | Op::Binary(_) | Op::Where | Op::Move(_) | Op::Gather | Op::Reduce(_)
        )
    }

    fn of(
        graph: &'g Graph,
        root: NodeId,
        blocked: &BTreeSet<usize>,
        left: &mut usize,
    ) -> Option<Self> {
        let elements = |node: &Node| node.shape.iter().product::<usize>();
        spend(left, graph.nodes.len())?;
        if elements(graph.node(root)) > ELEMENTS_MAX {
            return None;
        }
        let mut region = Self { graph, root, members: BTreeMap::new() };
        let mut total = 0;
        for (at, node) in graph.nodes.iter().enumerate().skip(root.index() + 1) {
            let inside = |id: &NodeId| *id == root || region.members.contains_key(&id.index());
            let operands = computed(graph, node);
            if !Self::takes(&node.op)
                || blocked.contains(&at)
                || operands.is_empty()
                || !operands.iter().all(inside)
            {
                continue;
            }
            if total + elements(node) > REGION_MAX {
                return None;
            }
            let read = node.operands.iter().map(|&id| elements(graph.node(id)));
            spend(left, read.fold(elements(node), usize::saturating_add))?;
            if let Some(member) = region.member(node) {
                total += elements(node);
                region.members.insert(at, member);
            }
        }
        Some(region)
    }

    /// The node as a member; `None` if one of its elements depends on two elements of the root.
    fn member(&self, node: &Node) -> Option<Member> {
        let moved = match &node.op {
            Op::Move(_) => self.graph.sources(node)?,
            Op::Gather => {
                self.graph.constant(node.operands[0])?;
                vec![]
            }
            _ => vec![],
        };
        let mut member = Member { of: vec![], moved, searched: node.op == Op::Gather };
        for element in 0..node.shape.iter().product() {
            let mut of = None;
            for (operand, index) in self.reads(node, &member.moved, element) {
                let own = self.depends(operand, index);
                if of.is_some() && own.is_some() && of != own {
                    return None;
                }
                of = of.or(own);
            }
            member.of.push(of);
        }
        let searched = |id: &NodeId| self.members.get(&id.index()).is_some_and(|m| m.searched);
        member.searched |= node.operands.iter().any(searched);
        Some(member)
    }

    /// The element of the root that an element of a node depends on.
    fn depends(&self, id: NodeId, index: usize) -> Option<u32> {
        if id == self.root {
            return u32::try_from(index).ok();
        }
        *self.members.get(&id.index())?.of.get(index)?
    }

    /// The elements that an element is computed from.
    fn reads(&self, node: &Node, moved: &[Source], element: usize) -> Vec<(NodeId, usize)> {
        let operands = &node.operands;
        match &node.op {
            Op::Move(_) => match moved.get(element) {
                Some(&Source::Element { operand, index }) => {
                    vec![(operands[operand as usize], index as usize)]
                }
                _ => vec![],
            },
            Op::Gather => {
                let width = self.graph.node(operands[0]).shape.get(1).copied().unwrap_or(1);
                vec![(operands[1], element / width.max(1))]
            }
            Op::Reduce(_) => {
                let row = self.graph.node(operands[0]).shape.last().copied().unwrap_or(1);
                (element * row..(element + 1) * row).map(|at| (operands[0], at)).collect()
            }
            _ => operands.iter().map(|&operand| (operand, element)).collect(),
        }
    }

    /// The functions that something outside reads.
    fn splits(&self, left: &mut usize) -> Result<BTreeMap<usize, Split>, Halt> {
        let mut read = vec![false; self.graph.nodes.len()];
        for (at, node) in self.graph.nodes.iter().enumerate() {
            if !self.members.contains_key(&at) {
                node.operands.iter().for_each(|id| read[id.index()] = true);
            }
        }
        self.graph.outputs.iter().for_each(|output| read[output.node.index()] = true);
        let ends = self.members.iter().filter(|(at, member)| member.searched && read[**at]);
        let split = |(&end, member): (&usize, &Member)| {
            let each = member.of.iter().map(|of| (of.unwrap_or_default(), ScalarFn::X));
            (end, Split { root: self.root, each: each.collect() })
        };
        let mut splits: BTreeMap<usize, Split> = ends.map(split).collect();
        let mut wanted: BTreeMap<u32, Vec<(usize, usize)>> = BTreeMap::new();
        for (&end, split) in &splits {
            for (element, &(source, _)) in split.each.iter().enumerate() {
                wanted.entry(source).or_default().push((end, element));
            }
        }
        for (source, own) in wanted {
            let functions = self.functions(source, &own, left)?;
            for ((end, element), f) in own.into_iter().zip(functions) {
                if let Some(split) = splits.get_mut(&end) {
                    split.each[element].1 = f;
                }
            }
        }
        Ok(splits)
    }

    /// What some elements are as functions of one element of the root, in their order.
    fn functions(
        &self,
        source: u32,
        wanted: &[(usize, usize)],
        left: &mut usize,
    ) -> Result<Vec<ScalarFn>, Halt> {
        let tasks = self.tasks(source, wanted);
        let positions: BTreeMap<(usize, usize), usize> =
            wanted.iter().copied().enumerate().map(|(position, at)| (at, position)).collect();
        let numbers: Vec<Option<usize>> =
            tasks.iter().map(|task| positions.get(&(task.at, task.element)).copied()).collect();
        let pick = |values: Vec<Symbol>| {
            let mut picked = vec![Symbol::Known(f64::NAN); wanted.len()];
            for (number, value) in numbers.iter().zip(values) {
                if let Some(number) = *number {
                    picked[number] = value;
                }
            }
            picked
        };
        let places = self.places(&tasks, wanted.len(), &pick, left)?;
        let missing = self.values(Place::At(f64::NAN), &tasks).ok().map(pick);
        let function = |position: usize| -> Result<ScalarFn, Halt> {
            let values = places.iter().map(|(place, values)| (*place, values[position].clone()));
            let f = joined(values.collect()).ok_or(Halt::At(wanted[position].0))?;
            spend(left, PART_WORK.saturating_mul(f.size())).ok_or(Halt::TooLarge)?;
            Ok(match missing.as_ref().map(|values| &values[position]) {
                Some(&Symbol::Known(value)) => with_missing(f, value),
                _ => f,
            })
        };
        (0..wanted.len()).map(function).collect()
    }

    /// The values of tasks in every place of one element of the root, in its order; of each place
    /// only those that are picked, which are `held`.
    fn places(
        &self,
        tasks: &[Task],
        held: usize,
        pick: &dyn Fn(Vec<Symbol>) -> Vec<Symbol>,
        left: &mut usize,
    ) -> Result<Vec<(Place, Vec<Symbol>)>, Halt> {
        let each = tasks.iter().map(|task| task.reads.len().max(1)).sum::<usize>();
        let mut open = vec![Place::Between(f64::NEG_INFINITY, f64::INFINITY)];
        let (mut found, mut work) = (vec![], 0);
        while let Some(place) = open.pop() {
            work += each;
            spend(left, each).ok_or(Halt::TooLarge)?;
            let too_many = found.len() + open.len() > PLACES_MAX
                || found.len().saturating_mul(held) > HELD_MAX;
            if work > EACH_MAX || too_many {
                return Err(Halt::TooLarge);
            }
            match (self.values(place, tasks), place) {
                (Ok(values), _) => found.push((place, pick(values))),
                (Err(Stop::Turns(t)), Place::Between(lo, hi)) => {
                    open.extend([Place::Between(t, hi), Place::At(t), Place::Between(lo, t)]);
                }
                (Err(Stop::Turns(_)), Place::At(_)) => return Err(Halt::TooLarge),
                (Err(Stop::At(node)), _) => return Err(Halt::At(node)),
            }
        }
        Ok(found)
    }

    /// What has to be followed for some elements, in an order in which each reads only what comes
    /// before.
    fn tasks(&self, source: u32, wanted: &[(usize, usize)]) -> Vec<Task> {
        let (mut places, mut left) = (BTreeMap::new(), wanted.to_vec());
        while let Some((at, element)) = left.pop() {
            let Some(member) = self.members.get(&at) else { continue };
            let foreign = member.of[element].is_some_and(|of| of != source);
            if foreign || places.insert((at, element), 0).is_some() {
                continue;
            }
            let reads = self.reads(&self.graph.nodes[at], &member.moved, element);
            left.extend(reads.into_iter().map(|(id, index)| (id.index(), index)));
        }
        places.values_mut().enumerate().for_each(|(number, place)| *place = number);
        let read = |(id, index): (NodeId, usize)| match self.graph.constant(id) {
            Some(value) => Read::Known(value.data()[index]),
            None if id == self.root => Read::Variable,
            None => Read::Task(places[&(id.index(), index)]),
        };
        let task = |&(at, element): &(usize, usize)| {
            let reads = self.reads(&self.graph.nodes[at], &self.members[&at].moved, element);
            Task { at, element, reads: reads.into_iter().map(read).collect() }
        };
        places.keys().map(task).collect()
    }

    /// The value of each task.
    fn values(&self, place: Place, tasks: &[Task]) -> Result<Vec<Symbol>, Stop> {
        let mut known: Vec<Symbol> = Vec::with_capacity(tasks.len());
        for task in tasks {
            let read = |read: &Read| match *read {
                Read::Known(value) => Symbol::Known(value),
                Read::Variable => place.variable(),
                Read::Task(number) => known[number].clone(),
            };
            let operands: Vec<Symbol> = task.reads.iter().map(read).collect();
            let node = &self.graph.nodes[task.at];
            let value = self.value(place, node, task.element, &operands);
            known.push(value.map_err(|unknown| match unknown {
                Unknown::Turns(t) => Stop::Turns(t),
                Unknown::Never => Stop::At(task.at),
            })?);
        }
        Ok(known)
    }

    /// The value of one element.
    fn value(
        &self,
        place: Place,
        node: &Node,
        element: usize,
        operands: &[Symbol],
    ) -> Result<Symbol, Unknown> {
        match (&node.op, operands) {
            (Op::Unary(f), [x]) => place.apply(f, x),
            (Op::Binary(f), [a, b]) => place.binary(*f, a.clone(), b.clone()),
            (Op::Where, [Symbol::Known(c), a, b]) => Ok(if *c != 0.0 { a } else { b }.clone()),
            (Op::Move(_), [x]) => Ok(x.clone()),
            (Op::Move(movement), []) => {
                let fill = movement.fill().copied();
                fill.map(Symbol::Known).ok_or(Unknown::Never)
            }
            (Op::Gather, [Symbol::Known(row)]) => self.entry(node, element, *row),
            (Op::Reduce(reducer), row) => reduced(place, *reducer, row),
            _ => Err(Unknown::Never),
        }
    }

    /// The entry of a constant table.
    fn entry(&self, node: &Node, element: usize, row: f64) -> Result<Symbol, Unknown> {
        let table = self.graph.constant(node.operands[0]).ok_or(Unknown::Never)?;
        let &[rows, width] = table.shape() else { return Err(Unknown::Never) };
        let row = if row < 0.0 { row + rows as f64 } else { row };
        let row = crate::import::literal::usize_from(row).filter(|&row| row < rows);
        let row = row.ok_or(Unknown::Never)?;
        Ok(Symbol::Known(table.data()[row * width + element % width.max(1)]))
    }
}

#[cfg(test)]
mod tests;
