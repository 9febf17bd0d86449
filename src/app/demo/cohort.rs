//! Writes the folder of the demo.
