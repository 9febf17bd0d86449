//! Kernels that look at neighbours: morphology, components, distance, correlation.
