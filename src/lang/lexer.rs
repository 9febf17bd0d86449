//! Text to tokens. Without state: a token is a function of the text and where to begin, because
//! where a token ends may depend on what the parser expects (a declaration's `=`, a slice's `:`).

use crate::lang::dialect::Dialect;
use crate::lang::token::{Kind, Token};

/// Reads the tokens of one text.
#[derive(Clone, Copy, Debug)]
pub struct Lexer<'s> {
    text: &'s str,
    dialect: Dialect,
}

/// A comment that was passed over.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Whether it is the first thing of its line.
    pub own_line: bool,
    /// Whether a blank line stands before it.
    pub spaced: bool,
}

/// Whether a byte is an operator character of both dialects.
pub fn is_symbol(byte: u8) -> bool {
    SYMBOL[byte as usize]
}

/// Whether a byte may begin a name of dialect 2.
pub fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// Whether a byte may go on in a name of dialect 2.
pub fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const SYMBOL: [bool; 256] = {
    let mut table = [false; 256];
    let symbols = b"#;:'.|!$%&/^=*-+<>?@~\\";
    let mut i = 0;
    while i < symbols.len() {
        table[symbols[i] as usize] = true;
        i += 1;
    }
    table
};

impl<'s> Lexer<'s> {
    /// Reads `text` as `dialect`.
    pub fn new(text: &'s str, dialect: Dialect) -> Self {
        Self { text, dialect }
    }

    /// Returns the first token at or after `from`; `passed` is told the comments before it.
    pub fn token(&self, from: u32, mut passed: impl FnMut(Passed)) -> Token {
        let bytes = self.text.as_bytes();
        let mut at = from as usize;
        let mut first = at == 0;
        let mut newlines = 0;
        loop {
            match bytes.get(at) {
                Some(b'\n') => {
                    newlines += 1;
                    first = true;
                    at += 1;
                }
                Some(b' ' | b'\t' | b'\r' | 0x0b | 0x0c) => at += 1,
                Some(b'/') if bytes.get(at + 1) == Some(&b'/') => {
                    let rest = &self.text[at..];
                    let end = at + rest.find('\n').unwrap_or(rest.len());
                    let spaced = newlines > 1;
                    let (start, end) = (at as u32, end as u32);
                    passed(Passed { start, end, own_line: first, spaced });
                    newlines = 0;
                    at = end as usize;
                }
                Some(0x80..) => match self.char_at(at) {
                    Some(c) if c.is_whitespace() || (c == '\u{feff}' && at == 0) => {
                        at += c.len_utf8();
                    }
                    _ => break,
                },
                _ => break,
            }
        }
        let (kind, end) = self.kind(at);
        Token { kind, start: at as u32, end: end as u32, first, spaced: newlines > 1 }
    }

    /// Returns the end of the number that stands at `at` in the place of an operand of dialect 1:
    /// with a sign, in hexadecimal, or `nan`, `inf` and `infinity` in any case.
    pub fn number_of_one(&self, at: u32) -> Option<u32> {
        let bytes = self.text.as_bytes();
        let mut begin = at as usize;
        if matches!(bytes.get(begin), Some(b'+' | b'-')) {
            begin += 1;
        }
        let end = match bytes.get(begin)? {
            b'0'..=b'9' => self.number(begin),
            b'i' | b'I' | b'n' | b'N' => {
                let word = |c: &u8| c.is_ascii_alphabetic();
                let len = bytes[begin..].iter().take(9).take_while(|c| word(c)).count();
                let end = begin + len;
                let known = ["nan", "inf", "infinity"];
                let text = &self.text[begin..end];
                if !known.iter().any(|word| word.eq_ignore_ascii_case(text))
                    || self.char_at(end).is_some_and(char::is_alphanumeric)
                {
                    return None;
                }
                end
            }
            _ => return None,
        };
        Some(end as u32)
    }

    /// Returns the end of the longest text at `at` that looks like an operator with letters:
    /// upper case, then an operator character, then both in any order; at most `most` bytes.
    pub fn lettered(&self, at: u32, most: usize) -> Option<u32> {
        let bytes = self.text.as_bytes();
        let at = at as usize;
        let stop = at + most;
        let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !bytes.get(at)?.is_ascii_uppercase() {
            return None;
        }
        let head = at + bytes[at..].iter().take(most).take_while(|&&byte| letter(byte)).count();
        let mut end = head;
        while end < stop && bytes.get(end).is_some_and(|&byte| letter(byte) || self.goes_on(end)) {
            end += 1;
        }
        (end > head && self.goes_on(head)).then_some(end as u32)
    }

