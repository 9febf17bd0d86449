//! Joins the parts and hands out plain structs.
