//! The DAG of nodes, each named by what it computes.
