//! Bytes and their history.
