//! What a program computes.
