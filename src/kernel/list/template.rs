//! Texts made from a template, as Python's `str.format` makes them.

use crate::kernel::argument;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::text;

/// Wider fields and more digits are refused.
const MOST: usize = 10_000;

/// Fills a template: `{}` takes the next argument, `{0}` one by number, `{:spec}` says how.
pub fn format_string(call: &Call<'_>) -> Result<Output, Refusal> {
    let [template, args @ ..] = call.args else { return Err(argument::kind()) };
    let template = argument::text(template)?;
    let mut out = String::new();
    let mut rest = template.chars().peekable();
    let mut counting = Counting::Unknown;
    while let Some(c) = rest.next() {
        match c {
            '{' if rest.next_if_eq(&'{').is_some() => out.push('{'),
            '}' if rest.next_if_eq(&'}').is_some() => out.push('}'),
            '}' => return Err(form()),
            '{' => {
                let mut field = String::new();
                loop {
                    match rest.next() {
                        Some('}') => break,
                        Some('{') | None => return Err(form()),
                        Some(c) => field.push(c),
                    }
                }
                let (name, spec) = field.split_once(':').unwrap_or((&field, ""));
                let value = args.get(counting.place(name)?).ok_or_else(form)?;
                out.push_str(&Spec::read(spec)?.show(value)?);
            }
            c => out.push(c),
        }
    }
    Ok(Value::text(&out).into())
}

fn form() -> Refusal {
    Refusal::new(Code::Format)
}

/// Fields are numbered by the template or counted, never both.
enum Counting {
    Unknown,
    Numbered,
    Next(usize),
}

impl Counting {
    fn place(&mut self, name: &str) -> Result<usize, Refusal> {
        if name.is_empty() {
            let at = match self {
                Self::Unknown => 0,
                Self::Next(at) => *at,
                Self::Numbered => return Err(form()),
            };
            *self = Self::Next(at + 1);
            return Ok(at);
        }
        if matches!(self, Self::Next(_)) || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        *self = Self::Numbered;
        name.parse().map_err(|_| form())
    }
}

