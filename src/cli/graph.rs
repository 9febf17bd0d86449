//! Plans as pictures: text for Graphviz and for Mermaid.

use std::fmt::Write as _;

use crate::app::planning::Planned;
use crate::cli::command::plan::{Names, call, goal, word};
use crate::plan::graph::Operand;

/// Returns the plan for Graphviz: what is stored is filled, what would run is bold.
pub fn dot(planned: &Planned, names: &Names) -> String {
    let mut out =
        String::from("digraph plan {\n  rankdir=BT;\n  node [fontname=\"sans-serif\"];\n");
    for (at, node) in planned.nodes.iter().enumerate() {
        let style = match word(planned, at) {
            "stored" => "style=filled, fillcolor=\"#dbe9d8\"",
            "run" => "style=bold",
            _ => "style=dashed",
        };
        let name = names.name(*node);
        let label = quoted(&format!("{name} {}", call(planned, names, *node)));
        let key = planned.plan.id(*node);
        writeln!(out, "  {name} [label={label}, tooltip=\"{key}\", {style}];").ok();
        for below in planned.plan.arg_nodes(*node) {
            writeln!(out, "  {} -> {name};", names.name(below)).ok();
        }
    }
    for (at, each) in planned.goals.iter().enumerate() {
        let label = quoted(&goal(&each.action));
        writeln!(out, "  g{at} [label={label}, shape=box];").ok();
        if let Operand::Node(node) = each.value {
            writeln!(out, "  {} -> g{at};", names.name(node)).ok();
        }
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " "))
}

/// Returns the plan for Mermaid.
pub fn mermaid(planned: &Planned, names: &Names) -> String {
    let mut out = String::from("flowchart BT\n");
    for (at, node) in planned.nodes.iter().enumerate() {
        let name = names.name(*node);
        let label = escaped(&format!("{name} {}", call(planned, names, *node)));
        writeln!(out, "  {name}(\"{label}\"):::{}", word(planned, at)).ok();
        for below in planned.plan.arg_nodes(*node) {
            writeln!(out, "  {} --> {name}", names.name(below)).ok();
        }
    }
    for (at, each) in planned.goals.iter().enumerate() {
        writeln!(out, "  g{at}[\"{}\"]", escaped(&goal(&each.action))).ok();
        if let Operand::Node(node) = each.value {
            writeln!(out, "  {} --> g{at}", names.name(node)).ok();
        }
    }
    out.push_str("  classDef stored fill:#dbe9d8\n  classDef run stroke-width:3px\n");
    out.push_str("  classDef skip stroke-dasharray:4\n");
    out
}

/// Mermaid reads entities, and nothing else, in the place of special characters.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pictures_would_misread_is_escaped() {
        assert_eq!(quoted("a \"b\" \\ c"), "\"a \\\"b\\\" \\\\ c\"");
        assert_eq!(escaped("f(\"<#\")"), "f(#quot;#lt;#35;#quot;)");
    }
}
