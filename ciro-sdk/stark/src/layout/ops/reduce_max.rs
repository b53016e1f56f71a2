//! Maxima over the last axis.

use ciro_model::integer::NodeId;

use crate::chips::unique::Width;
use crate::layout::LayoutError;
use crate::layout::collect::Collector;

/// One group for each result.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) -> Result<(), LayoutError> {
    let groups = collector.groups(id, Width::of_maximum)?;
    collector.maxima.push(groups);
    Ok(())
}
