//! The nearest name to one that is not there.

/// Returns the candidate that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let limit = (name.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.len().abs_diff(name.len()) > 2 * limit + 2 || candidate == name {
            continue;
        }
        let distance = if candidate.eq_ignore_ascii_case(name) {
            0
        } else {
            strsim::damerau_levenshtein(name, candidate)
        };
        let is_letter = candidate.chars().any(char::is_alphanumeric);
        if distance <= limit
            && is_letter == name.chars().any(char::is_alphanumeric)
            && distance < candidate.chars().count()
            && best.is_none_or(|known| (distance, candidate) < known)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate.to_owned())
}

/// Returns what to write instead of a name that other versions of the language have.
pub fn other_version(name: &str) -> Option<&'static str> {
    Some(match name {
        "geq" => "write `>=`, with a dot at the scalar's side: `f >=. n`",
        "leq" => "write `<=`, with a dot at the scalar's side: `f <=. n`",
        "multiply" | "smul" => "write `*`",
        "sdiv" => "write `/`",
        "for_loop" => "write `for x in xs do e`",
        "dask_map" => "write `map(f, xs)`",
        "print_primitive" => "write `print \"label\" e`",
        _ if name.starts_with("nnunet.") || name.starts_with("test.") => {
            "this namespace is not part of vox"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["near", "interior", "through", "+", "x"];
        assert_eq!(nearest("interor", names).as_deref(), Some("interior"));
        assert_eq!(nearest("Near", names).as_deref(), Some("near"));
        assert_eq!(nearest("zebra", names), None);
        assert_eq!(nearest("y", names), None);
        assert_eq!(nearest("-", names), None);
    }
}
