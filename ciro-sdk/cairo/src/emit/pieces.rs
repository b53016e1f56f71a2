//! Movements as few nested copies.

use ciro_model::movement::Source;

/// One axis of a nested copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// How many positions it has.
    pub(super) extent: usize,
    /// The distance of neighbouring positions in the operand.
    pub(super) stride: usize,
}

/// A stretch of a movement's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Fill values.
    Fill {
        /// How many.
        count: usize,
    },
    /// Elements of one operand on a regular grid.
    Copy {
        /// Which operand.
        operand: usize,
        /// Its first element.
        first: usize,
        /// The grid's axes, outermost first; strides are at least 1 except for repeated axes (0 is
        /// not used).
        axes: Vec<Axis>,
    },
}

/// Describes a movement's sources by pieces, greedily as large as possible.
pub(super) fn pieces(sources: &[Source]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = sources
        .iter()
        .map(|source| match *source {
            Source::Fill => Piece::Fill { count: 1 },
            Source::Element { operand, index } => {
                Piece::Copy { operand: operand as usize, first: index as usize, axes: vec![] }
            }
        })
        .collect();
    loop {
        let merged = merge(&pieces);
        if merged.len() == pieces.len() {
            return merged;
        }
        pieces = merged;
    }
}

/// Joins neighbouring fills, and neighbouring copies of one grid at a constant distance, into one
/// more axis.
fn merge(pieces: &[Piece]) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::new();
    let mut rest = pieces;
    while let Some((piece, _)) = rest.split_first() {
        let (piece, taken) = match piece {
            Piece::Fill { .. } => {
                let fills = rest.iter().map_while(|piece| match piece {
                    Piece::Fill { count } => Some(*count),
                    Piece::Copy { .. } => None,
                });
                let fills: Vec<usize> = fills.collect();
                (Piece::Fill { count: fills.iter().sum() }, fills.len())
            }
            Piece::Copy { operand, first, axes } => {
                let (extent, stride) = repeats(rest, *operand, *first, axes);
                let axis = (extent > 1).then_some(Axis { extent, stride });
                let axes = axis.into_iter().chain(axes.iter().copied()).collect();
                (Piece::Copy { operand: *operand, first: *first, axes }, extent)
            }
        };
        merged.push(piece);
        rest = &rest[taken..];
    }
    merged
}

/// How often the first piece repeats, and at what distance.
fn repeats(pieces: &[Piece], operand: usize, first: usize, axes: &[Axis]) -> (usize, usize) {
    let start = |piece: &Piece| match piece {
        Piece::Copy { operand: o, first, axes: a } if *o == operand && a == axes => Some(*first),
        _ => None,
    };
    let Some(second) = pieces.get(1).and_then(start) else { return (1, 0) };
    // A grid never steps back, nor stays where it is: the loops in Cairo count positions.
    let Some(stride) = second.checked_sub(first).filter(|&stride| stride > 0) else {
        return (1, 0);
    };
    let extent = (0..)
        .zip(pieces)
        .take_while(|(index, piece)| start(piece) == Some(first + index * stride))
        .count();
    (extent, stride)
}

#[cfg(test)]
mod tests {
    use ciro_model::movement::Movement;

    use super::*;

    fn plan(movement: &Movement<i32>, shapes: &[&[usize]]) -> Vec<Piece> {
        pieces(&movement.plan(shapes).unwrap().sources)
    }

    /// Expands pieces again.
    fn expand(pieces: &[Piece]) -> Vec<Source> {
        let mut sources = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Fill { count } => sources.extend(vec![Source::Fill; *count]),
                Piece::Copy { operand, first, axes } => {
                    let starts = axes.iter().fold(vec![*first], |starts, axis| {
                        let steps = |at: usize| (0..axis.extent).map(move |i| at + i * axis.stride);
                        starts.into_iter().flat_map(steps).collect()
                    });
                    let operand = u32::try_from(*operand).unwrap();
                    sources.extend(starts.into_iter().map(|index| Source::Element {
                        operand,
                        index: u32::try_from(index).unwrap(),
                    }));
                }
            }
        }
        sources
    }

    #[test]
    fn transpositions_are_one_piece() {
        let transpose = Movement::Transpose { perm: vec![2, 0, 1] };
        assert_eq!(plan(&transpose, &[&[3, 4, 5]]).len(), 1);
    }

    #[test]
    fn pieces_stand_for_the_same_sources() {
        let movements: [(Movement<i32>, &[&[usize]]); 4] = [
            (Movement::Concat { axis: 1 }, &[&[2, 3], &[2, 1]]),
            (Movement::Select { axis: 0, indices: vec![3, 3, 0, 2] }, &[&[4, 2]]),
            (Movement::Pad { pads: vec![(1, 0), (2, 1)], fill: 0 }, &[&[2, 2]]),
            (Movement::Expand { shape: vec![2, 3, 2] }, &[&[3, 1]]),
        ];
        for (movement, shapes) in movements {
            let sources = movement.plan(shapes).unwrap().sources;
            assert_eq!(expand(&pieces(&sources)), sources, "{movement:?}");
        }
    }
}