/// `[[fill]align][sign][#][0][width][,_][.precision][type]`.
struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    alternate: bool,
    zero: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn read(spec: &str) -> Result<Self, Refusal> {
        let chars: Vec<char> = spec.chars().collect();
        let is_align = |at: usize| chars.get(at).is_some_and(|c| "<>=^".contains(*c));
        let (mut fill, mut align, mut at) = (' ', None, 0);
        let mut filled = false;
        if is_align(1) {
            (fill, align, at, filled) = (chars[0], Some(chars[1]), 2, true);
        } else if is_align(0) {
            (align, at) = (Some(chars[0]), 1);
        }
        let mut take = |wanted: &str| {
            let found = chars.get(at).copied().filter(|c| wanted.contains(*c));
            at += usize::from(found.is_some());
            found
        };
        let sign = take("+- ").unwrap_or('-');
        let alternate = take("#").is_some();
        let zero = take("0").is_some();
        if zero && !filled {
            fill = '0';
        }
        let mut number = || -> Result<Option<usize>, Refusal> {
            let mut digits = String::new();
            while let Some(digit) = take("0123456789") {
                digits.push(digit);
            }
            if digits.is_empty() {
                return Ok(None);
            }
            let number = digits.parse().unwrap_or(usize::MAX);
            if number > MOST {
                return Err(Refusal::with(Code::Size, &[number as f64, MOST as f64]));
            }
            Ok(Some(number))
        };
        let width = number()?.unwrap_or(0);
        let group = chars.get(at).copied().filter(|c| ",_".contains(*c));
        at += usize::from(group.is_some());
        let mut precision = None;
        if chars.get(at) == Some(&'.') {
            at += 1;
            let digits: String = chars[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
            at += digits.len();
            let number = digits.parse::<usize>().map_err(|_| form())?;
            if number > MOST {
                return Err(Refusal::with(Code::Size, &[number as f64, MOST as f64]));
            }
            precision = Some(number);
        }
        let kind = chars.get(at).copied();
        at += usize::from(kind.is_some());
        if at != chars.len() || kind.is_some_and(|kind| !"fFeEgG%ds".contains(kind)) {
            return Err(form());
        }
        Ok(Self { fill, align, sign, alternate, zero, width, group, precision, kind })
    }

    fn show(&self, value: &Value) -> Result<String, Refusal> {
        match (value, self.kind) {
            (Value::Number(number), Some(kind)) if kind != 's' => self.number(*number, kind),
            (Value::Number(number), None) => self.plain_number(*number),
            (Value::Number(_), _) => Err(form()),
            (_, Some(kind)) if kind != 's' => Err(form()),
            (value, _) => {
                let shown = text::show(value).ok_or_else(argument::kind)?;
                if self.sign != '-' || self.alternate || self.group.is_some() {
                    return Err(form());
                }
                if self.align == Some('=') {
                    return Err(form());
                }
                let shown = match self.precision {
                    Some(precision) => shown.chars().take(precision).collect(),
                    None => shown,
                };
                Ok(self.pad("", &shown, '<'))
            }
        }
    }

    /// Without a type: as print shows it, or with a precision as `g` does, but never without a point.
    fn plain_number(&self, number: f64) -> Result<String, Refusal> {
        let digits = if self.precision.is_none() {
            text::number(number.abs())
        } else {
            let shown = self.digits(number.abs(), 'g')?;
            let whole = number.is_finite() && !shown.contains(['.', 'e']);
            if whole { shown + ".0" } else { shown }
        };
        Ok(self.finish(number, &digits))
    }

    fn number(&self, number: f64, kind: char) -> Result<String, Refusal> {
        if kind == 'd' {
            if self.precision.is_some() || self.alternate {
                return Err(form());
            }
            if !number.is_finite() || number.fract() != 0.0 {
                return Err(Refusal::with(Code::Integer, &[number]));
            }
            // An integer has no negative zero.
            return Ok(self.finish(number + 0.0, &format!("{:.0}", number.abs())));
        }
        let digits = self.digits(number.abs(), kind)?;
        Ok(self.finish(number, &digits))
    }

    /// Returns the digits of a number without its sign.
    fn digits(&self, number: f64, kind: char) -> Result<String, Refusal> {
        let precision = self.precision.unwrap_or(6);
        let shown = if number.is_finite() {
            match kind.to_ascii_lowercase() {
                'f' => self.pointed(format!("{number:.precision$}")),
                '%' => self.pointed(percent(number, precision)) + "%",
                'e' => {
                    let (digits, exponent) = scientific(number, precision);
                    self.pointed(digits) + &exponent_text(exponent)
                }
                'g' => self.general(number, precision.max(1)),
                _ => return Err(form()),
            }
        } else {
            let sign = if kind == '%' { "%" } else { "" };
            text::number(number) + sign
        };
        Ok(if kind.is_ascii_uppercase() { shown.to_ascii_uppercase() } else { shown })
    }

    /// `g`: the shorter of the two forms, without zeros at the end.
    fn general(&self, number: f64, precision: usize) -> String {
        let (digits, exponent) = scientific(number, precision - 1);
        let pointed = (-4..precision as i32).contains(&exponent);
        let mut shown = if pointed {
            let behind = (precision as i32 - 1 - exponent) as usize;
            format!("{number:.behind$}")
        } else {
            digits
        };
        if self.alternate {
            shown = self.pointed(shown);
        } else if shown.contains('.') {
            shown.truncate(shown.trim_end_matches('0').trim_end_matches('.').len());
        }
        if pointed { shown } else { shown + &exponent_text(exponent) }
    }

    /// `#` keeps the point where nothing follows it.
    fn pointed(&self, shown: String) -> String {
        if self.alternate && !shown.contains('.') { shown + "." } else { shown }
    }

    fn finish(&self, number: f64, digits: &str) -> String {
        let sign = match (number.is_sign_negative() && !number.is_nan(), self.sign) {
            (true, _) => "-",
            (false, '+') => "+",
            (false, ' ') => " ",
            (false, _) => "",
        };
        let align = if self.zero { '=' } else { '>' };
        let Some(group) = self.group.filter(|_| number.is_finite()) else {
            return self.pad(sign, digits, align);
        };
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (mut whole, tail) = (digits[..end].to_owned(), &digits[end..]);
        if self.fill == '0' && self.align.unwrap_or(align) == '=' {
            // Zeros in front are grouped too, and no text begins with the mark.
            let room = self.width.saturating_sub(sign.len() + tail.chars().count());
            while grouped(&whole, group).len() < room {
                whole.insert(0, '0');
            }
        }
        self.pad(sign, &(grouped(&whole, group) + tail), align)
    }

    fn pad(&self, sign: &str, shown: &str, align: char) -> String {
        let missing = self.width.saturating_sub(sign.len() + shown.chars().count());
        let fill = |count: usize| self.fill.to_string().repeat(count);
        match self.align.unwrap_or(align) {
            '<' => format!("{sign}{shown}{}", fill(missing)),
            '^' => format!("{}{sign}{shown}{}", fill(missing / 2), fill(missing - missing / 2)),
            '=' => format!("{sign}{}{shown}", fill(missing)),
            _ => format!("{}{sign}{shown}", fill(missing)),
        }
    }
}

