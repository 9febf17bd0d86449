//! Runs of operator characters that are no operator: the longest operator that begins them, and
//! prefixes. Which operators are in scope is known while lowering only, so it asks here.

/// Splits a run into the operator that stands for it and the prefixes after it.
///
/// A run that is an operator is itself, without prefixes. Otherwise it is the longest operator
/// that begins it; the rest is split in the same way, each piece a prefix of the next:
/// `>.-` with `>.` and `-` in scope is `(">.", ["-"])`. `None` where no operator begins what is
/// left. `longest` is the length in bytes of the longest operator in scope; it bounds the search,
/// so that time is linear in the run.
pub fn split<'r>(
    run: &'r str,
    longest: usize,
    in_scope: &dyn Fn(&str) -> bool,
) -> Option<(&'r str, Vec<&'r str>)> {
    let (infix, mut rest) = first(run, longest, in_scope)?;
    let mut prefixes = Vec::new();
    while !rest.is_empty() {
        let (prefix, after) = first(rest, longest, in_scope)?;
        prefixes.push(prefix);
        rest = after;
    }
    Some((infix, prefixes))
}

fn first<'r>(
    run: &'r str,
    longest: usize,
    in_scope: &dyn Fn(&str) -> bool,
) -> Option<(&'r str, &'r str)> {
    let most = run.len().min(longest);
    (1..=most)
        .rev()
        .filter(|&len| run.is_char_boundary(len))
        .find(|&len| in_scope(&run[..len]))
        .map(|len| run.split_at(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(run: &str, expected: Option<(&str, &[&str])>) {
        let scope = ["+", "-", "!", "&", "&&", ">", ">.", ">=.", "B+", "É"];
        let found = split(run, 3, &|op| scope.contains(&op));
        let found = found.as_ref().map(|(infix, prefixes)| (*infix, prefixes.as_slice()));
        assert_eq!(found, expected, "{run}");
    }

    #[test]
    fn a_run_is_its_longest_operator_and_prefixes() {
        check(">.-", Some((">.", &["-"])));
        check("&!", Some(("&", &["!"])));
        check("--", Some(("-", &["-"])));
        check("&&!!-", Some(("&&", &["!", "!", "-"])));
        check(">=.", Some((">=.", &[])));
        check("B+-", Some(("B+", &["-"])));
        check("ÉÉ", Some(("É", &["É"])));
        check("+?", None);
        check("?+", None);
        check("", None);
    }

    #[test]
    fn a_long_run_takes_linear_time() {
        let run = "-".repeat(1_000_000);
        let (_, prefixes) = split(&run, 3, &|op| op == "-").expect("minus begins it");
        assert_eq!(prefixes.len(), 999_999);
    }
}
