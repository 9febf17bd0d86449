//! The one list of what is built in: all operators, and all their spellings.

use crate::kernel::{format, itk, list, number, space};
use crate::primitive::registry::{Dots, Spelling, Table};

/// Puts together every operator.
pub fn table() -> Table {
    let mut table = Table::new();
    let rooms = [
        format::list::primitives(),
        itk::list::primitives(),
        list::table::primitives(),
        number::list::primitives(),
        space::list::primitives(),
    ];
    for primitive in rooms.into_iter().flatten() {
        table.add(Box::new(primitive));
    }
    for (name, number) in itk::pixel::constants() {
        table.name("simpleitk", name, number);
    }
    for (primitive, order, spellings) in SPELLINGS {
        for spelling in spellings.split(' ') {
            table.spell(Spelling {
                spelling,
                primitive,
                swapped: *order == Order::Swapped,
                dots: dots(spelling),
                namespaces: if spelling.starts_with(char::is_alphabetic) {
                    &["default", "vox1"]
                } else {
                    &["vox1"]
                },
            });
        }
    }
    table
}

/// In which order an operator takes what is written `(a, b)`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Written,
    Swapped,
}

/// The spellings of operators besides their own names. A prefix `-` is `vox1.neg`, which lowering
/// knows; here `-` is the infix one.
const SPELLINGS: &[(&str, Order, &str)] = &[
    ("vox1.add", Order::Written, "+ .+ +. .+. add_vs num_add addition"),
    ("vox1.sub", Order::Written, "- .- -. .-. sub_sv sub_vs num_sub subtraction"),
    ("vox1.mul", Order::Written, "* .* *. .*. mul_vs num_mul multiplication"),
    ("vox1.div", Order::Written, "/ ./ /. ./. div_sv num_div division"),
    ("vox1.lt", Order::Written, "< .< <. .<. num_lt"),
    ("vox1.lt", Order::Swapped, "> .> >. .>. num_gt"),
    ("vox1.le", Order::Written, "<= .<= <=. .<=. num_leq geq_sv"),
    ("vox1.le", Order::Swapped, ">= .>= >=. .>=. num_geq leq_sv"),
    ("vox1.eq", Order::Written, "== .= =. .=. eq_sv num_eq"),
    ("vox1.ne", Order::Written, "!= num_neq"),
    ("vox1.and", Order::Written, "& && .&. bool_and_scalar"),
    ("vox1.or", Order::Written, "| || .|. bool_or_scalar"),
    ("vox1.not", Order::Written, "! !. bool_not_scalar not_compat"),
    ("vox1.volume", Order::Written, "vol"),
    ("vox1.lcc", Order::Written, "Lcc"),
    ("vox1.near", Order::Written, "N"),
    ("vox1.interior", Order::Written, "I"),
    ("vox1.through", Order::Swapped, "~>"),
];

/// Reads where an operator's dots demand scalars; the one operand of `!.` counts as both sides.
fn dots(spelling: &str) -> Dots {
    match (spelling.starts_with('.'), spelling.ends_with('.')) {
        _ if spelling == "!." => Dots::Both,
        (true, true) => Dots::Both,
        (true, false) => Dots::Left,
        (false, true) => Dots::Right,
        (false, false) => Dots::None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::primitive::registry::Registry as _;

    #[test]
    fn every_spelling_leads_to_an_operator() {
        let table = table();
        for (namespace, name) in table.names() {
            let spelling = table.resolve(namespace, name).unwrap();
            assert!(table.find(spelling.primitive).is_some(), "{namespace}.{name}");
        }
    }

    #[test]
    fn old_names_take_their_arguments_in_their_order() {
        let table = table();
        let meant = |namespace: &str, name: &str| {
            let spelling = table.resolve(namespace, name).unwrap();
            (spelling.primitive, spelling.swapped, spelling.dots)
        };
        assert_eq!(meant("vox1", "geq_sv"), ("vox1.le", false, Dots::None));
        assert_eq!(meant("vox1", "leq_sv"), ("vox1.le", true, Dots::None));
        assert_eq!(meant("vox1", ">."), ("vox1.lt", true, Dots::Right));
        assert_eq!(meant("vox1", ".="), ("vox1.eq", false, Dots::Left));
        assert_eq!(meant("vox1", ".|."), ("vox1.or", false, Dots::Both));
        assert_eq!(meant("default", "num_eq"), ("vox1.eq", false, Dots::None));
        assert_eq!(meant("vox1", "div_vs"), ("vox1.div_vs", false, Dots::None));
        assert!(table.resolve("default", "+").is_none());
        for internal in ["grid", "literal"] {
            assert!(table.resolve("vox1", internal).is_none());
        }
    }

    #[test]
    fn every_signature_is_whole() {
        for primitive in table().primitives() {
            let signature = primitive.signature();
            assert!(signature.doc.ends_with('.'), "{}", signature.name);
            assert!(!signature.forms.is_empty(), "{}", signature.name);
            let longest = signature.forms.iter().map(|form| form.takes.len()).max().unwrap();
            let variadic = signature.forms.iter().any(|form| form.variadic);
            let written = longest - usize::from(signature.on_base_grid());
            assert!(variadic || written == signature.parameters.len(), "{}", signature.name);
        }
    }
}
