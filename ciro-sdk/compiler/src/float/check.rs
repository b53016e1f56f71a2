//! Whether a graph keeps its own rules.

use std::collections::HashSet;

use super::ops::{self, Misfit};
use super::{Graph, GraphError, Node, Op};

impl Graph {
    /// Checks the order of nodes, every shape, and that names are unique.
    ///
    /// # Errors
    /// [`GraphError`] for the first node that breaks a rule.
    pub fn check(&self) -> Result<(), GraphError> {
        let mut names = HashSet::new();
        for (position, node) in self.nodes.iter().enumerate() {
            if !names.insert(node.name.as_str()) {
                return Err(GraphError::Name { node: node.name.clone() });
            }
            if let Some(operand) = node.operands.iter().find(|id| id.index() >= position) {
                return Err(GraphError::Order { node: node.name.clone(), operand: operand.0 });
            }
            self.check_node(node)?;
        }
        match self.outputs.iter().find(|output| output.node.index() >= self.nodes.len()) {
            Some(output) => Err(GraphError::Output { name: output.name.clone() }),
            None => Ok(()),
        }
    }

    fn check_node(&self, node: &Node) -> Result<(), GraphError> {
        let operands: Vec<&[usize]> =
            node.operands.iter().map(|&id| self.node(id).shape.as_slice()).collect();
        let refuse = |what| GraphError::Shape {
            node: node.name.clone(),
            op: node.origin.clone(),
            what,
            shapes: operands.iter().map(|shape| shape.to_vec()).collect(),
        };
        let shape = match (ops::shape(&node.op, &operands), &node.op) {
            (Ok(Some(shape)), _) => shape,
            (Ok(None), Op::Input { index }) => match self.inputs.get(*index) {
                Some(input) => input.shape.clone(),
                None => return Err(refuse("the graph has no such input")),
            },
            (Ok(None), _) => return Err(refuse("only inputs have a shape of their own")),
            (Err(Misfit::Rule(what)), _) => return Err(refuse(what)),
            (Err(Misfit::Movement(source)), _) => {
                return Err(GraphError::Movement {
                    node: node.name.clone(),
                    op: node.origin.clone(),
                    source,
                });
            }
        };
        if shape != node.shape {
            return Err(refuse("the node's shape is not what its operator gives"));
        }
        Ok(())
    }
}
