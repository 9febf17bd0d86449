//! The plan: nodes that are one when they are equal.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::canon::Tree;
use crate::id::{BlobId, Digest, NodeId};
use crate::plan::goal::Goal;
use crate::plan::node::{self, Entry};
use crate::plan::template::{Expand, Fault, FaultClass, Template, TemplateIndex};
use crate::primitive::signature::Signature;
use crate::value::data::Value;
use crate::value::kind::Kind;

/// Where a node lies in its plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeIndex(pub u32);

/// What stands in the place of an argument.
#[derive(Clone, Debug)]
pub enum Arg {
    /// Another node of the plan.
    Node(NodeIndex),
    /// A literal.
    Literal(Value),
}

/// What an expression has become.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A node of the plan.
    Node(NodeIndex),
    /// A literal.
    Literal(Value),
    /// Something that is known when other values are.
    Template(TemplateIndex),
}

/// Where in the sources a node was written; the plan keeps it for messages and never looks inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// Which source.
    pub source: u32,
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

/// The files of a read node: where they were found while lowering, and what they held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// In the order the format fixes.
    pub paths: Vec<PathBuf>,
    /// The digest of each.
    pub digests: Vec<Digest>,
}

#[derive(Clone, Copy)]
struct Node {
    id: NodeId,
    op: u32,
    params: u32,
    args: u32,
    count: u32,
    lam: u32,
    kind: Kind,
    origin: Origin,
}

/// The DAG of one run, with its goals.
#[derive(Default)]
pub struct Plan {
    nodes: Vec<Node>,
    args: Vec<Arg>,
    ops: Vec<Signature>,
    op_numbers: HashMap<&'static str, u32>,
    params: Vec<Arc<Tree>>,
    numbers: HashMap<NodeId, NodeIndex>,
    files: HashMap<NodeIndex, Files>,
    templates: Vec<Template>,
    /// What the program prints and saves, in program order.
    pub goals: Vec<Goal>,
}

impl Plan {
    /// Begins without nodes.
    pub fn new() -> Self {
        Self { params: vec![Arc::new(Tree::Map(Vec::new()))], ..Self::default() }
    }

    /// Adds a node, or finds the equal one that is there.
    ///
    /// `params` is `None` for `{}`. The origin of the first of equal nodes stands.
    pub fn node(
        &mut self,
        signature: &Signature,
        args: Vec<Arg>,
        params: Option<Tree>,
        kind: Kind,
        origin: Origin,
    ) -> NodeIndex {
        let id = {
            let entries: Vec<Entry<'_>> = args.iter().map(|arg| self.entry(arg)).collect();
            let params = params.as_ref().unwrap_or(&self.params[0]);
            node::node_id(signature.name, signature.version, &entries, params)
        };
        if let Some(index) = self.numbers.get(&id) {
            return *index;
        }
        let op = *self.op_numbers.entry(signature.name).or_insert_with(|| {
            self.ops.push(*signature);
            (self.ops.len() - 1) as u32
        });
        let params = match params {
            None => 0,
            Some(tree) => {
                self.params.push(Arc::new(tree));
                (self.params.len() - 1) as u32
            }
        };
        let lam = args
            .iter()
            .map(|arg| match arg {
                Arg::Node(index) => self.nodes[index.0 as usize].lam + 1,
                Arg::Literal(_) => 1,
            })
            .max()
            .unwrap_or(0);
        let index = NodeIndex(self.nodes.len() as u32);
        let first = self.args.len() as u32;
        let count = args.len() as u32;
        self.args.extend(args);
        self.nodes.push(Node { id, op, params, args: first, count, lam, kind, origin });
        self.numbers.insert(id, index);
        index
    }