    /// Returns the end of the operator characters at `at`.
    pub fn symbols(&self, at: u32) -> u32 {
        let mut end = at as usize;
        while self.goes_on(end) {
            end += 1;
        }
        end as u32
    }

    /// Returns the text.
    pub fn text(&self) -> &'s str {
        self.text
    }

    /// Returns the dialect.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn kind(&self, at: usize) -> (Kind, usize) {
        let bytes = self.text.as_bytes();
        let Some(&byte) = bytes.get(at) else { return (Kind::End, at) };
        let two = self.dialect == Dialect::Two;
        match byte {
            b'(' => (Kind::OpenParen, at + 1),
            b')' => (Kind::CloseParen, at + 1),
            b'[' => (Kind::OpenBracket, at + 1),
            b']' => (Kind::CloseBracket, at + 1),
            b'{' => (Kind::OpenBrace, at + 1),
            b'}' => (Kind::CloseBrace, at + 1),
            b',' => (Kind::Comma, at + 1),
            b'"' => self.string(at),
            b'0'..=b'9' => (Kind::Number, self.number(at)),
            b'$' if two && bytes.get(at + 1).is_some_and(|&next| begins_name(next)) => {
                (Kind::Dollar, self.word(at + 1))
            }
            b'a'..=b'z' => self.name(at),
            b'A'..=b'Z' | b'_' if two => self.name(at),
            _ if is_symbol(byte) => self.run(at),
            _ if two => (Kind::Bad, self.skip_char(at)),
            _ => match self.char_at(at) {
                Some(c) if c == '_' || c.is_uppercase() => self.run(at),
                Some(c) if c.is_lowercase() => self.name(at),
                _ => (Kind::Bad, self.skip_char(at)),
            },
        }
    }

    fn run(&self, at: usize) -> (Kind, usize) {
        let bytes = self.text.as_bytes();
        if self.dialect == Dialect::Two {
            let end = self.symbols(at as u32) as usize;
            let digit = bytes.get(end).is_some_and(u8::is_ascii_digit);
            if end == at + 1 && bytes[at] == b'.' && digit {
                return (Kind::Number, self.exponent(self.digits(end)));
            }
            return (Kind::Run, end.max(at + 1));
        }
        let mut end = at;
        while let Some(c) = self.char_at(end) {
            let slashes = bytes[end..].starts_with(b"//");
            let ours = c == '_' || c.is_uppercase() || (c.is_ascii() && is_symbol(c as u8));
            if slashes || !ours {
                break;
            }
            end += c.len_utf8();
        }
        (Kind::Run, end)
    }

    /// Whether the byte at `at` belongs to a run of dialect 2 that has come this far.
    fn goes_on(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        match bytes.get(at) {
            Some(b'/') => next != b'/',
            Some(b'$') => !begins_name(next),
            Some(&byte) => is_symbol(byte),
            None => false,
        }
    }

    fn name(&self, at: usize) -> (Kind, usize) {
        if self.dialect == Dialect::One {
            let rest = &self.text[at..];
            let end = at + rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            let kind = match &self.text[at..end] {
                "let" => Kind::Let,
                "true" => Kind::True,
                "false" => Kind::False,
                _ => Kind::Name,
            };
            return (kind, end);
        }
        let bytes = self.text.as_bytes();
        let end = self.word(at);
        if bytes.get(end) == Some(&b'.')
            && bytes.get(end + 1).is_some_and(|&next| begins_name(next))
        {
            return (Kind::Name, self.word(end + 1));
        }
        let kind = match &bytes[at..end] {
            b"let" => Kind::Let,
            b"in" => Kind::In,
            b"for" => Kind::For,
            b"filter" => Kind::Filter,
            b"fold" => Kind::Fold,
            b"do" => Kind::Do,
            b"true" => Kind::True,
            b"false" => Kind::False,
            _ => Kind::Name,
        };
        (kind, end)
    }

    fn word(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        at + bytes[at..].iter().take_while(|&&byte| in_name(byte)).count()
    }

    fn number(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let one = self.dialect == Dialect::One;
        if one
            && bytes[at] == b'0'
            && matches!(bytes.get(at + 1), Some(b'x' | b'X'))
            && let Some(end) = self.hexadecimal(at + 2)
        {
            return end;
        }
        let mut end = self.digits(at);
        let next_digit = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if bytes.get(end) == Some(&b'.') && (one || next_digit) {
            end = self.digits(end + 1);
        }
        self.exponent(end)
    }

    fn hexadecimal(&self, at: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let digits = |at: usize| {
            let rest = bytes.get(at..).unwrap_or_default();
            at + rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
        };
        let mut end = digits(at);
        if end == at {
            return None;
        }
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        Some(self.power(end, b'p'))
    }

    fn exponent(&self, at: usize) -> usize {
        self.power(at, b'e')
    }

    fn power(&self, at: usize, mark: u8) -> usize {
        let bytes = self.text.as_bytes();
        if !bytes.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&mark)) {
            return at;
        }
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = self.digits(at + 1 + sign);
        if end == at + 1 + sign { at } else { end }
    }

    fn digits(&self, at: usize) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn string(&self, at: usize) -> (Kind, usize) {
        let bytes = self.text.as_bytes();
        let two = self.dialect == Dialect::Two;
        let mut end = at + 1;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'"' => return (Kind::Text, end + 1),
                b'\n' if two => return (Kind::OpenText, end),
                b'\\' if two && matches!(bytes.get(end + 1), Some(b'"' | b'\\')) => end += 2,
                _ => end += 1,
            }
        }
        (Kind::OpenText, end)
    }

    fn char_at(&self, at: usize) -> Option<char> {
        self.text.get(at..)?.chars().next()
    }

    fn skip_char(&self, at: usize) -> usize {
        at + self.char_at(at).map_or(1, char::len_utf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Dialect, text: &str, expected: &[&str]) {
        let lexer = Lexer::new(text, dialect);
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let token = lexer.token(at, |_| ());
            if token.kind == Kind::End {
                break;
            }
            found.push(&text[token.start as usize..token.end as usize]);
            at = token.end;
        }
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn numbers_and_runs_of_dialect_two() {
        let check = |text, expected: &[&str]| check(Dialect::Two, text, expected);
        check("1.<=f", &["1", ".<=", "f"]);
        check("1.5.<=f", &["1.5", ".<=", "f"]);
        check("f>.5", &["f", ">.", "5"]);
        check(".5", &[".5"]);
        check(
            "1e3 1e+3 1E-3 1.5e2 1e 1e+ .5e1",
            &["1e3", "1e+3", "1E-3", "1.5e2", "1", "e", "1", "e", "+", ".5e1"],
        );
        check("a-3", &["a", "-", "3"]);
        check("f>$t", &["f", ">", "$t"]);
        check("f>$ t", &["f", ">$", "t"]);
        check("a+//c\nb", &["a", "+", "b"]);
        check("a/b///c", &["a", "/", "b"]);
        check("A_b.c.d", &["A_b.c", ".", "d"]);
        check("a.+.b", &["a", ".+.", "b"]);
        check(
            "# ; : ' . | ! $ % & / ^ = * - + < > ? @ ~ \\",
            &[
                "#", ";", ":", "'", ".", "|", "!", "$", "%", "&", "/", "^", "=", "*", "-", "+",
                "<", ">", "?", "@", "~", "\\",
            ],
        );
        check("#;:'.|!$%&^=*-+<>?@~\\", &["#;:'.|!$%&^=*-+<>?@~\\"]);
        check("a_|_b", &["a_", "|", "_b"]);
        check(r#""a\"b" "c\\" "\d""#, &[r#""a\"b""#, r#""c\\""#, r#""\d""#]);
        check("é", &["é"]);
    }

    #[test]
    fn numbers_and_runs_of_dialect_one() {
        let check = |text, expected: &[&str]| check(Dialect::One, text, expected);
        check("1.<=x", &["1.", "<=", "x"]);
        check("my_var", &["my", "_", "var"]);
        check("aTb", &["aTb"]);
        check("a T b", &["a", "T", "b"]);
        check("ab1 N~a", &["ab1", "N~", "a"]);
        check("0x1F.8p-2 0x", &["0x1F.8p-2", "0", "x"]);
        check("\"a\\\" b", &["\"a\\\"", "b"]);
        check("\"a\nb\"", &["\"a\nb\""]);
        check("éa Éb", &["éa", "É", "b"]);
    }

    #[test]
    fn comments_and_lines_are_told() {
        let text = "a // one\n\n// two\nb c";
        let lexer = Lexer::new(text, Dialect::Two);
        let mut passed = Vec::new();
        let b = lexer.token(1, |comment| passed.push(comment));
        assert!(b.first && !b.spaced);
        let told: Vec<_> = passed.iter().map(|c| (c.start, c.own_line, c.spaced)).collect();
        assert_eq!(told, [(2, false, false), (10, true, true)]);
        assert!(!lexer.token(b.end, |_| ()).first);
    }
}
