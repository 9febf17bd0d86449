//! The DAG of nodes, each named by what it computes.
//!
//! Read [`node`] (what a name is made of), then [`graph`] (equal nodes are one), [`goal`] and
//! [`template`]. This room may import `codec`, `primitive`, `value`, `canon` and `id`; it knows no text
//! and no store. Arguments come before the nodes that use them, so a cycle cannot be built.

pub mod goal;
pub mod graph;
pub mod node;
pub mod template;
