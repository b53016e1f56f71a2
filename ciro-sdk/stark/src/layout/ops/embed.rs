//! Rows of constant matrices.

use std::collections::BTreeMap;

use crate::layout::collect::Collector;
use crate::rows::embedding::{Embedding, matrix_table};
use crate::rows::table::Tables;

/// The lookups of all nodes; nodes that read one matrix share its table.
pub(in crate::layout) fn embeddings(
    collector: &Collector<'_>,
    tables: &mut Tables,
) -> Vec<Embedding> {
    let mut numbers = BTreeMap::new();
    collector
        .embeds
        .iter()
        .map(|&(id, matrix)| {
            let matrix_of = &collector.model.constants()[matrix];
            let table = *numbers.entry(matrix).or_insert_with(|| matrix_table(matrix_of, tables));
            Embedding {
                table,
                width: matrix_of.shape()[1],
                indices: collector.all_cells(collector.model.node(id).operands[0]),
                results: collector.all_cells(id),
            }
        })
        .collect()
}
