//! Syntax tree to plan.
