//! The laws of each seam, for each of its implementations, through the public API only.
//!
//! Rooms have laws of their own beside the code; here random histories are told to every
//! implementation, and what they answer is compared with a plain model or with each other.

#![allow(clippy::unwrap_used, reason = "tests")]

/// Runs each law on a fresh instance: `name` is a function that makes one and hands it to the law.
macro_rules! keeps_the_laws {
    ($name:ident, [$($law:ident),* $(,)?]) => {
        mod $name {
            $(#[test]
            fn $law() {
                super::$name(|it| super::$law(it));
            })*
        }
    };
}

mod claims;
mod index;
mod objects;
mod registry;