fn grouped(digits: &str, mark: char) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}

/// Returns the digits of a hundred times a number, the product rounded to f64 as Python does.
fn percent(number: f64, precision: usize) -> String {
    let hundredfold = number * 100.0;
    if hundredfold.is_infinite() { "inf".to_owned() } else { format!("{hundredfold:.precision$}") }
}

/// Returns the significand's digits, correctly rounded, and the exponent.
fn scientific(number: f64, precision: usize) -> (String, i32) {
    let shown = format!("{number:.precision$e}");
    let (digits, exponent) = shown.split_once('e').expect("this form has an exponent");
    (digits.to_owned(), exponent.parse().expect("an exponent is an integer"))
}

fn exponent_text(exponent: i32) -> String {
    format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::canon::Tree;

    fn of(template: &str, args: &[Value]) -> Result<String, Code> {
        let mut all = vec![Value::text(template)];
        all.extend_from_slice(args);
        format_string(&Call { args: &all, params: &Tree::Null, files: &[] })
            .map(|output| text::show(&output.value).unwrap())
            .map_err(|refusal| refusal.code)
    }

    fn one(template: &str, number: f64) -> String {
        of(template, &[Value::Number(number)]).unwrap()
    }

    /// What Python 3 prints for the same templates and floats.
    #[test]
    fn numbers_are_formatted_as_python_does() {
        for (template, number, want) in [
            ("x_{:03.0f}", 7.0, "x_007"),
            ("{:f}", 1.5, "1.500000"),
            ("{:.0f}", 0.5, "0"),
            ("{:.0f}", 1.5, "2"),
            ("{:#.0f}", 1.0, "1."),
            ("{:+.2f}", -0.0, "-0.00"),
            ("{: .1f}", 2.25, " 2.2"),
            ("{:.2e}", 12345.678, "1.23e+04"),
            ("{:E}", 0.0, "0.000000E+00"),
            ("{:g}", 1e6, "1e+06"),
            ("{:g}", 123_456.0, "123456"),
            ("{:g}", 1e-5, "1e-05"),
            ("{:.3g}", 0.0001, "0.0001"),
            ("{:#.3g}", 1.0, "1.00"),
            ("{:.3G}", 1e10, "1E+10"),
            ("{:.1%}", 0.1234, "12.3%"),
            ("{:,.2f}", 1_234_567.891, "1,234,567.89"),
            ("{:_.0f}", 1_234_567.0, "1_234_567"),
            ("{:012,.1f}", 1234.5, "00,001,234.5"),
            ("{:010.3f}", -2.25, "-00002.250"),
            ("{:*^9.1f}", 3.0, "***3.0***"),
            ("{:<6.1f}|", 3.0, "3.0   |"),
            ("{:=+8.1f}", 3.0, "+    3.0"),
            ("{:f}", f64::NAN, "nan"),
            ("{:F}", f64::NEG_INFINITY, "-INF"),
            ("{:06.1f}", f64::INFINITY, "000inf"),
            ("{:.3}", 3.0, "3.0"),
            ("{:8}|", 3.0, "     3.0|"),
        ] {
            assert_eq!(one(template, number), want, "{template}");
        }
    }

    #[test]
    fn integers_print_without_point() {
        assert_eq!(one("{:03d}", 7.0), "007");
        assert_eq!(one("{:d}", -0.0), "0");
        assert_eq!(one("{:,d}", -1e6), "-1,000,000");
        assert_eq!(of("{:d}", &[Value::Number(0.5)]), Err(Code::Integer));
        assert_eq!(one("{}", 7.0), "7.0");
    }

    #[test]
    fn fields_are_counted_or_numbered() {
        let (a, b) = (Value::text("a"), Value::text("b"));
        let two = [a, b];
        assert_eq!(of("{}-{}", &two).unwrap(), "a-b");
        assert_eq!(of("{1}{0}{1}", &two).unwrap(), "bab");
        assert_eq!(of("{{{:>3}}}", &two).unwrap(), "{  a}");
        assert_eq!(of("{:.0s}{:5}|", &two).unwrap(), "b    |");
        for bad in
            ["{}{}{}", "{0}{}", "{}{0}", "{", "}", "{0.a}", "{0[1]}", "{!r}", "{:x}", "{:f}", "{{}"]
        {
            assert_eq!(of(bad, &two), Err(Code::Format), "{bad}");
        }
    }
}
