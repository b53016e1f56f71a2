//! Rows of embeddings.

use ciro_model::{Interval, Tensor};

use super::table::{Function, TableCounts, Tables};
use super::{Column, PlacedChip, Witness, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::embedding::{EmbedChip, EmbedFixed, EmbedWitness};
use crate::field::embed;
use crate::layout::cost::{Costs, LANES};
use crate::layout::wiring::{Address, Wiring};

/// The lookups of one embedding node.
#[derive(Clone, Debug)]
pub(crate) struct Embedding {
    /// Number of the function table: the matrix, row by row.
    pub(crate) table: u32,
    pub(crate) width: usize,
    /// Addresses of the indices.
    pub(crate) indices: Vec<Address>,
    /// Addresses of the results, `width` for each index.
    pub(crate) results: Vec<Address>,
}

/// A constant matrix as a function table.
pub(crate) fn matrix_table(matrix: &Tensor<i32>, tables: &mut Tables) -> u32 {
    let entries = i64::try_from(matrix.len()).expect("matrices fit memory");
    let domain = Interval::new(0, entries.max(1) - 1);
    tables.function(Function { domain, outputs: matrix.data().to_vec() })
}

/// Rows of all embeddings, before the readers of the results are known.
pub(crate) struct Embeddings {
    chip: EmbedChip,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    table: u32,
    width: u32,
    index: Address,
    first: u32,
    result: Address,
    /// Lanes that write their result.
    writers: usize,
}

impl Embeddings {
    /// Lays all embeddings; `None` if there is none.
    pub(crate) fn new(work: &[Embedding], costs: Costs, wiring: &mut Wiring<'_>) -> Option<Self> {
        // Every lane of a row looks an entry up: lanes divide the width.
        let divides = |lanes: u32| work.iter().all(|e| e.width.is_multiple_of(lanes as usize));
        let total: usize = work.iter().map(|e| e.results.len()).sum();
        if total == 0 {
            return None;
        }
        let candidates = LANES.iter().filter(|&&lanes| divides(lanes)).map(|&lanes| {
            let rows = total.div_ceil(lanes as usize);
            AnyChip::Embed(EmbedChip { log_size: costs.log_size(rows), lanes })
        });
        let AnyChip::Embed(chip) = costs.cheapest(candidates) else {
            unreachable!("only embeddings were offered")
        };
        let lanes = chip.lanes as usize;
        let mut rows = vec![];
        for embedding in work {
            let results = embedding.results.chunks(embedding.width);
            for (&index, results) in embedding.indices.iter().zip(results) {
                rows.extend(results.chunks(lanes).zip((0u32..).step_by(lanes)).map(
                    |(results, first)| Row {
                        table: embedding.table,
                        width: u32::try_from(embedding.width).expect("matrices fit memory"),
                        index,
                        first,
                        result: results[0],
                        writers: results.len(),
                    },
                ));
            }
        }
        let idle = Row { writers: 0, ..rows.first()?.clone() };
        pad(&mut rows, chip.log_size, idle);
        for row in &rows {
            wiring.read(row.index);
        }
        Some(Self { chip, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Embed(self.chip);
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for row in &self.rows {
            let readers = |lane: u32| {
                if (lane as usize) < row.writers { wiring.readers(row.result + lane) } else { 0 }
            };
            let cells = EmbedFixed {
                at_x: row.index.into(),
                width: row.width.into(),
                table: row.table.into(),
                first: row.first.into(),
                at_y: row.result.into(),
                readers: (0..self.chip.lanes).map(|lane| readers(lane).into()).collect(),
            };
            fixed.row(|to| cells.write(&self.chip, to));
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Witness for Embeddings {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let mut columns = Filler::new(2 + self.chip.lanes as usize, self.rows.len());
        let signed = |value: u32| i32::try_from(value).expect("matrices fit memory");
        for row in &self.rows {
            let x = values[row.index as usize];
            let position = x * signed(row.width) + signed(row.first);
            let mut entry = |lane: u32| {
                let entry = position + signed(lane);
                counts.function(tables, row.table, entry);
                embed(tables.apply(row.table, entry))
            };
            let values = (0..self.chip.lanes).map(&mut entry).collect();
            let cells = EmbedWitness { x: embed(x), position: embed(position), values };
            columns.row(|to| cells.write(&self.chip, to));
        }
        columns.into_columns()
    }
}
