//! People at a terminal.
