//! The contract of operators.
