//! Computes what goals need.