    fn entry<'a>(&self, arg: &'a Arg) -> Entry<'a> {
        match arg {
            Arg::Node(index) => Entry::Node(self.nodes[index.0 as usize].id.0),
            Arg::Literal(value) => Entry::Literal(value),
        }
    }

    /// Returns the count of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Says whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Visits all nodes, arguments before the nodes that use them.
    pub fn indices(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.nodes.len() as u32).map(NodeIndex)
    }

    /// Returns a node's id.
    pub fn id(&self, index: NodeIndex) -> NodeId {
        self.nodes[index.0 as usize].id
    }

    /// Finds a node by its id.
    pub fn find(&self, id: NodeId) -> Option<NodeIndex> {
        self.numbers.get(&id).copied()
    }

    /// Returns the operator.
    pub fn signature(&self, index: NodeIndex) -> &Signature {
        &self.ops[self.nodes[index.0 as usize].op as usize]
    }

    /// Returns the arguments.
    pub fn args(&self, index: NodeIndex) -> &[Arg] {
        let node = &self.nodes[index.0 as usize];
        &self.args[node.args as usize..][..node.count as usize]
    }

    /// Returns the arguments that are nodes, in order, each as often as it stands.
    pub fn arg_nodes(&self, index: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        self.args(index).iter().filter_map(|arg| match arg {
            Arg::Node(index) => Some(*index),
            Arg::Literal(_) => None,
        })
    }

    /// Returns `p`.
    pub fn params(&self, index: NodeIndex) -> &Arc<Tree> {
        &self.params[self.nodes[index.0 as usize].params as usize]
    }

    /// Returns the kind of the result as far as it is known.
    pub fn kind(&self, index: NodeIndex) -> Kind {
        self.nodes[index.0 as usize].kind
    }

    /// Returns the depth that records carry: 1 + the greatest of the arguments.
    pub fn lam(&self, index: NodeIndex) -> u32 {
        self.nodes[index.0 as usize].lam
    }

    /// Returns where the node was written.
    pub fn origin(&self, index: NodeIndex) -> Origin {
        self.nodes[index.0 as usize].origin
    }

    /// Returns the canonical description, whose digest is the id.
    pub fn definition(&self, index: NodeIndex) -> Vec<u8> {
        let signature = self.signature(index);
        let entries: Vec<Entry<'_>> = self.args(index).iter().map(|arg| self.entry(arg)).collect();
        node::definition(signature.name, signature.version, &entries, self.params(index))
    }

    /// Returns the cut-off key, given the blob of each argument that is a node, in order.
    ///
    /// A literal too long to be written out is an argument by its own blob.
    pub fn cut_key(&self, index: NodeIndex, blobs: &[BlobId]) -> Digest {
        let signature = self.signature(index);
        let mut blobs = blobs.iter();
        let entries: Vec<Entry<'_>> = self
            .args(index)
            .iter()
            .map(|arg| match arg {
                Arg::Node(_) => Entry::Node(blobs.next().expect("one blob for each node").0),
                Arg::Literal(value) => Entry::Literal(value),
            })
            .collect();
        node::cut_key(signature.name, signature.version, &entries, self.params(index))
    }

    /// Notes where the files of a read node lie.
    pub fn set_files(&mut self, index: NodeIndex, files: Files) {
        self.files.insert(index, files);
    }

    /// Returns where the files of a read node lie.
    pub fn files(&self, index: NodeIndex) -> Option<&Files> {
        self.files.get(&index)
    }

    /// Returns the files of all read nodes, in no order.
    pub fn all_files(&self) -> impl Iterator<Item = (NodeIndex, &Files)> {
        self.files.iter().map(|(index, files)| (*index, files))
    }

    /// Adds a template.
    pub fn template(&mut self, template: Template) -> TemplateIndex {
        self.templates.push(template);
        TemplateIndex((self.templates.len() - 1) as u32)
    }

    /// Returns the count of templates.
    pub fn templates(&self) -> usize {
        self.templates.len()
    }

    /// Fills the hole of a template, given what it waits for, in order; once.
    pub fn expand(
        &mut self,
        index: TemplateIndex,
        values: &[(Operand, Value)],
    ) -> Result<Operand, Fault> {
        // Taken out meanwhile, because it adds to the very plan that holds it.
        let template = &mut self.templates[index.0 as usize];
        let expand = std::mem::replace(&mut template.expand, Box::new(Taken));
        let expanded = expand.expand(values, self);
        self.templates[index.0 as usize].expand = expand;
        expanded
    }

    /// Returns a template.
    pub fn template_at(&self, index: TemplateIndex) -> &Template {
        &self.templates[index.0 as usize]
    }
}

/// Stands for a template that is being expanded: nobody can ask for it meanwhile.
struct Taken;

impl Expand for Taken {
    fn expand(&self, _: &[(Operand, Value)], _: &mut Plan) -> Result<Operand, Fault> {
        Err(Fault {
            class: FaultClass::Program,
            code: "E0000".to_owned(),
            message: "a template stands for itself".to_owned(),
            origin: Origin::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::primitive::signature::{Cost, Form, Signature, Slot};

    const ADD: Signature = Signature::new(
        "toy.add",
        &["a", "b"],
        &[Form::new(&[Slot::Number, Slot::Number], Kind::Number)],
        Cost::Scalar,
        "adds",
    );

    #[test]
    fn equal_nodes_are_one_and_depth_counts_arguments() {
        let mut plan = Plan::new();
        let mut add =
            |a: Arg, b: Arg| plan.node(&ADD, vec![a, b], None, Kind::Number, Origin::default());
        let number = |x| Arg::Literal(Value::Number(x));
        let a = add(number(1.0), number(2.0));
        assert_eq!(add(number(1.0), number(2.0)), a);
        let b = add(Arg::Node(a), number(2.0));
        assert_ne!(add(number(2.0), Arg::Node(a)), b);
        assert_eq!((plan.lam(a), plan.lam(b)), (1, 2));
        assert_eq!(NodeId(Digest::of(&plan.definition(b))), plan.id(b));
        assert_eq!(plan.len(), 3);
    }
}
