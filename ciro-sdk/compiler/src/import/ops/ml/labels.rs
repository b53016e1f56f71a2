//! Class labels: integers, or names as positions in a list.

use std::sync::Arc;

use crate::float::NodeId;
use crate::import::Reason;
use crate::import::context::{Context, bad};
use crate::import::data_type::DataType;
use crate::import::ops::gather::gather_axis;
use crate::import::value::Value;

/// The labels of a classifier's classes.
#[derive(Clone, Debug)]
pub(super) enum Labels {
    Integers(Vec<f64>),
    Names(Arc<Vec<String>>),
}

impl Labels {
    /// Reads the labels from the attributes of the given names.
    pub(super) fn read(cx: &Context<'_, '_>, integers: &str, names: &str) -> Result<Self, Reason> {
        let strings = cx.texts(names);
        if !strings.is_empty() {
            return Ok(Self::Names(Arc::new(strings)));
        }
        match cx.ints(integers) {
            Some(labels) if !labels.is_empty() => {
                Ok(Self::Integers(labels.iter().map(|&label| label as f64).collect()))
            }
            _ => Err(bad(integers, "is missing")),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(labels) => labels.len(),
            Self::Names(names) => names.len(),
        }
    }

    /// The labels of the classes at computed positions.
    pub(super) fn at(&self, cx: &mut Context<'_, '_>, positions: NodeId) -> Result<Value, Reason> {
        match self {
            Self::Names(names) => Ok(named(positions, names)),
            Self::Integers(labels) => {
                let counted = labels.iter().copied().eq((0..labels.len()).map(|at| at as f64));
                let id = if counted {
                    positions
                } else {
                    let table = cx.g.vector(labels.clone())?;
                    gather_axis(cx, table, positions, 0)?
                };
                Ok(Value::new(id, DataType::Int64))
            }
        }
    }

    /// The second class where the condition holds, else the first.
    pub(super) fn second_if(
        &self,
        cx: &mut Context<'_, '_>,
        condition: NodeId,
    ) -> Result<Value, Reason> {
        match self {
            Self::Names(names) => Ok(named(condition, names)),
            Self::Integers(labels) => {
                let (first, second) = (cx.g.scalar(labels[0])?, cx.g.scalar(labels[1])?);
                let id = match labels[..2] {
                    [0.0, 1.0] => condition,
                    _ => cx.g.choose(condition, second, first)?,
                };
                Ok(Value::new(id, DataType::Int64))
            }
        }
    }

    /// The label `1` where the condition holds, else `0`, whatever the labels are.
    pub(super) fn one_if(&self, condition: NodeId) -> Value {
        match self {
            Self::Names(names) => named(condition, names),
            Self::Integers(_) => Value::new(condition, DataType::Int64),
        }
    }
}

fn named(id: NodeId, names: &Arc<Vec<String>>) -> Value {
    Value { id, kind: DataType::String, names: Some(names.clone()) }
}
