//! What the text of a number is worth.

/// Returns the value of a number's text; the lexer let only numbers through.
pub fn number(text: &str) -> f64 {
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let plain = text.trim_start_matches(['+', '-']);
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return sign * hexadecimal(hex);
    }
    sign * plain.parse::<f64>().unwrap_or(f64::NAN)
}

fn hexadecimal(text: &str) -> f64 {
    let (digits, power) = text.split_once(['p', 'P']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let value = whole
        .chars()
        .chain(fraction.chars())
        .fold(0.0, |value, c| value * 16.0 + f64::from(c.to_digit(16).unwrap_or(0)));
    let power: i32 = power.parse().unwrap_or(0);
    value * 2f64.powi(power.saturating_sub(4 * fraction.len() as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_worth_what_they_say() {
        assert_eq!(number("1."), 1.0);
        assert_eq!(number(".5e1"), 5.0);
        assert_eq!(number("-2"), -2.0);
        assert_eq!(number("+0x1F.8p-1"), 15.75);
        assert_eq!(number("1e999"), f64::INFINITY);
        assert_eq!(number("-Infinity"), f64::NEG_INFINITY);
        assert!(number("NaN").is_nan());
    }
}
