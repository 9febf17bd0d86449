//! Text to plan: the only room that sees both syntax and nodes.
//!
//! Read it in the order of the walk: [`request`] and [`files`] (what is asked, and of whom),
//! [`program`] (the whole) and [`lowered`] (what it gives); [`unit`](mod@unit) (commands), [`import`],
//! [`library`] (as documentation: [`reference`](mod@reference)), [`scope`] (names), [`settle`] (expressions to steps) with [`word`] and [`string`], and
//! [`code`] (the steps); [`session`] and
//! [`item`] (what is known), [`machine`] (runs steps), [`report`], [`loops`], [`apply`], [`node`], [`form`],
//! [`read`], [`goal`], [`later`] (what waits); [`mistake`] (the codes) with [`explain`] (what
//! they mean), and [`suggest`].
//!
//! It may import `lang`, `plan`, `primitive`, `value`, `canon` and `id`; it opens no file and knows no
//! store. Invariants: names are settled before anything is expanded, so that every mistake is found
//! in one go; nothing recurses with the program; equal programs give equal nodes whatever their
//! names, order and layout; one mistake gives one diagnostic.

pub mod apply;
pub mod code;
pub mod explain;
pub mod files;
pub mod form;
pub mod goal;
pub mod import;
pub mod item;
pub mod later;
pub mod library;
pub mod loops;
pub mod lowered;
pub mod machine;
pub mod mistake;
pub mod node;
pub mod program;
pub mod read;
pub mod reference;
pub mod report;
pub mod request;
pub mod scope;
pub mod session;
pub mod settle;
pub mod string;
pub mod suggest;
pub mod unit;
pub mod word;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod limits;
#[cfg(test)]
pub mod toy;
