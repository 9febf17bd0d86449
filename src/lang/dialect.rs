//! Which surface a text is written in, and what its reader must know beforehand.

/// A surface of the language. It chooses syntax, never a kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Dialect {
    /// `VoxLogicA` 1: right-associative, a prefix operator takes the rest, upper case is operators.
    One,
    /// `VoxLogicA` 2, made whole: left-associative, a prefix operator binds tighter.
    #[default]
    Two,
}

impl Dialect {
    /// Returns the dialect that the first line of `text` asks for (`//! imgql 1`), if it does.
    pub fn asked_for(text: &str) -> Option<Dialect> {
        let first = text.strip_prefix('\u{feff}').unwrap_or(text).lines().next()?;
        let mut words = first.strip_prefix("//!")?.split_whitespace();
        match (words.next()?, words.next()?, words.next()) {
            ("imgql", "1", None) => Some(Dialect::One),
            ("imgql", "2", None) => Some(Dialect::Two),
            _ => None,
        }
    }
}

/// How to read a text. The default: the dialect that the text asks for, the stdlib's operators.
#[derive(Clone, Debug)]
pub struct Options {
    /// The dialect, whatever the first line says; `None` follows the first line.
    pub dialect: Option<Dialect>,
    /// Operators that cannot be told from names and separators by their text: those with letters
    /// (`B+`), and `;` or `#` where a namespace or an import declares them. Without effect in
    /// dialect 1, where every upper-case letter is of an operator.
    pub operators: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { dialect: None, operators: vec!["B+".to_owned()] }
    }
}

impl Options {
    /// Returns the default options, with the dialect forced.
    pub fn of(dialect: Dialect) -> Self {
        Self { dialect: Some(dialect), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_chooses() {
        assert_eq!(Dialect::asked_for("//! imgql 1\nlet x = 1"), Some(Dialect::One));
        assert_eq!(Dialect::asked_for("//!imgql  1  \r\n"), Some(Dialect::One));
        assert_eq!(Dialect::asked_for("//! imgql 2"), Some(Dialect::Two));
        assert_eq!(Dialect::asked_for("//! imgql 12"), None);
        assert_eq!(Dialect::asked_for("// imgql 1"), None);
        assert_eq!(Dialect::asked_for("\n//! imgql 1"), None);
        assert_eq!(Dialect::asked_for(""), None);
    }
}
