//! Names and operators of a program, interned.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::lang::ast::Symbol;

/// Names and operators, each once.
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
    colon: bool,
    known: HashMap<u64, Vec<Symbol>, BuildHasherDefault<Through>>,
}

impl Names {
    /// Returns the symbol of a text, a new one if it has none.
    pub fn intern(&mut self, text: &str) -> Symbol {
        let hash = hash(text.as_bytes());
        let found = self.known.get(&hash).into_iter().flatten();
        if let Some(symbol) = found.copied().find(|&symbol| self.text(symbol) == text) {
            return symbol;
        }
        let symbol = Symbol(self.ends.len() as u32);
        self.colon |= text.starts_with(':');
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        self.known.entry(hash).or_default().push(symbol);
        symbol
    }

    /// Returns the symbol of a text that occurs.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        let found = self.known.get(&hash(text.as_bytes())).into_iter().flatten();
        found.copied().find(|&symbol| self.text(symbol) == text)
    }

    /// Returns the text of a symbol.
    pub fn text(&self, symbol: Symbol) -> &str {
        let index = symbol.0 as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    /// Returns how many there are; symbols count from 0.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether an operator among them begins with `:`.
    pub fn has_colon(&self) -> bool {
        self.colon
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Eight bytes a step, folded multiplications; the table's own hasher passes it through.
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let product = u128::from(state ^ u64::from_le_bytes(word)) * u128::from(FACTOR);
        state = (product as u64) ^ ((product >> 64) as u64) ^ FACTOR.rotate_left(17);
    }
    state.wrapping_mul(FACTOR)
}

/// Hands a hash that is one already to the table.
#[derive(Clone, Copy, Debug, Default)]
struct Through(u64);

impl Hasher for Through {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= hash(bytes);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn equal_names_are_one_symbol() {
        let mut names = Names::default();
        assert!(names.is_empty());
        let a = names.intern("alpha");
        let b = names.intern("+");
        let empty = names.intern("");
        assert_eq!(names.intern("alpha"), a);
        assert_eq!((names.text(a), names.text(b), names.text(empty)), ("alpha", "+", ""));
        assert_eq!(names.find("+").unwrap(), b);
        assert_eq!(names.find("beta"), None);
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn many_names_keep_their_texts() {
        let mut names = Names::default();
        let symbols: Vec<_> = (0..20_000).map(|i| names.intern(&format!("name{i}"))).collect();
        for (i, &symbol) in symbols.iter().enumerate() {
            assert_eq!(names.text(symbol), format!("name{i}"));
        }
        assert_eq!(names.len(), 20_000);
    }
}
